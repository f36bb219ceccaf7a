"""How far scheduling is behind."""

from __future__ import annotations

from collections.abc import Sequence

from airwarden.core.ports import MetadataDatabase
from airwarden.exporters.collectors.pools import is_full
from airwarden.exporters.families import Family, gauge
from airwarden.exporters.live_tasks import Live, LiveTasks


class SchedulerLagCollector:
    """Takes the greatest of three lags: of runs not created, not started, and of scheduled tasks.

    A backlog is not lag: a scheduled task counts only for as long as nothing at all is being queued,
    so that a flood which the scheduler works off steadily does not look like a late scheduler.
    """

    name = "scheduler_lag"
    interval = 5.0
    timeout = 15.0

    def __init__(self, database: MetadataDatabase, live: LiveTasks) -> None:
        self._database = database
        self._live = live
        self._last_queued: float | None = None

    def collect(self) -> Sequence[Family]:
        """Return the lag, 0 when nothing is late."""
        row = self._database.rows("scheduler_lag")[0]
        live = self._live.look()
        for group in live.groups:
            if group.last_queued is not None:
                self._last_queued = max(self._last_queued or 0.0, group.last_queued)
        scheduled = oldest_startable(live)
        if self._last_queued is not None:
            scheduled = min(scheduled, live.now - self._last_queued)
        lag = max(
            0.0, float(row["not_created"] or 0.0), float(row["not_started"] or 0.0), scheduled
        )
        return [gauge("airwarden_scheduler_lag_seconds", round(lag, 3))]


def oldest_startable(live: Live) -> float:
    """Return for how many seconds a task has been scheduled that its DAG and pool would let start."""
    return max(
        (
            group.oldest or 0.0
            for group in live.groups
            if group.state == "scheduled"
            and group.paused is False
            and group.pool in live.pools
            and not is_full(live.pools[group.pool])
        ),
        default=0.0,
    )
