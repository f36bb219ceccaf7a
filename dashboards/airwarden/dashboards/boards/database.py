"""Is the metadata database quick, does it have connections left, and who holds or blocks it?"""

from __future__ import annotations

from typing import Any

from airwarden.dashboards.absent import Source, none_now
from airwarden.dashboards.boards.servers import mariadb, pooler
from airwarden.dashboards.config import DashboardConfig, Limits
from airwarden.dashboards.layout import Section, dashboard, numbers, row
from airwarden.dashboards.names import DATABASE
from airwarden.dashboards.panels import (
    RED,
    YELLOW,
    any_is,
    at_least,
    at_most,
    stat,
    timeseries,
)
from airwarden.dashboards.queries import Query, increase, now, quantile, rate, series, top

_USED = "airwarden_db_connection_utilization_ratio"


def database(config: DashboardConfig) -> dict[str, Any]:
    """Return the dashboard of the metadata database."""
    limits = config.limits
    return dashboard(
        DATABASE,
        (
            _now(limits),
            _connections(limits),
            _locks(limits),
            _work(limits),
            _tables(limits),
            pooler(limits),
            mariadb(),
        ),
    )


def _now(limits: Limits) -> Section:
    return Section(
        "Now",
        numbers(
            stat(
                "Database up",
                "Whether the database answers on the exporter's standing connection.",
                "percentunit",
                [Query(f"min({series('airwarden_db_up')})")],
                steps=at_least(1),
                no_value="no DSN",
            ),
            stat(
                "Probe now",
                "How long the last trivial query took.",
                "s",
                [Query(f"max({series('airwarden_db_probe_last_seconds')})")],
                steps=at_most(limits.probe_seconds),
            ),
            stat(
                "Connections used now",
                "Client sessions among those that ordinary roles may open.",
                "percentunit",
                [Query(f"max({series(_USED)})")],
                steps=at_most(limits.connection_ratio),
                decimals=0,
            ),
            stat(
                "Sessions that wait for a lock",
                "Sessions blocked by others now.",
                "none",
                [Query(f"sum({series('airwarden_db_blocked_sessions')})")],
                steps=any_is(YELLOW),
            ),
            stat(
                "Oldest transaction",
                "Age of the oldest open transaction.",
                "s",
                [Query(f"max({series('airwarden_db_oldest_transaction_age_seconds')})")],
                steps=at_most(limits.transaction_seconds),
            ),
            stat(
                "Deadlocks",
                "Deadlocks in the window.",
                "none",
                [Query(increase(series("airwarden_db_deadlocks_total")))],
                steps=any_is(RED),
                decimals=0,
            ),
        ),
    )


