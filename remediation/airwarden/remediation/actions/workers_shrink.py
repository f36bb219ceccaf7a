"""`workers.shrink`: take away workers that were there before and that the load does not ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airwarden.core.errors import ConflictError, RejectedError
from airwarden.core.platform import Component, HostProcess, ProcessState
from airwarden.remediation.actions import workload_capacity
from airwarden.remediation.actions.base import Danger, Effect, Nothing, Plan, ReadBack, Refused
from airwarden.remediation.actions.process import find
from airwarden.remediation.actions.workers import UP, WorkersScale, answering
from airwarden.remediation.decide.autoscaling import Move
from airwarden.remediation.sparing import SHRINK, Fleet, spare, stale
from airwarden.remediation.world import Json, Subject, World

_CONSUMING = "consuming"


class WorkersShrink(WorkersScale):
    """Take away workers that the load has not asked for, drained first, and idle twice in a row.

    Parameters:
        stage: `drain` tells workers without a task to take none any more, a tenth of them and five at most;
            `remove` stops those that are drained so and idle, or makes their StatefulSet smaller by them.

    How many may go is decided by `resource_allocation.auto_scaling` on what Prometheus measured: never
    below its minimum, nor below what nineteen twentieths of the last week needed, and none where a
    measurement is missing. It refuses where KEDA or an autoscaler owns the number, where a Deployment
    chooses which pods go, in a fleet of less than five, and while a worker is silent or does not answer.
    Its undo lets drained workers take tasks again, and starts what was stopped.
    """

    name = SHRINK
    danger = Danger.B
    needs = frozenset({"host", "workers", "prometheus", "ledger"})

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        """Choose workers to drain, or those that are drained and idle."""
        del subject
        stage = parameters.get("stage")
        if stage not in ("drain", "remove"):
            return Refused("the step names no stage: drain or remove")
        seen = spare(world)
        if seen.decision is None or seen.fleet is None:
            return Refused(seen.refusal or seen.waits, cause="workers are not ours to take")
        evidence: Json = {"running": len(seen.fleet.running), "load": seen.decision.why}
        if seen.decision.move is not (Move.REMOVE if stage == "remove" else Move.DRAIN):
            return Nothing(seen.decision.why, evidence)
        if stage == "remove":
            return self._removal(world, seen.fleet, seen.decision.nodes, evidence)
        if not seen.going:
            return Refused(seen.waits, cause="workers are busy", evidence=evidence)
        return Plan(tuple(self._draining(world, one, seen.fleet) for one in seen.going), evidence)

    def _draining(self, world: World, process: HostProcess, fleet: Fleet) -> Effect:
        effect = self._effect(world, process, "draining")
        queues = list(fleet.workers[process.name].queues)
        return replace(effect, before={**effect.before, "queues": queues})

    def _removal(
        self, world: World, fleet: Fleet, names: tuple[str, ...], evidence: Json
    ) -> Plan | Nothing | Refused:
        """Plan to stop these, or to make the StatefulSet smaller whose last pods they are.

        Not those that were drained minutes ago: something held us up, and capacity may be needed now.
        """
        late = stale(world)
        names = tuple(name for name in names if name not in late)
        if not names:
            return Refused("what was drained has waited for too long: it is given back")
        if world.kubernetes is None:
            going = [one for one in fleet.running if one.name in names]
            return Plan(tuple(self._effect(world, one, "stopped") for one in going), evidence)
        kube = world.kubernetes
        for workload in kube.workloads(Component.WORKER):
            seen = kube.capacity(workload)
            kept = seen.maximum
            while f"{workload.name}-{kept - 1}" in names:
                kept -= 1
            if kept < seen.maximum and not seen.elastic:
                effect = workload_capacity.bounds_effect(
                    self.name, world, workload, seen, kept, kept
                )
                return Plan((effect,), evidence)
        return Nothing("those that are drained are not the last of their StatefulSet", evidence)

    def apply(self, world: World, effect: Effect) -> Json:
        """Bring one worker, or the StatefulSet, to its desired state.

        Raises:
            ConflictError: It is another incarnation.
            RejectedError: It is busy again, or needed: it stays, and the others may go all the same.
        """
        desired = effect.parameters.get("desired")
        if desired == "draining":
            return super().apply(world, effect)
        if desired != _CONSUMING:
            try:
                return super().apply(world, effect)
            except ConflictError as busy:
                raise RejectedError(str(busy)) from busy
        name = str(effect.parameters["process"])
        process = find(world, name)
        if process is None or process.generation != effect.generation or world.workers is None:
            raise ConflictError(f"{name} was replaced since it was planned for")
        queues = list(effect.parameters["queues"])
        world.workers.add_consumers(str(effect.parameters["celery_hostname"]), queues)
        return {"queues": queues}

    def read_back(self, world: World, effect: Effect) -> ReadBack:
        """Compare the worker's or the workload's state with the desired one."""
        if effect.parameters.get("desired") != _CONSUMING:
            return super().read_back(world, effect)
        process = find(world, str(effect.parameters["process"]))
        worker = answering(world, str(effect.parameters["celery_hostname"]))
        if process is None or process.generation != effect.generation or worker is None:
            return ReadBack.UNDECIDABLE
        done = set(effect.parameters["queues"]) <= set(worker.queues)
        return ReadBack.DONE if done else ReadBack.NOT_DONE

    def undo(self, world: World, effect: Effect) -> Plan | Nothing | Refused:
        """Plan to let a drained worker take tasks again, or to start what was stopped."""
        if workload_capacity.WORKLOAD in effect.parameters:
            way = workload_capacity.undo(self.name, world, effect)
            return Nothing("more pods are there already") if isinstance(way, tuple) else way
        name, desired = str(effect.parameters["process"]), effect.parameters["desired"]
        process = find(world, name)
        if process is None:
            return Nothing(f"{name} is gone")
        if desired == "stopped":
            if process.state is not ProcessState.STOPPED:
                return Nothing(f"{name} runs again already")
            return Plan((self._effect(world, process, "running"),))
        if desired != "draining":
            return Nothing("a worker that takes tasks is as it should be")
        if process.state not in UP or process.generation != effect.generation:
            return Nothing(f"{name} was stopped, or started anew with queues of its own")
        worker = answering(world, process.celery_hostname)
        if worker is None:
            return Refused(f"{name} does not answer Celery", cause="worker does not answer")
        missing = sorted(set(effect.before["queues"]) - set(worker.queues))
        if not missing:
            return Nothing(f"{name} takes tasks again already")
        back = self._effect(world, process, _CONSUMING)
        parameters = {**back.parameters, "queues": missing}
        return Plan((replace(back, parameters=parameters, removes_capacity=False),))
