"""`workers.scale`: start supervised Celery workers, and take away only those, drained and idle.

On Kubernetes their number is changed instead: `airwarden.remediation.actions.workload_capacity`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airwarden.core.errors import ConflictError
from airwarden.core.platform import Component, HostProcess, ProcessState, Worker
from airwarden.remediation.actions import workload_capacity
from airwarden.remediation.actions.base import Danger, Effect, Nothing, Plan, ReadBack, Refused
from airwarden.remediation.actions.process import facts, find
from airwarden.remediation.headroom import no_room
from airwarden.remediation.world import Json, Subject, World

#: States in which a process is meant to run and does, or will.
UP = (ProcessState.RUNNING, ProcessState.STARTING)


class WorkersScale:
    """Start workers up to an absolute number; its undo drains what it started, then stops it.

    Parameters:
        growth: Share of the running workers to add, rounded up, at least one (0.25), where no
            `resource_allocation.auto_scaling` says how many the load asks for.

    One effect is one worker with its desired state (`running`, `draining`, `stopped`), so each is
    absolute and may be repeated. A worker that was not stopped when we came is never taken away.

    On Kubernetes one effect is a workload with its bounds: the maximum of the ScaledObject or autoscaler that
    owns the number, else the number itself, never above `clusters[].workers.max` and not while pods of
    it wait or are refused. A lower maximum is set again once no more pods are asked for; a number once those
    that go are drained and idle.
    """

    name = "workers.scale"
    danger = Danger.A
    needs = frozenset({"host", "workers"})
    deadline = 10.0
    decidable = True
    undecidable = (
        "the worker is no longer supervised",
        "a worker being drained was replaced or does not answer",
        "on Kubernetes: somebody else scaled the workload, or it is gone",
    )

    def plan(
        self,
        world: World,
        subject: Subject,
        parameters: Mapping[str, Any],
    ) -> Plan | Nothing | Refused:
        """Choose stopped workers to start, within the fleet's bounds and the database's room."""
        if world.kubernetes is not None:
            return workload_capacity.plan(
                self.name, world, subject, parameters, no_room(world, "workers")
            )
        supervised = world.supervisor.processes(Component.WORKER)
        running = [process for process in supervised if process.state in UP]
        stopped = [process for process in supervised if process.state is ProcessState.STOPPED]
        most = len(supervised) if world.fleet.maximum is None else world.fleet.maximum
        fit, why = workload_capacity.wanted_workers(world, parameters, len(running))
        wanted = min(most, fit)
        evidence: dict[str, Any] = {"running": len(running), "wanted": wanted, "maximum": most}
        evidence |= {"load": why} if why else {}
        if fit <= len(running):
            return Nothing(why, evidence)
        chosen = stopped[: max(0, wanted - len(running))]
        if not chosen:
            return Nothing(f"{len(running)} workers run, and {most} are allowed", evidence)
        if reason := no_room(world, "workers"):
            return Refused(reason, cause="no room in the metadata database", evidence=evidence)
        return Plan(tuple(self._effect(world, p, "running") for p in chosen), evidence)

    def _effect(self, world: World, process: HostProcess, desired: str) -> Effect:
        verbs = {"running": "start", "consuming": "give tasks again to"}
        verb = {**verbs, "draining": "drain", "stopped": "stop"}[desired]
        return Effect(
            action=self.name,
            target=f"{world.cluster}/process/{process.name}",
            parameters={
                "process": process.name,
                "desired": desired,
                "celery_hostname": process.celery_hostname,
            },
            before=facts(process),
            summary=f"{verb} worker {process.name}",
            generation=process.generation,
            removes_capacity=desired != "running",
        )

    def apply(self, world: World, effect: Effect) -> Json:
        """Bring one worker to its desired state.

        Raises:
            ConflictError: It is another incarnation, or busy again, or the last that is allowed.
        """
        if workload_capacity.WORKLOAD in effect.parameters:
            return workload_capacity.apply(world, effect)
        name, desired = str(effect.parameters["process"]), str(effect.parameters["desired"])
        process = find(world, name)
        if world.host is None or process is None:
            raise ConflictError(f"{name} is not supervised any more")
        if desired == "running":
            if process.state not in UP:
                world.host.start(name)
        elif process.generation != effect.generation:
            raise ConflictError(f"{name} was replaced since it was planned for")
        elif desired == "draining":
            self._drain(world, effect)
        else:
            self._stop(world, process)
        after = find(world, name)
        return facts(after) if after else {}

    def _drain(self, world: World, effect: Effect) -> None:
        worker = answering(world, str(effect.parameters["celery_hostname"]))
        if worker is None:
            raise ConflictError(f"{effect.parameters['process']} does not answer Celery")
        if world.workers is not None and worker.queues:
            world.workers.cancel_consumers(worker.hostname, worker.queues)

    def _stop(self, world: World, process: HostProcess) -> None:
        """Stop it, if it is idle twice and enough others run."""
        others = [
            p
            for p in world.supervisor.processes(Component.WORKER)
            if p.state in UP and p.name != process.name
        ]
        if len(others) < world.fleet.minimum:
            raise ConflictError(f"{process.name} is needed: {world.fleet.minimum} must run")
        for look in range(2):
            if look and world.clock.wait(1.0):
                raise ConflictError("Airwarden is being stopped: the worker is left as it is")
            worker = answering(world, process.celery_hostname)
            if worker is None or worker.queues or worker.active or worker.reserved:
                raise ConflictError(f"{process.name} is not drained and idle")
        if world.host is not None:
            world.host.stop(process.name)

    def read_back(self, world: World, effect: Effect) -> ReadBack:
        """Compare the worker's state with the desired one."""
        if workload_capacity.WORKLOAD in effect.parameters:
            return workload_capacity.read_back(world, effect)
        process = find(world, str(effect.parameters["process"]))
        if process is None:
            return ReadBack.UNDECIDABLE
        desired = effect.parameters["desired"]
        if desired == "running":
            return ReadBack.DONE if process.state in UP else ReadBack.NOT_DONE
        if desired == "stopped":
            gone = process.state in (ProcessState.STOPPED, ProcessState.STOPPING)
            return ReadBack.DONE if gone else ReadBack.NOT_DONE
        if process.generation != effect.generation:
            return ReadBack.UNDECIDABLE
        worker = answering(world, str(effect.parameters["celery_hostname"]))
        if worker is None:
            return ReadBack.UNDECIDABLE
        return ReadBack.NOT_DONE if worker.queues else ReadBack.DONE

    def undo(self, world: World, effect: Effect) -> Plan | Nothing | Refused:
        """Plan the next stage of taking away a worker that `effect` started: drain, then stop."""
        if workload_capacity.WORKLOAD in effect.parameters:
            return self._undo_workload(world, effect)
        if effect.parameters["desired"] != "running":
            return Nothing("only a started worker is taken away again")
        if effect.before["state"] != ProcessState.STOPPED.value:
            return Nothing("it was not stopped when we came")
        process = find(world, str(effect.parameters["process"]))
        if process is None or process.state not in UP:
            return Nothing(f"{effect.parameters['process']} does not run any more")
        running = [p for p in world.supervisor.processes(Component.WORKER) if p.state in UP]
        if len(running) <= world.fleet.minimum:
            return Nothing(f"{len(running)} workers run: none is taken away")
        worker = answering(world, process.celery_hostname)
        if worker is None:
            return Refused(
                f"{process.name} does not answer Celery, so nothing proves it idle",
                cause="worker does not answer",
            )
        if worker.queues:
            return Plan((self._effect(world, process, "draining"),))
        if worker.active or worker.reserved:
            return Refused(f"{process.name} still works on {worker.active + worker.reserved} tasks")
        return Plan((self._effect(world, process, "stopped"),))

    def _undo_workload(self, world: World, effect: Effect) -> Plan | Nothing | Refused:
        """Plan to drain the pods that go, and then the old bounds."""
        way = workload_capacity.undo(self.name, world, effect)
        if not isinstance(way, tuple):
            return way
        names = {pod.name for pod in way}
        going = [one for one in world.supervisor.processes(Component.WORKER) if one.name in names]
        if len(going) < len(names):
            return Refused("pods that go are not supervised: nothing drains them")
        return Plan(tuple(self._effect(world, process, "draining") for process in going))


def answering(world: World, hostname: str) -> Worker | None:
    """Return the worker of that node name if it answers now."""
    if world.workers is None or not hostname:
        return None
    return next((w for w in world.workers.workers() if w.hostname == hostname), None)
