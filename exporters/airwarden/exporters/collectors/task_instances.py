"""Unfinished task instances by state, queue and pool."""

from __future__ import annotations

from collections.abc import Sequence

from airwarden.core.clock import Clock
from airwarden.exporters.families import Family, Labels, gauge
from airwarden.exporters.live_tasks import LiveTasks

#: Seconds for which a queue and pool that emptied are still reported, at 0.
REMEMBER = 3600.0
#: States that are reported for every queue and pool in sight, at 0 where there is nothing.
_ALWAYS = ("scheduled", "queued", "running")


class TaskInstancesCollector:
    """Counts the live ones: an index on state makes that cheap whatever the history."""

    name = "task_instances"
    interval = 5.0
    timeout = 10.0

    def __init__(self, live: LiveTasks, clock: Clock) -> None:
        self._live = live
        self._clock = clock
        self._seen: dict[tuple[str, str], float] = {("default", "default_pool"): clock.elapsed()}

    def collect(self) -> Sequence[Family]:
        """Return the counts."""
        now = self._clock.elapsed()
        counts: dict[Labels, float] = {}
        for group in self._live.look().groups:
            place = (group.queue, group.pool)
            self._seen[place] = now
            # No scheduler looks at what a paused DAG has scheduled.
            state = "scheduled_paused" if group.paused else group.state
            key = (state, *place)
            counts[key] = counts.get(key, 0) + group.tasks
        self._seen = {place: at for place, at in self._seen.items() if now - at < REMEMBER}
        for place in self._seen:
            for state in _ALWAYS:
                counts.setdefault((state, *place), 0)
        return [gauge("airwarden_task_instances", counts)]
