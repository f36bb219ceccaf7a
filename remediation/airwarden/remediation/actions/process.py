"""`process.restart`: replace a dead or silent Airflow process by a new incarnation, one at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airwarden.core.errors import ConflictError, UnavailableError
from airwarden.core.platform import Component, HostProcess, Job, ProcessState
from airwarden.remediation.actions.base import (
    Danger,
    Effect,
    Nothing,
    Plan,
    ReadBack,
    Refused,
)
from airwarden.remediation.components import (
    HEARTBEAT_LATE,
    HEARTBEATING,
    belongs,
    database_pace,
    is_late,
    late_jobs,
    possibly_silent,
    read_jobs,
    read_processes,
    without_heartbeat,
)
from airwarden.remediation.world import Json, Subject, World

_DATABASE_SLOW = "metadata database slow"
_ALIVE = (ProcessState.RUNNING, ProcessState.STARTING, ProcessState.FROZEN)


def facts(process: HostProcess) -> Json:
    """Return what is worth keeping of a process, as JSON."""
    return {
        "process": process.name,
        "component": process.component.value,
        "state": process.state.value,
        "pid": process.pid,
        "started_at": process.started_at.isoformat() if process.started_at else None,
        **({"unit": process.unit} if process.unit else {}),
        **({"detail": process.detail} if process.detail else {}),
    }


def restart_effect(action: str, cluster: str, process: HostProcess) -> Effect:
    """Return the effect that replaces exactly this incarnation.

    Its target is what stays when the process has a successor of another name, so that lock, budget and
    cool-down hold for that one too. Workers are interchangeable: each is a target of its own.
    """
    pid = f"pid {process.pid}, " if process.pid else ""
    stays = process.unit if process.component is not Component.WORKER else ""
    return Effect(
        action=action,
        target=f"{cluster}/process/{stays or process.name}",
        parameters={"process": process.name, "generation": process.generation},
        before=facts(process),
        summary=f"restart {process.name} ({pid}{process.state.value})",
        generation=process.generation,
        dead=process.state.proved_dead,
    )


def find(world: World, name: str) -> HostProcess | None:
    """Return the supervised process of that name.

    Raises:
        UnavailableError: There is no supervisor, or it does not answer.
    """
    return next(iter(read_processes(world, {"process": name})), None)


def replace(world: World, effect: Effect) -> Json:
    """Replace the incarnation that was planned for, and no other.

    Raises:
        ConflictError: The process is another incarnation by now, or gone.
    """
    name = str(effect.parameters["process"])
    process = find(world, name)
    if world.host is None or process is None:
        raise ConflictError(f"{name} is not supervised any more")
    if process.generation != effect.generation:
        raise ConflictError(f"{name} was replaced since it was planned for")
    if process.state in (ProcessState.EXITED, ProcessState.FATAL, ProcessState.STOPPED):
        world.host.start(name)
    else:
        world.host.restart(name, generation=effect.generation)
    after = find(world, name)
    return facts(after) if after else {}


def replaced(world: World, effect: Effect) -> ReadBack:
    """Tell whether the incarnation that was planned for has given way to a living one.

    Raises:
        UnavailableError: The supervisor does not answer, or does not know the process at present.
    """
    name, unit = str(effect.parameters["process"]), str(effect.before.get("unit", ""))
    process = find(world, name)
    if process is None:
        return _succeeded(world, name, unit) if unit else ReadBack.UNDECIDABLE
    if process.state is ProcessState.UNKNOWN:
        raise UnavailableError(f"the supervisor lists no {process.name}")
    if process.generation == effect.generation:
        return ReadBack.NOT_DONE
    return ReadBack.DONE if process.state in _ALIVE else ReadBack.NOT_DONE


def _succeeded(world: World, name: str, unit: str) -> ReadBack:
    """Tell whether a process that is gone has a successor of another name in its unit.

    Raises:
        UnavailableError: Not yet: whoever keeps the unit makes one.
    """
    siblings = [one for one in read_processes(world, {}) if one.unit == unit]
    if any(one.state in _ALIVE for one in siblings):
        return ReadBack.DONE
    raise UnavailableError(f"{name} is gone, and {unit} has no successor yet")


class ProcessRestart:
    """Restart what the host proves dead, or what lost its heartbeat while the database is well.

    Parameters:
        late: Seconds of heartbeat age from which a running process counts as silent (30).

    It refuses when every process of the component is late and none is proved dead, or when none works
    and the database is slow: then the processes are the victims, and a restart would add to the load.
    With a database that answers in time, what the host proves dead is started again, one at a time.
    """

    name = "process.restart"
    danger = Danger.B
    needs = frozenset({"host"})
    #: A process may take its time to end, and its successor to appear.
    deadline = 30.0
    decidable = True
    undecidable = ("the process is no longer supervised",)

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        """Find the dead or silent process among those that the labels name."""
        processes = read_processes(world, subject.labels)
        if not processes:
            who = subject.labels.get("process") or subject.labels.get("hostname") or "such"
            return Refused(f"no process of {who} is supervised here", cause="unknown target")
        component = processes[0].component
        dead = [process for process in processes if process.state.proved_dead]
        if dead:
            return self._plan_dead(world, component, dead)
        moving = [p for p in processes if p.state in (ProcessState.STARTING, ProcessState.STOPPING)]
        if moving:
            names = ", ".join(map(_moving, moving))
            return Nothing(
                f"the supervisor is at work: {names}", {"processes": [facts(p) for p in moving]}
            )
        running = [process for process in processes if process.state is ProcessState.RUNNING]
        if not running:
            names = ", ".join(process.name for process in processes)
            return Refused(f"{names}: stopped on purpose, not ours to start", cause="stopped")
        if all(p.started_at is not None and p.started_at > subject.started_at for p in running):
            return Nothing(
                "already replaced: it started after the alert began",
                {"processes": [facts(process) for process in running]},
            )
        if component not in HEARTBEATING:
            return self._judge_other(world, component, running)
        late = float(parameters.get("late", HEARTBEAT_LATE))
        return self._plan_silent(world, subject, running, late)

    def _plan_dead(
        self, world: World, component: Component, dead: Sequence[HostProcess]
    ) -> Plan | Refused:
        evidence: dict[str, Any] = {"dead": [facts(process) for process in dead]}
        if component in HEARTBEATING and world.database is not None:
            pace = database_pace(world)
            evidence["database"] = pace.sentence
            if pace.slow and not self._working(world, component):
                return Refused(
                    f"no {component.value} works and {pace.sentence}: mend the database first",
                    cause=_DATABASE_SLOW,
                    evidence=evidence,
                )
        effects = tuple(restart_effect(self.name, world.cluster, process) for process in dead)
        return Plan(effects, evidence)

    def _working(self, world: World, component: Component) -> bool:
        """Return whether any process of the component runs and beats; unreadable means no."""
        siblings = world.host.processes(component) if world.host else ()
        alive = [p for p in siblings if p.state is ProcessState.RUNNING]
        try:
            jobs = read_jobs(world, component)
        except UnavailableError:
            return False
        late = without_heartbeat(alive, jobs, world.clock.now(), HEARTBEAT_LATE)
        return len(late) < len(alive)

    def _judge_other(
        self, world: World, component: Component, running: Sequence[HostProcess]
    ) -> Nothing | Refused:
        """Judge a running api-server or worker: a restart would cost what still works in it."""
        names = ", ".join(process.name for process in running)
        if component is Component.WORKER:
            answering = {w.hostname for w in world.workers.workers()} if world.workers else set()
            if all(process.celery_hostname in answering for process in running):
                return Nothing(f"{names}: runs and answers")
            return Refused(
                f"{names}: runs but does not answer; its tasks may still be running",
                cause="worker does not answer",
            )
        try:
            if world.airflow is not None:
                world.airflow.health()
                return Nothing(f"{names}: runs and answers")
        except UnavailableError:
            pass
        return Refused(
            f"{names}: runs but does not answer; a restart would make every task miss heartbeats",
            cause=f"{component.value} does not answer",
        )

    def _plan_silent(
        self, world: World, subject: Subject, running: Sequence[HostProcess], late: float
    ) -> Plan | Nothing | Refused:
        component = running[0].component
        pace = database_pace(world)
        evidence: dict[str, Any] = {
            "database": pace.sentence,
            "processes": [facts(process) for process in running],
        }
        if pace.slow:
            return Refused(
                f"no {component.value} is proved dead and {pace.sentence}: "
                "a restart would only add load",
                cause=_DATABASE_SLOW,
                evidence=evidence,
            )
        now = world.clock.now()
        jobs = read_jobs(world, component)
        everyone = list(world.host.processes(component)) if world.host else list(running)
        silent_rows = late_jobs(jobs, everyone, subject.labels, now, late)
        evidence["late_jobs"] = [job_facts(job) for job in silent_rows]
        if not silent_rows:
            return Nothing(f"no {component.value} is late: its heartbeat is back", evidence)
        if all(is_late(job, now, late) for job in jobs):
            return Refused(
                f"every {component.value} is late, none is proved dead, and {pace.sentence}: "
                "they wait for something",
                cause=f"all {component.value}s late",
                evidence=evidence,
            )
        alive = [process for process in everyone if process.state is ProcessState.RUNNING]
        suspects = [
            process
            for process in possibly_silent(alive, jobs, now, late)
            if process in running and any(belongs(job, process) for job in silent_rows)
        ]
        if len(suspects) != 1:
            names = ", ".join(process.name for process in suspects) or "none"
            return Refused(
                f"which process is silent cannot be told ({names} could be it)",
                cause=f"{component.value} silent",
                evidence=evidence,
            )
        return Plan((restart_effect(self.name, world.cluster, suspects[0]),), evidence)

    def apply(self, world: World, effect: Effect) -> Json:
        """Replace the incarnation that was planned for."""
        return replace(world, effect)

    def read_back(self, world: World, effect: Effect) -> ReadBack:
        """Compare the incarnation on the host with the planned one."""
        return replaced(world, effect)

    def undo(self, world: World, effect: Effect) -> Plan | Nothing | Refused:
        """Answer that a restart has no way back."""
        return Nothing("a restart cannot be taken back")


def _moving(process: HostProcess) -> str:
    why = f" ({process.detail})" if process.detail else ""
    return f"{process.name} is {process.state.value}{why}"


def job_facts(job: Job) -> Json:
    """Return what is worth keeping of a job row, as JSON."""
    return {
        "job_id": job.id,
        "hostname": job.hostname,
        "latest_heartbeat": job.latest_heartbeat.isoformat() if job.latest_heartbeat else None,
    }
