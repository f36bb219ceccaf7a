"""`worker.drain`, `worker.consume`, `worker.shutdown`: Celery's remote control of one worker.

Each is addressed to one worker by its node name, and absolute: relative changes of a pool are not
offered. Where a supervisor is known, `worker.restart` and `workers.scale` are the better way: they see
the process, these see only what answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airwarden.core.errors import ConflictError
from airwarden.core.platform import Component, Worker
from airwarden.remediation.actions.base import Danger, Effect, Nothing, Plan, ReadBack, Refused
from airwarden.remediation.actions.breaker import BROKER, is_open
from airwarden.remediation.world import Json, Subject, World

#: Looks, a second apart, within which a worker that was told to end has to be gone.
_LOOKS = 10
#: Share of the workers that may take nothing at once.
_AT_ONCE = 0.1


class _OneWorker:
    """What the three have in common: one worker that answers, named by the labels."""

    name: str
    danger = Danger.B
    needs = frozenset({"workers"})
    deadline = 20.0
    decidable = True
    undecidable: tuple[str, ...] = ("the worker does not answer",)

    def _meant(self, world: World, subject: Subject) -> Worker | Refused:
        """Return the worker that the label `hostname` names, or why none is touched."""
        hostname = subject.labels.get("hostname", "")
        if not hostname:
            return Refused("the alert names no worker (hostname)", cause="unknown target")
        if is_open(world, BROKER):
            return Refused(
                "the broker's breaker is open: every worker looks silent then", cause="broker out"
            )
        found = answering(world, hostname)
        if found is None:
            return Refused(
                f"worker {hostname} does not answer: nothing can be told to it",
                cause="worker does not answer",
            )
        return found

    def _effect(
        self, world: World, worker: Worker, summary: str, *, removes: bool, **parameters: object
    ) -> Effect:
        return Effect(
            action=self.name,
            target=f"{world.cluster}/worker/{worker.hostname}",
            parameters={"hostname": worker.hostname, **parameters},
            before={"queues": list(worker.queues), "component": Component.WORKER.value},
            summary=summary,
            generation=f"{worker.hostname}#{worker.pid}",
            removes_capacity=removes,
        )

    def _same(self, world: World, effect: Effect) -> Worker:
        """Return the incarnation that was planned for; raises ConflictError for another or none."""
        worker = answering(world, str(effect.parameters["hostname"]))
        if worker is None or f"{worker.hostname}#{worker.pid}" != effect.generation:
            raise ConflictError(f"{effect.parameters['hostname']} is not the worker that was seen")
        return worker


class _Consumers(_OneWorker):
    """Bring a worker's queues to a desired set of them on, or off."""

    def apply(self, world: World, effect: Effect) -> Json:
        """Add or cancel what is missing.

        Raises:
            ConflictError: It is another incarnation, or does not answer any more.
        """
        worker, queues = self._same(world, effect), list(effect.parameters["queues"])
        if effect.parameters["on"]:
            world.celery.add_consumers(worker.hostname, queues)
        else:
            world.celery.cancel_consumers(worker.hostname, queues)
        return {"queues": queues}

    def read_back(self, world: World, effect: Effect) -> ReadBack:
        """Compare the worker's queues with the desired ones."""
        worker = answering(world, str(effect.parameters["hostname"]))
        if worker is None or f"{worker.hostname}#{worker.pid}" != effect.generation:
            return ReadBack.UNDECIDABLE
        wanted, has = set(effect.parameters["queues"]), set(worker.queues)
        done = wanted <= has if effect.parameters["on"] else not wanted & has
        return ReadBack.DONE if done else ReadBack.NOT_DONE

    def _consume(self, world: World, worker: Worker, queues: Sequence[str], *, on: bool) -> Effect:
        verb = "let" if on else "drain"
        what = f"consume {', '.join(queues)}" if on else f"from {', '.join(queues)}"
        return self._effect(
            world,
            worker,
            f"{verb} worker {worker.hostname} {what}",
            removes=not on,
            queues=sorted(queues),
            on=on,
        )


class WorkerDrain(_Consumers):
    """Let a worker take no further task; what it has goes on. Its undo lets it take tasks again.

    The label `hostname` names it (Celery's node name). The last worker of a queue is never drained, nor
    one that would leave fewer than the fleet's minimum, nor a second while a tenth of them take nothing.
    """

    name = "worker.drain"

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        """Look at the worker's queues, and who else serves them."""
        del parameters
        worker = self._meant(world, subject)
        if isinstance(worker, Refused):
            return worker
        if not worker.queues:
            return Nothing(f"worker {worker.hostname} takes no task already")
        others = [one for one in world.celery.workers() if one.hostname != worker.hostname]
        if reason := _needed(world, worker, others):
            return Refused(reason, cause="worker is needed")
        evidence = {"active": worker.active, "reserved": worker.reserved}
        return Plan((self._consume(world, worker, worker.queues, on=False),), evidence)

    def undo(self, world: World, effect: Effect) -> Plan | Nothing | Refused:
        """Plan to let the worker take tasks of the queues that it had, if it is still the same."""
        worker = answering(world, str(effect.parameters["hostname"]))
        if effect.parameters["on"] or worker is None:
            return Nothing("the worker that was drained is gone")
        if f"{worker.hostname}#{worker.pid}" != effect.generation:
            return Nothing(f"{worker.hostname} was started anew since, with queues of its own")
        missing = sorted(set(effect.parameters["queues"]) - set(worker.queues))
        if not missing:
            return Nothing(f"{worker.hostname} takes tasks again already")
        return Plan((self._consume(world, worker, missing, on=True),))


