"""The connection pooler before the metadata database: who waits in it, and for how long."""

from __future__ import annotations

from collections.abc import Sequence

from airwarden.core.errors import AirwardenError
from airwarden.core.ports import Pooler
from airwarden.exporters.collector import PartialCollectError
from airwarden.exporters.families import Family, Labels, gauge

#: Pools that are told apart, the fullest first.
MAX_POOLS = 100


class PoolerCollector:
    """Reads PgBouncer's pools."""

    name = "pooler"
    interval = 10.0
    timeout = 10.0

    def __init__(self, pooler: Pooler) -> None:
        self._pooler = pooler

    def collect(self) -> Sequence[Family]:
        """Return clients and server connections of each pool, or that it does not answer."""
        try:
            pools = self._pooler.pools()
        except AirwardenError as error:
            raise PartialCollectError([gauge("airwarden_pgbouncer_up", 0)], error) from error
        largest = sorted(pools, key=lambda pool: -(pool.clients_active + pool.clients_waiting))[
            :MAX_POOLS
        ]
        servers: dict[Labels, float] = {
            (pool.name, state): n for pool in largest for state, n in pool.servers.items()
        }
        return [
            gauge("airwarden_pgbouncer_up", 1),
            gauge(
                "airwarden_pgbouncer_client_active_connections",
                {(pool.name,): pool.clients_active for pool in largest},
            ),
            gauge(
                "airwarden_pgbouncer_client_waiting_connections",
                {(pool.name,): pool.clients_waiting for pool in largest},
            ),
            gauge(
                "airwarden_pgbouncer_maxwait_seconds",
                {(pool.name,): pool.longest_wait for pool in largest},
            ),
            gauge("airwarden_pgbouncer_server_connections", servers),
        ]