def _connections(limits: Limits) -> Section:
    return Section(
        "Speed and connections",
        (
            *row(
                timeseries(
                    "Probe",
                    "The database's answer to a trivial query: the newest one, and the p95 of the "
                    "last minutes. Beyond the line the database itself is the fault, and no "
                    "scheduler is restarted for being late.",
                    "s",
                    [
                        Query(
                            f"max by (cluster) ({series('airwarden_db_probe_last_seconds')})",
                            "last {{cluster}}",
                        ),
                        Query(
                            quantile(
                                0.95,
                                series("airwarden_db_probe_duration_seconds_bucket"),
                                by="cluster",
                                over="$__rate_interval",
                            ),
                            "p95 {{cluster}}",
                        ),
                    ],
                    limit=limits.probe_seconds,
                ),
                timeseries(
                    "Connections used",
                    "Used among the connections that ordinary roles may open. At 100 % every new "
                    "connection of Airflow is refused.",
                    "percentunit",
                    [Query(f"max by (cluster) ({series(_USED)})", "{{cluster}}")],
                    limit=limits.connection_ratio,
                    maximum=1,
                ),
                timeseries(
                    "Connections by application",
                    "The ten applications that hold most connections: a leak shows as one that "
                    "grows and stays.",
                    "short",
                    [
                        Query(
                            top(
                                10,
                                "sum by (cluster, application) "
                                f"({series('airwarden_db_connections')})",
                            ),
                            "{{application}}",
                        )
                    ],
                    stacked=True,
                ),
            ),
            *row(
                timeseries(
                    "Connections by state",
                    "Sessions by what they do, beside how many there may be.",
                    "short",
                    [
                        Query(
                            f"sum by (state) ({series('airwarden_db_connections')})", "{{state}}"
                        ),
                        Query(f"sum({series('airwarden_db_connections_max')})", "allowed"),
                    ],
                ),
                timeseries(
                    "Replicas' lag",
                    "How far each replica is behind, the ten worst. What collectors read of a "
                    "replica is as old.",
                    "s",
                    [
                        Query(
                            top(
                                10,
                                "max by (cluster, replica) "
                                f"({series('airwarden_db_replication_lag_seconds')})",
                            ),
                            "{{replica}}",
                        )
                    ],
                    limit=limits.replica_lag_seconds,
                    no_value=none_now("no replica is seen"),
                ),
                timeseries(
                    "WAL kept for slots",
                    "What replication slots keep from being removed, the ten largest: it fills the "
                    "disk.",
                    "bytes",
                    [
                        Query(
                            top(
                                10,
                                "max by (cluster, slot) "
                                f"({series('airwarden_db_slot_retained_bytes')})",
                            ),
                            "{{slot}}",
                        )
                    ],
                    no_value=none_now("there is no replication slot"),
                ),
            ),
        ),
    )


def _locks(limits: Limits) -> Section:
    def by_application(metric: str) -> list[Query]:
        found = f"max by (cluster, application) ({series(metric)})"
        return [Query(top(10, found), "{{application}}")]

    locks = f"sum by (cluster) ({series('airwarden_db_locks')})"
    room = f"max by (cluster) ({series('airwarden_db_locks_max')})"
    return Section(
        "Transactions and locks",
        (
            *row(
                timeseries(
                    "Scheduler's lock held by an idle session",
                    "How long a session that does nothing holds the lock that scheduling needs. "
                    "Schedulers do not wait for it, they skip: no wait shows anywhere else.",
                    "s",
                    by_application("airwarden_db_scheduler_lock_held_seconds"),
                    limit=limits.lock_held_seconds,
                    no_value=none_now("nobody holds it"),
                ),
                timeseries(
                    "Idle in transaction",
                    "Age of the oldest transaction that is open and idle, by application.",
                    "s",
                    by_application("airwarden_db_idle_in_transaction_age_seconds"),
                    limit=limits.idle_transaction_seconds,
                ),
                timeseries(
                    "Open transactions",
                    "Age of the oldest open transaction, by application.",
                    "s",
                    by_application("airwarden_db_oldest_transaction_age_seconds"),
                    limit=limits.transaction_seconds,
                ),
            ),
            *row(
                timeseries(
                    "Blocked sessions",
                    "Sessions that wait for a lock.",
                    "short",
                    [
                        Query(
                            f"sum by (cluster) ({series('airwarden_db_blocked_sessions')})",
                            "{{cluster}}",
                        )
                    ],
                ),
                timeseries(
                    "Locks used",
                    "Locks among those that the server has room for.",
                    "percentunit",
                    [Query(f"{locks} / on (cluster) ({room} > 0)", "{{cluster}}")],
                    limit=limits.lock_ratio,
                ),
                timeseries(
                    "Deadlocks, 5 minutes",
                    "Deadlocks as the alert counts them; each ends one transaction.",
                    "short",
                    [
                        Query(
                            increase(
                                series("airwarden_db_deadlocks_total"), by="cluster", over="5m"
                            ),
                            "{{cluster}}",
                        )
                    ],
                    limit=limits.deadlocks,
                ),
            ),
        ),
    )


