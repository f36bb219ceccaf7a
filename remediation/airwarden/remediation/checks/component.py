"""Checks on Airflow's components: is one not seen working, and are all healthy again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airwarden.core.errors import AirwardenError
from airwarden.core.platform import Component, HostProcess, ProcessState
from airwarden.remediation.checks.base import Reading, Verdict
from airwarden.remediation.components import (
    HEARTBEAT_LATE,
    HEARTBEATING,
    component_of,
    database_pace,
    is_late,
    late_jobs,
    read_jobs,
    read_processes,
    without_heartbeat,
)
from airwarden.remediation.world import Subject, World


def _names(processes: list[HostProcess]) -> str:
    return ", ".join(
        f"{p.name} ({p.state.value}{f': {p.detail}' if p.detail else ''})" for p in processes
    )


def _component(world: World, subject: Subject) -> Component | None:
    """Return the component that the labels name, directly or by a process' name."""
    named = component_of(subject.labels)
    if named is not None or world.host is None:
        return named
    processes = read_processes(world, subject.labels) if subject.labels.get("process") else []
    return processes[0].component if processes else None


class ComponentLate:
    """True where a process is proved dead, cannot be started, or is not seen working.

    Parameters:
        late: Seconds of heartbeat age from which a component counts as late (30).

    A database that is slow hides heartbeats: that reads true as well, because the component is not
    seen working, and the action then refuses and names the database.
    """

    name = "component-late"
    needs = frozenset[str]()

    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Ask the host first, which alone can prove death; then the heartbeats."""
        try:
            processes = read_processes(world, subject.labels) if world.host else []
            component = _component(world, subject)
        except AirwardenError as error:
            return Reading(Verdict.UNKNOWN, f"the process supervisor cannot be read: {error}")
        dead = [process for process in processes if process.state.proved_dead]
        if dead:
            return Reading(Verdict.TRUE, f"the host says: {_names(dead)}")
        # What its supervisor starts again and again, or cannot start, has no heartbeat to be late.
        stuck = [p for p in processes if p.state is ProcessState.STARTING and p.detail]
        if stuck:
            return Reading(Verdict.TRUE, f"the host says: {_names(stuck)}")
        if component is None:
            return Reading(Verdict.UNKNOWN, "the alert names no component that is known here")
        if component is Component.API_SERVER:
            return self._api_server(world)
        if component is Component.WORKER:
            return self._worker(world, processes, subject)
        return self._heartbeat(world, subject, component, parameters)

    def _heartbeat(
        self, world: World, subject: Subject, component: Component, parameters: Mapping[str, Any]
    ) -> Reading:
        late = float(parameters.get("late", HEARTBEAT_LATE))
        try:
            jobs = read_jobs(world, component)
            everyone = list(world.host.processes(component)) if world.host else []
        except AirwardenError as error:
            pace = database_pace(world)
            if world.database is not None and pace.slow:
                return Reading(
                    Verdict.TRUE, f"no heartbeat of the {component.value} is seen: {pace.sentence}"
                )
            return Reading(Verdict.UNKNOWN, f"heartbeats cannot be read: {error}")
        rows = late_jobs(jobs, everyone, subject.labels, world.clock.now(), late)
        evidence = {"late_jobs": [job.id for job in rows], "jobs": len(jobs)}
        if rows:
            ids = ", ".join(str(job.id) for job in rows)
            return Reading(
                Verdict.TRUE,
                f"{component.value} job {ids}: no heartbeat for {late:.0f} s",
                evidence,
            )
        return Reading(Verdict.FALSE, f"no {component.value} is late", evidence)

    def _api_server(self, world: World) -> Reading:
        if world.airflow is None:
            return Reading(Verdict.UNKNOWN, "no Airflow REST API is configured")
        try:
            world.airflow.health()
        except AirwardenError as error:
            return Reading(Verdict.TRUE, f"the API server does not answer: {error}")
        return Reading(Verdict.FALSE, "the API server answers")

    def _worker(self, world: World, processes: list[HostProcess], subject: Subject) -> Reading:
        if world.workers is None:
            return Reading(Verdict.UNKNOWN, "Celery's remote control is not configured")
        hostname = subject.labels.get("hostname", "")
        running = [p for p in processes if p.state is ProcessState.RUNNING and p.celery_hostname]
        wanted = {hostname} if hostname else {p.celery_hostname for p in running}
        try:
            silent = wanted - {worker.hostname for worker in world.workers.workers()}
        except AirwardenError as error:
            return Reading(Verdict.UNKNOWN, f"the workers cannot be asked: {error}")
        if silent:
            return Reading(Verdict.TRUE, f"no answer from worker {', '.join(sorted(silent))}")
        return Reading(Verdict.FALSE, "every worker answers")


def _all_beat(
    processes: list[HostProcess], component: Component, evidence: Mapping[str, Any]
) -> Reading:
    return Reading(Verdict.TRUE, f"all {len(processes)} {component.value} processes beat", evidence)


class ComponentHealthy:
    """True where every wanted process runs and has shown that it works since it started.

    Parameters:
        fresh: Seconds of heartbeat age up to which a job counts as fresh (30).

    A scheduler, triggerer or dag-processor must have a fresh job row that is newer than the process,
    so after a restart the old incarnation's last heartbeat never counts. Where the alert names a host,
    and no process, a job of that host must beat as well: it may be one that is not supervised here.
    """

    name = "component-healthy"
    needs = frozenset[str]()

    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Look at the host's processes, then at heartbeats, ping or the API's own answer."""
        try:
            component = _component(world, subject)
            if component is None:
                return Reading(Verdict.UNKNOWN, "the alert names no component that is known here")
            supervised = list(world.host.processes(component)) if world.host else []
            wanted = [p for p in supervised if p.state is not ProcessState.STOPPED]
            ailing = [p for p in wanted if p.state is not ProcessState.RUNNING]
            if ailing:
                return Reading(Verdict.FALSE, f"not running: {_names(ailing)}")
            if supervised and not wanted:
                return Reading(Verdict.FALSE, f"no {component.value} is running")
            if component in HEARTBEATING:
                return self._heartbeats(world, subject, component, wanted, parameters)
            if component is Component.API_SERVER:
                return self._api_server(world)
            return self._workers(world, wanted)
        except AirwardenError as error:
            return Reading(Verdict.UNKNOWN, f"cannot be read: {error}")

    def _heartbeats(
        self,
        world: World,
        subject: Subject,
        component: Component,
        wanted: list[HostProcess],
        parameters: Mapping[str, Any],
    ) -> Reading:
        fresh, now = float(parameters.get("fresh", HEARTBEAT_LATE)), world.clock.now()
        jobs = read_jobs(world, component)
        beating = [job for job in jobs if not is_late(job, now, fresh)]
        evidence = {"fresh_jobs": [job.id for job in beating]}
        if wanted:
            missing = without_heartbeat(wanted, jobs, now, fresh)
            if missing:
                return Reading(
                    Verdict.FALSE,
                    f"no heartbeat since it started: {', '.join(p.name for p in missing)}",
                    evidence,
                )
            if read_processes(world, subject.labels) and subject.labels.get("process"):
                return _all_beat(wanted, component, evidence)
        # The alert may mean a host that the supervisor here does not manage.
        hostname = subject.labels.get("hostname", "")
        own = [job for job in beating if not hostname or job.hostname == hostname]
        if not own:
            place = f" on {hostname}" if hostname else ""
            return Reading(Verdict.FALSE, f"no {component.value}{place} beats", evidence)
        silent = late_jobs(jobs, wanted, subject.labels, now, fresh) if hostname else []
        if silent:
            ids = ", ".join(str(job.id) for job in silent)
            return Reading(
                Verdict.FALSE, f"{component.value} job {ids} on {hostname} is silent", evidence
            )
        if wanted:
            return _all_beat(wanted, component, evidence)
        return Reading(Verdict.TRUE, f"{component.value} job {own[0].id} beats", evidence)

    def _api_server(self, world: World) -> Reading:
        if world.airflow is None:
            return Reading(Verdict.UNKNOWN, "no Airflow REST API is configured")
        try:
            world.airflow.health()
        except AirwardenError as error:
            return Reading(Verdict.FALSE, f"the API server does not answer: {error}")
        return Reading(Verdict.TRUE, "the API server answers")

    def _workers(self, world: World, wanted: list[HostProcess]) -> Reading:
        if world.workers is None:
            return Reading(Verdict.UNKNOWN, "Celery's remote control is not configured")
        consuming = {worker.hostname for worker in world.workers.workers() if worker.queues}
        missing = [p.name for p in wanted if p.celery_hostname not in consuming]
        if missing or not consuming:
            return Reading(Verdict.FALSE, f"not consuming: {', '.join(missing) or 'any worker'}")
        return Reading(Verdict.TRUE, f"{len(consuming)} workers consume")
