"""What the host and Airflow's job rows together say about one component's processes.

Actions and checks share these readings, so that a remedy and its verification judge alike. A job row
names no process: rows and processes are told apart by their start times.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from airwarden.core.errors import AirwardenError, UnavailableError
from airwarden.core.platform import Component, HostProcess, Job, ProcessState
from airwarden.remediation.world import World

#: Seconds without a heartbeat after which a job is late: Airflow's `scheduler_health_check_threshold`.
HEARTBEAT_LATE = 30.0
#: Seconds of `SELECT 1` from which the metadata database counts as slow.
DATABASE_SLOW = 1.0
#: Seconds after a process' start within which its job row appears (4.7 s were measured).
JOB_ROW_WITHIN = 120.0
#: Components that write a job row and beat in it.
HEARTBEATING = frozenset({Component.SCHEDULER, Component.TRIGGERER, Component.DAG_PROCESSOR})
#: Airflow's `job.job_type` of each.
_TYPES = {
    Component.SCHEDULER: "SchedulerJob",
    Component.TRIGGERER: "TriggererJob",
    Component.DAG_PROCESSOR: "DagProcessorJob",
}


@dataclass(frozen=True, slots=True)
class DatabasePace:
    """How fast the metadata database answered. `seconds` is None where it did not."""

    seconds: float | None
    error: str = ""

    @property
    def slow(self) -> bool:
        """True where it is slow or could not be read."""
        return self.seconds is None or self.seconds >= DATABASE_SLOW

    @property
    def sentence(self) -> str:
        """Say it for people."""
        if self.seconds is None:
            return f"the metadata database could not be read ({self.error})"
        took = f"{self.seconds:.2f} s" if self.seconds >= 0.1 else f"{self.seconds * 1000:.0f} ms"
        return f"the metadata database took {took} to answer"


def component_of(labels: Mapping[str, str]) -> Component | None:
    """Return the component that an alert's labels name, None for an unknown one."""
    try:
        return Component(labels.get("component", ""))
    except ValueError:
        return None


def database_pace(world: World) -> DatabasePace:
    """Probe the metadata database; a missing or failing one counts as slow."""
    if world.database is None:
        return DatabasePace(None, "no database is configured")
    try:
        return DatabasePace(world.database.probe())
    except AirwardenError as error:
        return DatabasePace(None, str(error))


def read_jobs(world: World, component: Component) -> list[Job]:
    """Return the component's job rows in state running: from the database, else over REST.

    Raises:
        UnavailableError: Neither answers, or there is no access to either.
    """
    if world.database is not None:
        with contextlib.suppress(AirwardenError):
            rows = world.database.rows("jobs")
            return [_job(row, component) for row in rows if row["job_type"] == _TYPES[component]]
    if world.airflow is None:
        raise UnavailableError("neither the metadata database nor the REST API can be read")
    return [job for job in world.airflow.jobs() if job.component is component]


def _job(row: Mapping[str, Any], component: Component) -> Job:
    return Job(
        id=int(row["id"]),
        component=component,
        hostname=str(row["hostname"]),
        state="running",
        started_at=row["start_date"],
        latest_heartbeat=row["latest_heartbeat"],
    )


def read_processes(world: World, labels: Mapping[str, str]) -> list[HostProcess]:
    """Return the supervised processes that the labels may mean, all of the component if unnamed.

    Raises:
        UnavailableError: The supervisor does not answer, or there is none.
    """
    name, hostname = labels.get("process", ""), labels.get("hostname", "")
    component = component_of(labels)
    found = list(world.supervisor.processes(component))
    if name:
        return [process for process in found if process.name == name]
    if component is Component.WORKER and hostname:
        named = [process for process in found if process.celery_hostname == hostname]
        # A worker that was dead before it could be asked has no known name.
        return named or [process for process in found if not process.celery_hostname]
    return found


def is_late(job: Job, now: datetime, after: float = HEARTBEAT_LATE) -> bool:
    """Return whether the job's last heartbeat is older than `after` seconds."""
    return job.latest_heartbeat is None or now - job.latest_heartbeat > timedelta(seconds=after)


def belongs(job: Job, process: HostProcess) -> bool:
    """Return whether the row can be this incarnation's: written soon after it started."""
    if job.started_at is None or process.started_at is None:
        return False
    delay = (job.started_at - process.started_at).total_seconds()
    return -1.0 <= delay <= JOB_ROW_WITHIN


def without_heartbeat(
    processes: Sequence[HostProcess], jobs: Collection[Job], now: datetime, fresh: float
) -> list[HostProcess]:
    """Return the processes that have no fresh row of their own, as few as can be.

    A row serves one process, and only one that started shortly before the row did: so after a
    restart only a row that is newer than the restart counts.
    """
    return _Rows(processes, jobs, now, fresh).without


