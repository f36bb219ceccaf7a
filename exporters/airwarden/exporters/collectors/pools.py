"""Pools and what is in them, counted as the scheduler counts."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Sequence

from airwarden.core.platform import Pool
from airwarden.core.ports import Airflow
from airwarden.exporters.families import Family, Labels, gauge
from airwarden.exporters.live_tasks import Group, LiveTasks

UNLIMITED = -1


class PoolsCollector:
    """Reads pools from the database, from REST where there is none."""

    name = "pools"
    interval = 10.0
    timeout = 15.0

    def __init__(self, live: LiveTasks | None, airflow: Airflow | None) -> None:
        self._live = live
        self._airflow = airflow

    def collect(self) -> Sequence[Family]:
        """Return slots by pool and state, and the tasks that find no slot."""
        pools, starving = self._look()
        slots: dict[Labels, float] = {}
        for pool in pools:
            for state in ("running", "queued", "scheduled", "deferred"):
                slots[pool.name, state] = getattr(pool, state)
            if pool.slots != UNLIMITED:
                slots[pool.name, "total"] = pool.slots
                slots[pool.name, "open"] = pool.open
        return [
            gauge("airwarden_pool_slots", slots),
            gauge("airwarden_pool_starving_tasks", starving),
        ]

    def _look(self) -> tuple[Sequence[Pool], dict[Labels, float]]:
        if self._live is not None:
            live = self._live.look()
            pools = list(live.pools.values())
            return pools, starving(pools, live.groups)
        found = self._airflow.pools() if self._airflow is not None else ()
        # REST does not tell how many slots each task takes.
        return found, {(pool.name,): pool.scheduled if is_full(pool) else 0 for pool in found}


def is_full(pool: Pool) -> bool:
    """Whether a pool has no slot left."""
    return pool.slots != UNLIMITED and pool.open <= 0


def starving(pools: Sequence[Pool], groups: Sequence[Group]) -> dict[Labels, float]:
    """Return, by pool, the scheduled tasks that take more slots than their pool has open.

    What paused DAGs hold back waits for nobody. Airflow's own gauge reads 0 with tasks waiting.
    """
    open_slots = {pool.name: pool.open for pool in pools if pool.slots != UNLIMITED}
    found: Tally[Labels] = Tally({(pool.name,): 0 for pool in pools})
    for group in groups:
        if group.state == "scheduled" and not group.paused:
            open_here = open_slots.get(group.pool)
            if open_here is not None and group.slots > open_here:
                found[(group.pool,)] += group.tasks
    return dict(found)
