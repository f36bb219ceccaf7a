"""Unfinished task instances by state, queue and pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from airwarden.core.clock import Clock
from airwarden.exporters.families import Family, Labels, gauge
from airwarden.exporters.live_tasks import LiveTasks

#: Seconds for which a queue and pool that emptied are still reported, at 0.
REMEMBER = 3600.0
#: Queues and pools that are remembered at most.
MOST = 2_000
#: States that are reported for every queue and pool in sight, at 0 where there is nothing.
_ALWAYS = ("scheduled", "queued", "running")


class TaskInstancesCollector:
    """Counts the live ones: an index on state makes that cheap whatever the history."""

    name = "task_instances"
    interval = 5.0
    timeout = 15.0

    def __init__(self, live: LiveTasks, clock: Clock) -> None:
        self._live = live
        self._clock = clock
        self._seen: dict[tuple[str, str], float] = {("default", "default_pool"): clock.elapsed()}

    def collect(self) -> Sequence[Family]:
        """Return the counts."""
        now = self._clock.elapsed()
        counts: dict[Labels, float] = {}
        groups = self._live.look().groups
        for group in groups:
            place = (group.queue, group.pool)
            self._seen[place] = now
            # No scheduler looks at what a paused DAG has scheduled.
            state = "scheduled_paused" if group.paused else group.state
            key = (state, *place)
            counts[key] = counts.get(key, 0) + group.tasks
        lately = sorted(self._seen, key=lambda place: -self._seen[place])[:MOST]
        self._seen = {p: self._seen[p] for p in lately if now - self._seen[p] < REMEMBER}
        for place in self._seen:
            for state in _ALWAYS:
                counts.setdefault((state, *place), 0)
        family = gauge("airwarden_task_instances", counts)
        return [replace(family, folded=family.folded + sum(group.folded for group in groups))]
