"""Pools and what is in them, counted as the scheduler counts."""

from __future__ import annotations

from collections.abc import Sequence

from airwarden.core.platform import Pool
from airwarden.core.ports import Airflow, MetadataDatabase
from airwarden.exporters.families import Family, Labels, gauge

UNLIMITED = -1


class PoolsCollector:
    """Reads pools from the database, from REST where there is none."""

    name = "pools"
    interval = 10.0
    timeout = 10.0

    def __init__(self, database: MetadataDatabase | None, airflow: Airflow | None) -> None:
        self._database = database
        self._airflow = airflow

    def collect(self) -> Sequence[Family]:
        """Return slots by pool and state, and the tasks that find no slot."""
        pools = self._pools()
        slots: dict[Labels, float] = {}
        for pool in pools:
            for state in ("running", "queued", "scheduled", "deferred"):
                slots[pool.name, state] = getattr(pool, state)
            if pool.slots != UNLIMITED:
                slots[pool.name, "total"] = pool.slots
                slots[pool.name, "open"] = pool.open
        return [
            gauge("airwarden_pool_slots", slots),
            gauge("airwarden_pool_starving_tasks", self._starving(pools)),
        ]

    def _starving(self, pools: Sequence[Pool]) -> dict[Labels, float]:
        """Return the scheduled tasks of full pools; REST does not tell how many slots each takes."""
        if self._database is not None:
            return {(r["pool"],): r["starving"] for r in self._database.rows("pool_starving")}
        return {
            (pool.name,): pool.scheduled if pool.slots != UNLIMITED and pool.open <= 0 else 0
            for pool in pools
        }

    def _pools(self) -> Sequence[Pool]:
        if self._database is None:
            return self._airflow.pools() if self._airflow is not None else ()
        return [Pool(**row) for row in self._database.rows("pools")]