class WorkerConsume(_Consumers):
    """Let a silent worker take tasks again. It does not outlast the next reconnect to the broker.

    Parameters:
        queues: What it is to consume; the label `queue` by default. A worker that is silent does not
            tell what it served, and one that served another queue must not be given this one.
    """

    name = "worker.consume"
    danger = Danger.A

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        """Look whether the worker consumes nothing, and what it is to consume."""
        worker = self._meant(world, subject)
        if isinstance(worker, Refused):
            return worker
        named = subject.labels.get("queue", "")
        queues = [str(one) for one in parameters.get("queues", [named] if named else [])]
        if not queues:
            return Refused(
                "neither the playbook nor the alert says which queues it served",
                cause="unknown queue",
            )
        if worker.queues:
            return Nothing(f"worker {worker.hostname} consumes {', '.join(worker.queues)}")
        return Plan((self._consume(world, worker, queues, on=True),))

    def undo(self, world: World, effect: Effect) -> Plan | Nothing | Refused:
        """Answer that a worker that works again is left alone."""
        del world, effect
        return Nothing("a worker that takes tasks is as it should be")


class WorkerShutdown(_OneWorker):
    """Tell one drained and idle worker to end, by its node name; whatever supervises it starts another.

    The label `hostname` names it. A worker that consumes from a queue, or has a task, is refused:
    `worker.drain` comes first.
    """

    name = "worker.shutdown"
    undecidable: tuple[str, ...] = ()

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        """Look whether the worker is drained and idle."""
        del parameters
        worker = self._meant(world, subject)
        if isinstance(worker, Refused):
            return worker
        if reason := _busy(worker):
            return Refused(reason, cause="worker is busy")
        summary = f"shut down idle worker {worker.hostname} (pid {worker.pid})"
        return Plan((self._effect(world, worker, summary, removes=True),))

    def apply(self, world: World, effect: Effect) -> Json:
        """Tell it to end, and wait a moment until it has.

        Raises:
            ConflictError: It is another incarnation, or busy again.
        """
        worker = self._same(world, effect)
        if reason := _busy(worker):
            raise ConflictError(reason)
        world.celery.shut_down(worker.hostname)
        for _ in range(_LOOKS):
            if self.read_back(world, effect) is ReadBack.DONE or world.clock.wait(1.0):
                break
        return {"gone": self.read_back(world, effect) is ReadBack.DONE}

    def read_back(self, world: World, effect: Effect) -> ReadBack:
        """Look whether that incarnation still answers, while the broker does.

        Raises:
            UnavailableError: The broker does not answer: nothing is known of its workers.
        """
        worker = answering(world, str(effect.parameters["hostname"]))
        same = worker is not None and f"{worker.hostname}#{worker.pid}" == effect.generation
        return ReadBack.NOT_DONE if same else ReadBack.DONE

    def undo(self, world: World, effect: Effect) -> Plan | Nothing | Refused:
        """Answer that a worker that ended is started by whatever supervises it."""
        del world, effect
        return Nothing("what supervises the worker starts it again")


def _needed(world: World, worker: Worker, others: Sequence[Worker]) -> str:
    """Return why the others cannot do without a worker, or nothing."""
    serving = [one for one in others if one.queues]
    if alone := sorted(set(worker.queues) - {queue for one in serving for queue in one.queues}):
        return f"worker {worker.hostname} is the only one that serves {', '.join(alone)}"
    if len(serving) < world.fleet.minimum:
        return f"{len(serving)} others take tasks, and {world.fleet.minimum} must"
    idle = len(others) - len(serving)
    if idle and idle >= (len(others) + 1) * _AT_ONCE:
        return f"{idle} of {len(others) + 1} workers take nothing already"
    return ""


def _busy(worker: Worker) -> str:
    if worker.queues:
        return f"worker {worker.hostname} still consumes {', '.join(worker.queues)}: drain it first"
    if worker.active or worker.reserved:
        return f"worker {worker.hostname} still has {worker.active + worker.reserved} tasks"
    return ""


def answering(world: World, hostname: str) -> Worker | None:
    """Return the worker of that node name if it answers now."""
    return next((w for w in world.celery.workers() if w.hostname == hostname), None)
