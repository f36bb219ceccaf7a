"""A connection pooler's pools, put in by a test."""

from __future__ import annotations

from collections.abc import Sequence

from airwarden.adapters.fakes.faults import Faults
from airwarden.core.platform import PoolerPool


class FakePooler(Faults):
    """Pools that a test puts in."""

    def __init__(self) -> None:
        super().__init__()
        self._pools: dict[str, PoolerPool] = {}

    def put(self, pool: PoolerPool) -> None:
        """Add or replace a pool."""
        self._pools[pool.name] = pool

    def pools(self) -> Sequence[PoolerPool]:
        """Return the pools."""
        self._reading()
        return [pool for _, pool in sorted(self._pools.items())]
