"""Servers beside the metadata database's own: PgBouncer before it, a MariaDB server of the platform."""

from __future__ import annotations

from airwarden.dashboards.absent import Source
from airwarden.dashboards.config import Limits
from airwarden.dashboards.layout import Section, row
from airwarden.dashboards.panels import timeseries
from airwarden.dashboards.queries import Query, increase, rate, series, top


def pooler(limits: Limits) -> Section:
    """Return PgBouncer's pools, folded."""

    def by_pool(metric: str) -> str:
        return f"max by (cluster, pool) ({series(metric)})"

    return Section(
        "PgBouncer",
        row(
            timeseries(
                "Clients that wait",
                "Clients without a server connection, the ten pools with most.",
                "short",
                [
                    Query(
                        top(10, by_pool("airwarden_pgbouncer_client_waiting_connections")),
                        "{{pool}}",
                    )
                ],
                limit=limits.pooler_waiting,
                no_value=Source.POOLER,
            ),
            timeseries(
                "Longest wait for a connection",
                "How long the first client has waited, the ten worst pools.",
                "s",
                [Query(top(10, by_pool("airwarden_pgbouncer_maxwait_seconds")), "{{pool}}")],
                limit=limits.pooler_wait_seconds,
                no_value=Source.POOLER,
            ),
            timeseries(
                "Server connections",
                "PgBouncer's connections to the server by state, and clients that have one.",
                "short",
                [
                    Query(
                        f"sum by (state) ({series('airwarden_pgbouncer_server_connections')})",
                        "{{state}}",
                    ),
                    Query(
                        f"sum({series('airwarden_pgbouncer_client_active_connections')})",
                        "clients served",
                    ),
                ],
                no_value=Source.POOLER,
            ),
        ),
        collapsed=True,
    )


def mariadb() -> Section:
    """Return a MariaDB server's sessions and waits, folded."""

    def of(metric: str) -> str:
        return series(f"airwarden_mariadb_{metric}")

    return Section(
        "MariaDB",
        row(
            timeseries(
                "Sessions of MariaDB",
                "Sessions among those that the server admits.",
                "percentunit",
                [Query(f"max by (cluster) ({of('connection_utilization_ratio')})", "{{cluster}}")],
                maximum=1,
                no_value=Source.MARIADB,
            ),
            timeseries(
                "Statements of MariaDB",
                "Statements per second, and slow ones.",
                "ops",
                [
                    Query(rate(of("queries_total"), by="cluster"), "all {{cluster}}"),
                    Query(rate(of("slow_queries_total"), by="cluster"), "slow {{cluster}}"),
                ],
                no_value=Source.MARIADB,
            ),
            timeseries(
                "Waits in MariaDB",
                "Row locks that are waited for now, and deadlocks in the window.",
                "short",
                [
                    Query(f"sum by (cluster) ({of('row_lock_waits')})", "waits {{cluster}}"),
                    Query(increase(of("deadlocks_total"), by="cluster"), "deadlocks {{cluster}}"),
                ],
                no_value=Source.MARIADB,
            ),
        ),
        collapsed=True,
    )
