"""How far scheduling is behind."""

from __future__ import annotations

from collections.abc import Sequence

from airwarden.core.ports import MetadataDatabase
from airwarden.exporters.families import Family, gauge


class SchedulerLagCollector:
    """Reads the three lags that `scheduler_lag.sql` defines, and takes the greatest.

    A backlog is not lag: a scheduled task counts only for as long as nothing at all is being queued,
    so that a flood which the scheduler works off steadily does not look like a late scheduler.
    """

    name = "scheduler_lag"
    interval = 5.0
    timeout = 10.0

    def __init__(self, database: MetadataDatabase) -> None:
        self._database = database
        self._last_queued: float | None = None

    def collect(self) -> Sequence[Family]:
        """Return the lag, 0 when nothing is late."""
        row = self._database.rows("scheduler_lag")[0]
        if row["last_queued"] is not None:
            self._last_queued = max(self._last_queued or 0.0, float(row["last_queued"]))
        scheduled = float(row["scheduled"] or 0.0)
        if self._last_queued is not None:
            scheduled = min(scheduled, float(row["now"]) - self._last_queued)
        lag = max(
            0.0, float(row["not_created"] or 0.0), float(row["not_started"] or 0.0), scheduled
        )
        return [gauge("airwarden_scheduler_lag_seconds", round(lag, 3))]
