"""Heartbeats of schedulers, triggerers and dag-processors, per row of Airflow's `job` table.

Airflow's own health endpoint looks at the newest job only, so that one live scheduler hides a dead one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from airwarden.core.clock import Clock
from airwarden.core.platform import Component, Job
from airwarden.core.ports import Airflow, MetadataDatabase
from airwarden.exporters.families import Family, Labels, gauge

#: A row that has been silent this long is history: somebody removed the process for good. Not so the last one
#: of its component: without another one that works, the component is down, and stays so for a day.
FORGET, FORGET_LAST = timedelta(hours=1), timedelta(days=1)
#: A component whose last heartbeat is older does not work; Airflow's own limit is 30 s.
LATE = timedelta(seconds=60)
_NEVER = datetime.min.replace(tzinfo=UTC)
_COMPONENTS = {
    "SchedulerJob": Component.SCHEDULER,
    "TriggererJob": Component.TRIGGERER,
    "DagProcessorJob": Component.DAG_PROCESSOR,
}


class HeartbeatsCollector:
    """Reads job rows from the database, from REST where there is none."""

    name = "heartbeats"
    interval = 5.0
    timeout = 10.0

    def __init__(
        self, clock: Clock, database: MetadataDatabase | None, airflow: Airflow | None
    ) -> None:
        self._clock = clock
        self._database = database
        self._airflow = airflow

    def collect(self) -> Sequence[Family]:
        """Return heartbeats and what they say about each component."""
        now = self._clock.now()
        beats: dict[Labels, float] = {}
        up: dict[Labels, float] = {}
        for job in current_jobs(self._jobs(), now):
            beat = job.latest_heartbeat
            if beat is None:
                continue  # it has only just registered
            beats[job.component, job.hostname, str(job.id)] = beat.timestamp()
            alive = int(now - beat < LATE)
            key = (job.component, job.hostname)
            up[key] = max(up.get(key, 0), alive)
        return [
            gauge("airwarden_component_heartbeat_timestamp_seconds", beats),
            gauge("airwarden_component_up", up),
        ]

    def _jobs(self) -> Sequence[Job]:
        if self._database is None:
            return self._airflow.jobs() if self._airflow is not None else ()
        return [
            Job(
                id=row["id"],
                component=_COMPONENTS[row["job_type"]],
                hostname=row["hostname"] or "",
                state="running",
                started_at=row["start_date"],
                latest_heartbeat=row["latest_heartbeat"],
            )
            for row in self._database.rows("jobs")
            if row["job_type"] in _COMPONENTS
        ]


def current_jobs(jobs: Sequence[Job], now: datetime) -> list[Job]:
    """Return the rows that stand for a process which should be alive.

    A process that was killed leaves its row in state running. It is left out when a newer process of
    the same component and host started after its last heartbeat (that one replaced it), or after an
    hour of silence, if it is not the last of its component. Two live schedulers on one host both stay.
    """
    newest = {
        job.component: job for job in sorted(jobs, key=lambda job: job.latest_heartbeat or _NEVER)
    }
    current = []
    for job in jobs:
        beat = job.latest_heartbeat
        if beat is None or now - beat > (FORGET_LAST if job is newest[job.component] else FORGET):
            continue
        replaced = any(
            other.id > job.id
            and (other.component, other.hostname) == (job.component, job.hostname)
            and other.started_at is not None
            and other.started_at > beat
            for other in jobs
        )
        if not replaced:
            current.append(job)
    return current
