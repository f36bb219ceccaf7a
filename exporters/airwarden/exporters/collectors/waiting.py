"""Unfinished tasks: how long they have waited, which ones do not move, and what holds them back."""

from __future__ import annotations

from collections.abc import Sequence

from airwarden.core.ports import MetadataDatabase
from airwarden.exporters.families import Family, Labels, gauge
from airwarden.exporters.live_tasks import QUEUED_LONG, Group, LiveTasks

STATES = ("scheduled", "queued", "running", "deferred", "up_for_retry")
REASONS = (
    "paused", "pool", "max_active_tasks", "max_active_runs", "parallelism", "executor_slots",
    "retry_delay", "upstream", "unknown",
)  # fmt: skip


class WaitingCollector:
    """Reads the live task instances by age, and by what the scheduler's limits say of them.

    Args:
        database: Where they are read.
        live: What all collectors share of them.
        parallelism: Tasks that all schedulers' executors may run at once; None if nobody said.
    """

    name = "waiting"
    interval = 15.0
    timeout = 15.0

    def __init__(
        self, database: MetadataDatabase, live: LiveTasks, parallelism: int | None = None
    ) -> None:
        self._database = database
        self._live = live
        self._parallelism = parallelism

    def collect(self) -> Sequence[Family]:
        """Return ages, stuck tasks and reasons, each known kind at 0 where there is none."""
        live = self._live.look()
        groups = live.groups
        why = self._database.rows(
            "not_running",
            pools=list(live.pools),
            open=[None if pool.slots < 0 else pool.open for pool in live.pools.values()],
            full=self._parallelism is not None
            and _tasks(groups, "running", "queued") >= self._parallelism,
            limit=QUEUED_LONG,
        )
        blocked: dict[Labels, float] = {(reason,): 0 for reason in REASONS}
        blocked |= {(row["reason"],): row["tasks"] for row in why}
        blocked["executor_slots",] = _tasks(groups, "queued")
        blocked["retry_delay",] = _tasks(groups, "up_for_retry")
        stuck: dict[Labels, float] = {
            ("queued",): sum(group.queued_long for group in groups),
            ("scheduled",): sum(row["long"] for row in why if row["reason"] == "unknown"),
            ("running",): sum(group.silent for group in groups),
            ("deferred",): sum(group.unattended for group in groups),
        }
        return [
            gauge("airwarden_task_oldest_age_seconds", oldest(groups)),
            gauge("airwarden_task_heartbeat_oldest_age_seconds", _silence(groups)),
            gauge("airwarden_tasks_stuck", stuck),
            gauge("airwarden_task_blocked", blocked),
        ]


def _tasks(groups: Sequence[Group], *states: str) -> int:
    return sum(group.tasks for group in groups if group.state in states)


def oldest(groups: Sequence[Group]) -> dict[Labels, float]:
    """Return the oldest by state and queue; what a paused DAG has scheduled waits for nobody."""
    waiting = [group for group in groups if group.state in STATES and not group.paused]
    queues = {"default"} | {group.queue for group in waiting}
    ages: dict[Labels, float] = {(state, queue): 0.0 for state in STATES for queue in queues}
    for group in waiting:
        key = (group.state, group.queue)
        ages[key] = max(ages[key], round(group.oldest or 0.0, 3))
    return ages


def _silence(groups: Sequence[Group]) -> dict[Labels, float]:
    silence: dict[Labels, float] = {}
    for group in groups:
        if group.silence is not None:
            key = (group.queue,)
            silence[key] = max(silence.get(key, 0.0), round(group.silence, 3))
    return silence
