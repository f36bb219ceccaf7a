"""`worker.restart`: replace a Celery worker that answers and consumes nothing, once it is idle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airwarden.core.errors import ConflictError
from airwarden.core.platform import Component, HostProcess, ProcessState
from airwarden.remediation.actions.base import Danger, Effect, Nothing, Plan, ReadBack, Refused
from airwarden.remediation.actions.breaker import BROKER, is_open
from airwarden.remediation.actions.process import facts, find, replaced
from airwarden.remediation.actions.workers import answering
from airwarden.remediation.world import Json, Subject, World


class WorkerRestart:
    """`worker.restart`: replace a worker that answers and takes no task, once it is idle.

    The labels name it: `hostname` (Celery's node name) or `process`. A worker that still has a task,
    or consumes again, is left alone, and so are all while the broker's breaker is open.
    """

    name = "worker.restart"
    danger = Danger.B
    needs = frozenset({"host", "workers"})
    deadline = 30.0
    decidable = True
    undecidable = ("the worker is no longer supervised",)

    def plan(
        self,
        world: World,
        subject: Subject,
        parameters: Mapping[str, Any],
    ) -> Plan | Nothing | Refused:
        """Find the silent worker that is idle."""
        if is_open(world, BROKER):
            return Refused(
                "the broker's breaker is open: every worker looks silent then", cause="broker out"
            )
        silent, busy = {}, []
        for worker in world.celery.workers():
            named = subject.labels.get("hostname", worker.hostname) == worker.hostname
            if named and not worker.queues:
                silent[worker.hostname] = worker
        wanted = subject.labels.get("process")
        chosen = []
        for process in world.supervisor.processes(Component.WORKER):
            silent_one = silent.get(process.celery_hostname)
            if silent_one is None or (wanted and process.name != wanted):
                continue
            if silent_one.active or silent_one.reserved:
                busy.append(process.name)
            elif process.state is ProcessState.RUNNING:
                chosen.append(process)
        evidence = {"silent": sorted(silent), "busy": busy}
        if chosen:
            return Plan((self._effect(world, chosen[0]),), evidence)
        if busy:
            return Refused(
                f"{', '.join(busy)}: takes no task and still works on some; never restarted busy",
                cause="silent worker is busy",
                evidence=evidence,
            )
        if silent:
            return Refused("the silent worker is not supervised here", cause="unknown target")
        return Nothing("every worker that answers consumes from a queue", evidence)

    def _effect(self, world: World, process: HostProcess) -> Effect:
        return Effect(
            action=self.name,
            target=f"{world.cluster}/process/{process.name}",
            parameters={"process": process.name, "celery_hostname": process.celery_hostname},
            before=facts(process),
            summary=f"restart idle worker {process.name} (pid {process.pid})",
            generation=process.generation,
        )

    def apply(self, world: World, effect: Effect) -> Json:
        """Replace it, if it is the planned incarnation and still idle.

        Raises:
            ConflictError: It is not; nothing was done.
        """
        name = str(effect.parameters["process"])
        process = find(world, name)
        if world.host is None or process is None or process.generation != effect.generation:
            raise ConflictError(f"{name} was replaced since it was planned for")
        worker = answering(world, str(effect.parameters["celery_hostname"]))
        if worker is None or worker.queues or worker.active or worker.reserved:
            raise ConflictError(f"{name} is not silent and idle any more")
        world.host.restart(name, generation=effect.generation)
        after = find(world, name)
        return facts(after) if after else {}

    def read_back(self, world: World, effect: Effect) -> ReadBack:
        """Compare the incarnation on the host with the planned one."""
        return replaced(world, effect)

    def undo(self, world: World, effect: Effect) -> Plan | Nothing | Refused:
        """Answer that a restart has no way back."""
        return Nothing("a restart cannot be taken back")
