"""`replicas.add`: one more pod of a component that is asked too much, for a while. On Kubernetes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from airwarden.core.kubernetes import Capacity, Workload
from airwarden.core.platform import Component
from airwarden.remediation.actions import workload_capacity
from airwarden.remediation.actions.base import Danger, Effect, Nothing, Plan, ReadBack, Refused
from airwarden.remediation.headroom import no_room
from airwarden.remediation.rollouts import held_up, named_workloads
from airwarden.remediation.world import Json, Subject, World

_UNTIL = "until"


class ReplicasAdd:
    """Let a component that runs and does not keep up have one more pod, and take it back after a while.

    Parameters:
        hold: Seconds from the alert's start before which its undo does not take the pod back (1800).
        most: Pods above which nothing is added (8).

    Where an autoscaler owns the number, its minimum is raised within its maximum, else the number itself. It
    does nothing while pods are missing, wait or are being rolled over, and refuses while the metadata
    database is slow or nearly out of connections: then it is the database that is asked too much. Workers
    are for `workers.scale`.
    """

    name = "replicas.add"
    danger = Danger.A
    needs = frozenset({"kubernetes"})
    deadline = 10.0
    decidable = True
    undecidable = ("somebody else scaled the workload, or it is gone",)

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        """Find the workload that the labels name, and see that one more pod would help it."""
        kube = world.kube
        found = named_workloads(kube, subject.labels)
        if len(found) != 1 or found[0].component is Component.WORKER:
            return Refused("the labels name no one workload but workers", cause="unknown target")
        (workload,) = found
        seen = kube.capacity(workload)
        most = min(int(parameters.get("most", 8)), seen.maximum if seen.elastic else 10**6)
        evidence: Json = {
            "workload": workload.name, "owner": seen.owner, "minimum": seen.minimum,
            "wanted": seen.wanted, "ready": seen.ready, "most": most,
        }  # fmt: skip
        if not workload.wanted:
            return Nothing(f"{workload.name} shall have no pods", evidence)
        if seen.elastic and workload.wanted < seen.minimum:
            return Nothing(f"{workload.name} gets {seen.minimum} pods by its autoscaler", evidence)
        if reason := self._in_the_way(world, workload):
            return Refused(reason, cause="no room for more pods", evidence=evidence)
        if workload.wanted >= most:
            return Nothing(f"{workload.name} has {workload.wanted} pods, at most {most}", evidence)
        if reason := no_room(world, f"{workload.component.value}s"):
            return Refused(reason, cause="no room in the metadata database", evidence=evidence)
        hold = timedelta(seconds=float(parameters.get("hold", 1800)))
        effect = self._effect(world, workload, seen, subject.started_at + hold)
        return Plan((effect,), evidence)

    def _in_the_way(self, world: World, workload: Workload) -> str:
        """Say why it is not overload, or nothing that a further pod would help; or nothing."""
        kube = world.kube
        if workload.rolling or workload.paused:
            return f"a roll-out is under way: {held_up(kube, workload)}"
        if reason := workload_capacity.no_place(kube, workload):
            return reason
        pods = [one for one in kube.pods(workload.component) if one.workload == workload.name]
        up = sum(pod.running for pod in pods)
        if up < workload.wanted:
            return f"{up} of {workload.wanted} pods of {workload.name} run: they come first"
        return ""

    def _effect(self, world: World, workload: Workload, seen: Capacity, until: datetime) -> Effect:
        wanted = workload.wanted + 1
        maximum = seen.maximum if seen.elastic else wanted
        effect = workload_capacity.bounds_effect(self.name, world, workload, seen, wanted, maximum)
        return replace(
            effect,
            # Beside the old values: two effects with the same parameters are the same to the guard of fights.
            before={**effect.before, _UNTIL: until.isoformat()},
            summary=f"let {workload.name} have {wanted} pods (of {workload.wanted})",
        )

    def apply(self, world: World, effect: Effect) -> Json:
        """Set the bounds; raises ConflictError as `workers.scale`."""
        return workload_capacity.apply(world, effect)

    def read_back(self, world: World, effect: Effect) -> ReadBack:
        """Compare the bounds with the desired and the earlier ones."""
        return workload_capacity.read_back(world, effect)

    def undo(self, world: World, effect: Effect) -> Plan | Nothing | Refused:
        """Plan the old bounds, once the pod has been there for long enough."""
        if _UNTIL not in effect.before:
            return Nothing("only what was added is taken away again")
        until = datetime.fromisoformat(str(effect.before[_UNTIL]))
        if world.clock.now() < until:
            return Refused(f"it is kept until {until:%H:%M} UTC")
        way = workload_capacity.undo(self.name, world, effect)
        return Refused("pods that go have work") if isinstance(way, tuple) else way