def _work(limits: Limits) -> Section:
    transactions = "airwarden_db_transactions_total"
    rolled = increase(series(transactions, outcome="rollback"), by="cluster", over="5m")
    all_ = increase(series(transactions), by="cluster", over="5m")
    return Section(
        "Work",
        (
            *row(
                timeseries(
                    "Transactions",
                    "Transactions per second, by outcome.",
                    "ops",
                    [Query(rate(series(transactions), by="outcome"), "{{outcome}}")],
                    stacked=True,
                ),
                timeseries(
                    "Rolled back",
                    "Rolled back among all transactions of 5 minutes.",
                    "percentunit",
                    [Query(f"{rolled} / ({all_} > 0)", "{{cluster}}")],
                    limit=limits.rollback_ratio,
                ),
                timeseries(
                    "Found in memory",
                    "Needed pages found in shared buffers.",
                    "percentunit",
                    [
                        Query(
                            f"min by (cluster) ({series('airwarden_db_cache_hit_ratio')})",
                            "{{cluster}}",
                        )
                    ],
                    floor=limits.cache_hit_ratio,
                    minimum=None,
                    maximum=1,
                ),
            ),
            *row(
                timeseries(
                    "Rows",
                    "Rows per second, by operation.",
                    "ops",
                    [
                        Query(
                            rate(series("airwarden_db_tuples_total"), by="operation"),
                            "{{operation}}",
                        )
                    ],
                ),
                timeseries(
                    "Sorts and joins on disk",
                    "Written to temporary files, per second.",
                    "Bps",
                    [
                        Query(
                            rate(series("airwarden_db_temp_bytes_total"), by="cluster"),
                            "{{cluster}}",
                        )
                    ],
                ),
                timeseries(
                    "Statements that take most",
                    "Execution time per second of the ten kinds of statement that take most, by "
                    "queryid.",
                    "s",
                    [
                        Query(
                            top(
                                10,
                                rate(
                                    series("airwarden_db_statement_seconds_total"),
                                    by="cluster, fingerprint",
                                ),
                            ),
                            "{{fingerprint}}",
                        )
                    ],
                    no_value=Source.STATEMENTS,
                ),
            ),
        ),
    )


def _tables(limits: Limits) -> Section:
    def by_table(metric: str) -> str:
        return f"max by (cluster, table) ({series(metric)})"

    dead, live = (by_table(f"airwarden_db_table_{kind}_tuples") for kind in ("dead", "live"))
    vacuumed = series("airwarden_db_table_last_autovacuum_timestamp_seconds")
    return Section(
        "Tables and vacuum",
        (
            *row(
                timeseries(
                    "Size of tables",
                    "The ten largest tables of Airflow, with indexes and TOAST. They grow until "
                    "`airflow db clean` runs.",
                    "bytes",
                    [Query(top(10, by_table("airwarden_db_table_bytes")), "{{table}}")],
                ),
                timeseries(
                    "Dead rows",
                    "Dead among all rows of a table, the ten worst.",
                    "percentunit",
                    [Query(top(10, f"{dead} / ({dead} + {live} > 0)"), "{{table}}")],
                ),
                timeseries(
                    "Last vacuum",
                    "Time since a table was last vacuumed, the ten longest ago.",
                    "s",
                    [Query(top(10, now(vacuumed, by="cluster, table")), "{{table}}")],
                    no_value=none_now("no table has been vacuumed by itself yet"),
                ),
            ),
            *row(
                timeseries(
                    "Transaction ids",
                    "Transactions since the oldest unfrozen one. PostgreSQL stops writing at about "
                    "2.1e9.",
                    "short",
                    [
                        Query(
                            f"max by (cluster) ({series('airwarden_db_xid_age')})", "{{cluster}}"
                        ),
                        Query(
                            top(5, by_table("airwarden_db_table_xid_age")), "{{table}} {{cluster}}"
                        ),
                    ],
                    limit=limits.transaction_ids,
                ),
                timeseries(
                    "Queries cancelled on replicas",
                    "Queries in the window that stood in the way of recovery.",
                    "short",
                    [
                        Query(
                            increase(series("airwarden_db_conflicts_total"), by="cluster"),
                            "{{cluster}}",
                        )
                    ],
                ),
            ),
        ),
        collapsed=True,
    )
