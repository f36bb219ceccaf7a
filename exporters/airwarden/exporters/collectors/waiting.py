"""Unfinished tasks: how long they have waited, which ones do not move, and what holds them back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airwarden.core.ports import MetadataDatabase
from airwarden.exporters.families import Family, Labels, gauge

STATES = ("scheduled", "queued", "running", "deferred", "up_for_retry")
REASONS = (
    "paused", "pool", "max_active_tasks", "max_active_runs", "parallelism", "executor_slots",
    "retry_delay", "upstream", "unknown",
)  # fmt: skip
#: Airflow's `scheduler.task_queued_timeout`, after which it takes a queued task back itself.
QUEUED_LONG = 600.0
#: Airflow's `scheduler.task_instance_heartbeat_timeout`.
SILENT = 300.0
#: Seconds for which deferred work may be without a triggerer: time enough for one to be replaced.
UNATTENDED = 300.0


class WaitingCollector:
    """Reads the live task instances twice: by age, and by what the scheduler's limits say of them.

    Args:
        database: Where they are read.
        parallelism: Tasks that all schedulers' executors may run at once; None if nobody said.
    """

    name = "waiting"
    interval = 15.0
    timeout = 15.0

    def __init__(self, database: MetadataDatabase, parallelism: int | None = None) -> None:
        self._database = database
        self._parallelism = parallelism

    def collect(self) -> Sequence[Family]:
        """Return ages, stuck tasks and reasons, each known kind at 0 where there is none."""
        ages = self._database.rows(
            "live_ages", queued=QUEUED_LONG, silent=SILENT, unattended=UNATTENDED
        )
        why = self._database.rows("not_running", parallelism=self._parallelism, limit=QUEUED_LONG)
        blocked: dict[Labels, float] = {(reason,): 0 for reason in REASONS}
        blocked |= {(row["reason"],): row["tasks"] for row in why}
        stuck: dict[Labels, float] = {
            ("queued",): sum(row["queued_long"] for row in ages),
            ("scheduled",): sum(row["long"] for row in why if row["reason"] == "unknown"),
            ("running",): sum(row["silent"] for row in ages),
            ("deferred",): sum(row["unattended"] for row in ages),
        }
        return [
            gauge("airwarden_task_oldest_age_seconds", _oldest(ages)),
            gauge(
                "airwarden_task_heartbeat_oldest_age_seconds",
                {
                    (row["queue"],): round(max(0.0, row["silence"]), 3)
                    for row in ages
                    if row["silence"] is not None
                },
            ),
            gauge("airwarden_tasks_stuck", stuck),
            gauge("airwarden_task_blocked", blocked),
        ]


def _oldest(rows: Sequence[Mapping[str, Any]]) -> dict[Labels, float]:
    queues = {"default"} | {row["queue"] for row in rows}
    oldest: dict[Labels, float] = {(state, queue): 0.0 for state in STATES for queue in queues}
    for row in rows:
        oldest[row["state"], row["queue"]] = round(max(0.0, row["oldest"] or 0.0), 3)
    return oldest