def possibly_silent(
    processes: Sequence[HostProcess], jobs: Collection[Job], now: datetime, fresh: float
) -> list[HostProcess]:
    """Return the processes of which each could be one that has no fresh row.

    More than `without_heartbeat` returns: where two started together, either row may be either's.
    """
    return _Rows(processes, jobs, now, fresh).possibly_without()


class _Rows:
    """Fresh rows given to processes, as many as can be: a matching, and what else it could have been.

    Attributes:
        without: Processes that got none.
    """

    def __init__(
        self, processes: Sequence[HostProcess], jobs: Collection[Job], now: datetime, fresh: float
    ) -> None:
        beating = [job for job in jobs if not is_late(job, now, fresh)]
        self._processes = processes
        self._may_own = [
            [row for row, job in enumerate(beating) if belongs(job, process)]
            for process in processes
        ]
        self._owner: dict[int, int] = {}
        self.without = [
            process for at, process in enumerate(processes) if not self._place(at, set())
        ]

    def _place(self, at: int, tried: set[int]) -> bool:
        """Give a process a row, moving others to other rows where that helps."""
        for row in self._may_own[at]:
            if row not in self._owner:
                self._owner[row] = at
                return True
        for row in self._may_own[at]:
            if row not in tried:
                tried.add(row)
                if self._place(self._owner[row], tried):
                    self._owner[row] = at
                    return True
        return False

    def possibly_without(self) -> list[HostProcess]:
        """Return the processes that some equally large matching leaves without a row.

        They are those from which a row can be taken for one that has none, and so on.
        """
        lacking = {at for at, one in enumerate(self._processes) if one in self.without}
        todo = list(lacking)
        while todo:
            for row in self._may_own[todo.pop()]:
                owner = self._owner[row]
                if owner not in lacking:
                    lacking.add(owner)
                    todo.append(owner)
        return [self._processes[at] for at in sorted(lacking)]


def _superseded(
    job: Job,
    processes: Sequence[HostProcess],
    silent: Sequence[HostProcess],
    jobs: Collection[Job],
    now: datetime,
    after: float,
) -> bool:
    """Return whether a late row is only the trace of an incarnation that has been replaced.

    That is so when a newer row of the same host began after this one's last heartbeat; when a
    process has started since and its own row is not due yet; or when supervised processes write
    under this host's name and none that may be silent could be the writer. Apart from that, a row of
    another host is not superseded: no process seen here says anything of it.
    """
    silent_since = job.latest_heartbeat or job.started_at
    if silent_since is not None and any(
        other.hostname == job.hostname
        and other.started_at is not None
        and other.started_at > silent_since
        for other in jobs
    ):
        return True
    if any(belongs(job, process) for process in silent):
        return False
    starting = any(process.state is ProcessState.STARTING for process in processes)
    if starting or any(_row_not_due(process, silent_since, now) for process in silent):
        return True
    running = [process for process in processes if process.state is ProcessState.RUNNING]
    return _written_here(job.hostname, running, jobs, now, after)


def _row_not_due(process: HostProcess, silent_since: datetime | None, now: datetime) -> bool:
    """Return whether the process replaced one that fell silent, and may yet write its own row."""
    started = process.started_at
    if started is None or (silent_since is not None and started < silent_since):
        return False
    return (now - started).total_seconds() <= JOB_ROW_WITHIN


def _written_here(
    hostname: str,
    running: Sequence[HostProcess],
    jobs: Collection[Job],
    now: datetime,
    after: float,
) -> bool:
    """Return whether a running process must be the writer of this host's fresh rows.

    Start times alone do not tell: a scheduler elsewhere may have been started at the same time.
    """
    others = [job for job in jobs if job.hostname != hostname]
    return len(without_heartbeat(running, others, now, after)) > len(
        without_heartbeat(running, jobs, now, after)
    )


def late_jobs(
    jobs: Sequence[Job],
    processes: Sequence[HostProcess],
    labels: Mapping[str, str],
    now: datetime,
    after: float = HEARTBEAT_LATE,
) -> list[Job]:
    """Return the late rows that the labels may mean and that are not superseded."""
    job_id, hostname = labels.get("job_id", ""), labels.get("hostname", "")
    meant = [
        job
        for job in jobs
        if is_late(job, now, after)
        and (not job_id or str(job.id) == job_id)
        and (not hostname or job.hostname == hostname)
    ]
    if not meant:
        return []
    running = [process for process in processes if process.state is ProcessState.RUNNING]
    silent = possibly_silent(running, jobs, now, after)
    return [job for job in meant if not _superseded(job, processes, silent, jobs, now, after)]
