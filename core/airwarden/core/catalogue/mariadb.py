"""A MariaDB or MySQL server."""

from __future__ import annotations

from airwarden.core.catalogue.types import Metric, MetricType

_COUNTER, _GAUGE = MetricType.COUNTER, MetricType.GAUGE
_SOURCE = "MariaDB: SHOW GLOBAL STATUS, information_schema.innodb_trx, SHOW REPLICA STATUS"

METRICS = (
    Metric(
        "airwarden_mariadb_up",
        _GAUGE,
        (),
        "Whether the server answers.",
        _SOURCE,
    ),
    Metric(
        "airwarden_mariadb_connections",
        _GAUGE,
        ("state",),
        "Sessions: connected, and of those running.",
        _SOURCE,
    ),
    Metric(
        "airwarden_mariadb_connections_max",
        _GAUGE,
        (),
        "Sessions that it admits.",
        _SOURCE,
    ),
    Metric(
        "airwarden_mariadb_connection_utilization_ratio",
        _GAUGE,
        (),
        "Sessions as a share of that (0 to 1).",
        _SOURCE,
    ),
    Metric(
        "airwarden_mariadb_oldest_transaction_age_seconds",
        _GAUGE,
        (),
        "Age of the oldest open transaction; 0 without one.",
        _SOURCE,
    ),
    Metric(
        "airwarden_mariadb_row_lock_waits",
        _GAUGE,
        (),
        "Row locks that are waited for now.",
        _SOURCE,
    ),
    Metric(
        "airwarden_mariadb_queries_total",
        _COUNTER,
        (),
        "Statements, since the server started.",
        _SOURCE,
    ),
    Metric(
        "airwarden_mariadb_slow_queries_total",
        _COUNTER,
        (),
        "Statements that took longer than long_query_time.",
        _SOURCE,
    ),
    Metric(
        "airwarden_mariadb_aborted_connections_total",
        _COUNTER,
        (),
        "Connections that failed.",
        _SOURCE,
    ),
    Metric(
        "airwarden_mariadb_deadlocks_total",
        _COUNTER,
        (),
        "Deadlocks; 0 where the server does not count them.",
        _SOURCE,
    ),
    Metric(
        "airwarden_mariadb_pages_total",
        _COUNTER,
        ("source",),
        "Pages asked of the buffer pool, and of those read from disk.",
        _SOURCE,
    ),
    Metric(
        "airwarden_mariadb_replicating",
        _GAUGE,
        (),
        "Whether both threads of a replica run; absent where it is none.",
        _SOURCE,
    ),
    Metric(
        "airwarden_mariadb_replication_lag_seconds",
        _GAUGE,
        (),
        "How far a replica is behind; absent while it stands still.",
        _SOURCE,
    ),
)
