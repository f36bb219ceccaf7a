"""A MariaDB or MySQL server: whether it answers, how full it is, who waits."""

from __future__ import annotations

from collections.abc import Sequence

from airwarden.core.errors import AirwardenError
from airwarden.core.ports import MariaDb
from airwarden.exporters.collector import PartialCollectError
from airwarden.exporters.families import Family, foreign_counter, gauge


class MariaDbCollector:
    """Reads the server's own counters; nothing of what is stored in it."""

    name = "mariadb"
    interval = 15.0
    timeout = 10.0

    def __init__(self, mariadb: MariaDb) -> None:
        self._mariadb = mariadb

    def collect(self) -> Sequence[Family]:
        """Return the server's state, or that it does not answer."""
        try:
            state = self._mariadb.state()
        except AirwardenError as error:
            raise PartialCollectError([gauge("airwarden_mariadb_up", 0)], error) from error
        share = state.connected / state.connections_max if state.connections_max else 0.0
        families = [
            gauge("airwarden_mariadb_up", 1),
            gauge(
                "airwarden_mariadb_connections",
                {("connected",): state.connected, ("running",): state.running},
            ),
            gauge("airwarden_mariadb_connections_max", state.connections_max),
            gauge("airwarden_mariadb_connection_utilization_ratio", round(share, 6)),
            gauge("airwarden_mariadb_oldest_transaction_age_seconds", state.oldest_transaction),
            gauge("airwarden_mariadb_row_lock_waits", state.lock_waits),
            foreign_counter("airwarden_mariadb_queries_total", state.queries),
            foreign_counter("airwarden_mariadb_slow_queries_total", state.slow_queries),
            foreign_counter("airwarden_mariadb_aborted_connections_total", state.aborted),
            foreign_counter("airwarden_mariadb_deadlocks_total", state.deadlocks),
            foreign_counter(
                "airwarden_mariadb_pages_total",
                {("asked",): state.pages_asked, ("read",): state.pages_read},
            ),
        ]
        if state.replicating is not None:
            families.append(gauge("airwarden_mariadb_replicating", int(state.replicating)))
        if state.replication_lag is not None:
            families.append(
                gauge("airwarden_mariadb_replication_lag_seconds", state.replication_lag)
            )
        return families
