"""How far scheduling is behind."""

from __future__ import annotations

import math
from collections.abc import Sequence

from airwarden.core.ports import MetadataDatabase
from airwarden.exporters.collectors.pools import UNLIMITED
from airwarden.exporters.families import Family, gauge
from airwarden.exporters.live_tasks import Live, LiveTasks

#: Seconds of a task's waiting after which it is worth a query of its own to know whether a limit holds it back.
LONG = 60.0


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
        idle = math.inf if self._last_queued is None else live.now - self._last_queued
        scheduled = min(oldest_startable(live), idle)
        if scheduled > LONG:
            scheduled = min(self._unlimited(live), idle)
        lag = max(
            0.0, float(row["not_created"] or 0.0), float(row["not_started"] or 0.0), scheduled
        )
        return [gauge("airwarden_scheduler_lag_seconds", round(lag, 3))]

    def _unlimited(self, live: Live) -> float:
        """Return the same of tasks whose run is below its DAG's limit, too: those at it wait as they should."""
        pools = live.pools.values()
        (row,) = self._database.rows(
            "oldest_startable",
            pools=[pool.name for pool in pools],
            open=[None if pool.slots == UNLIMITED else pool.open for pool in pools],
        )
        return float(row["age"] or 0.0)


def oldest_startable(live: Live) -> float:
    """Return for how many seconds a task has been scheduled that its DAG and pool would let start."""
    return max(
        (
            group.oldest or 0.0
            for group in live.groups
            if group.state == "scheduled"
            and group.paused is False
            and (pool := live.pools.get(group.pool)) is not None
            and (pool.slots == UNLIMITED or group.slots <= pool.open)
        ),
        default=0.0,
    )
