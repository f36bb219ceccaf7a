"""`workload.restart`: roll the pods of one component over on Kubernetes, as `kubectl rollout restart` does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airwarden.core.errors import ConflictError, NotFoundError
from airwarden.core.kubernetes import Kubernetes, Workload, WorkloadKind
from airwarden.core.platform import Component
from airwarden.remediation.actions.base import Danger, Effect, Nothing, Plan, ReadBack, Refused
from airwarden.remediation.components import database_pace
from airwarden.remediation.rollouts import held_up, named_workloads
from airwarden.remediation.world import Json, Subject, World

#: How a workload replaces its pods without taking all of them away first.
_ROLLS = "RollingUpdate"


class WorkloadRestart:
    """Replace all pods of a Deployment or StatefulSet on Kubernetes, as its own strategy does it.

    The label `workload` names it, or `component` where that has one workload only. Two restarts with the
    same key are one: the key is made of the incident and of the generation that was seen, so a plan that is
    made anew after a change is another one. Workers are refused, since the chart's strategy takes half of them
    away at once (`worker.restart` takes one idle worker), and so is what would roll nothing out or
    everything at once (paused, `OnDelete`, `Recreate`), what a roll-out is under way of, and any of it while
    the metadata database is slow. That the roll-out has come to its end is for the check
    `workload-rolled-out`.
    """

    name = "workload.restart"
    danger = Danger.C
    needs = frozenset({"kubernetes"})
    deadline = 10.0
    decidable = True
    undecidable = ("somebody else changed the workload", "the workload is gone or was made anew")

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        """Find the workload that the labels name, and see that nothing speaks against it."""
        del parameters
        kube = world.kube
        found = named_workloads(kube, subject.labels)
        if len(found) != 1:
            names = ", ".join(one.name for one in found)
            return Refused(
                f"the labels name {names or 'no workload'}: `workload` has to name one",
                cause="unknown target",
            )
        (workload,) = found
        evidence: Json = {"workload": workload.name, "rollout": workload.rollout}
        if not workload.wanted:
            return Nothing(f"{workload.name} shall have no pods", evidence)
        if reason := _unfit(kube, workload):
            return Refused(reason, cause="no roll-out now", evidence=evidence)
        if world.database is not None and (pace := database_pace(world)).slow:
            return Refused(
                f"{pace.sentence}: a restart would only add load",
                cause="metadata database slow",
                evidence=evidence,
            )
        return Plan((_effect(world, subject, workload),), evidence)

    def apply(self, world: World, effect: Effect) -> Json:
        """Set the template's key, unless it has it; Kubernetes does the rest.

        Raises:
            ConflictError: The workload was changed since it was planned for, or is gone.
        """
        kube, (kind, name) = world.kube, _which(effect)
        try:
            now = kube.workload(kind, name)
        except NotFoundError:
            raise ConflictError(f"{name} is gone") from None
        key = str(effect.parameters["key"])
        if _generation(now) != effect.generation and now.restarted != key:
            raise ConflictError(f"{name} was changed since it was planned for")
        done = kube.restart(now, key=key, why=f"Airwarden: {effect.summary}")
        return {"generation": done.generation, "rollout": done.rollout}

    def read_back(self, world: World, effect: Effect) -> ReadBack:
        """Compare the template's key, and the generation, with the planned ones."""
        kind, name = _which(effect)
        try:
            now = world.kube.workload(kind, name)
        except NotFoundError:
            return ReadBack.UNDECIDABLE
        if _generation(now) == effect.generation:
            return ReadBack.NOT_DONE
        anew = now.uid != effect.before["uid"]
        if not anew and now.restarted == effect.parameters["key"]:
            return ReadBack.DONE
        return ReadBack.UNDECIDABLE

    def undo(self, world: World, effect: Effect) -> Plan | Nothing | Refused:
        """Answer that a restart has no way back."""
        del world, effect
        return Nothing("a restart cannot be taken back")


def _unfit(kube: Kubernetes, workload: Workload) -> str:
    """Say why a restart of this workload would be wrong now, or nothing."""
    name = workload.name
    if workload.component is Component.WORKER:
        return f"{name} has workers: they are replaced one by one, once they are idle"
    if workload.paused:
        return f"{name} is paused: it would roll nothing out"
    if workload.strategy != _ROLLS:
        how = "all its pods at once" if workload.strategy == "Recreate" else "none of its pods"
        return f"{name} has the strategy {workload.strategy}: it would replace {how}"
    if workload.rolling:
        return f"a roll-out is under way: {held_up(kube, workload)}"
    return ""


def _generation(workload: Workload) -> str:
    return f"{workload.uid}/{workload.generation}"


def _effect(world: World, subject: Subject, workload: Workload) -> Effect:
    return Effect(
        action=WorkloadRestart.name,
        target=f"{world.cluster}/workload/{workload.name}",
        parameters={
            "workload": workload.name,
            "kind": workload.kind.value,
            "key": f"airwarden-{subject.incident_id}-{workload.generation}",
        },
        before={
            "component": workload.component.value,
            "uid": workload.uid,
            "restarted": workload.restarted,
            "ready": workload.ready,
        },
        summary=f"roll the {workload.wanted} pods of {workload.name} over",
        generation=_generation(workload),
    )


def _which(effect: Effect) -> tuple[WorkloadKind, str]:
    return WorkloadKind(str(effect.parameters["kind"])), str(effect.parameters["workload"])
