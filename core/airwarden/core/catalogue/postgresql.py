"""The inside of the metadata database's server, and the pooler before it."""

from __future__ import annotations

from airwarden.core.catalogue.types import Metric, MetricType

_COUNTER, _GAUGE = MetricType.COUNTER, MetricType.GAUGE
_ACTIVITY = "PostgreSQL: pg_stat_activity"
_STATS = "PostgreSQL: pg_stat_database"
_POOLS = "PgBouncer: SHOW POOLS"
_TABLES = "PostgreSQL: pg_stat_user_tables, pg_class"

METRICS = (
    Metric(
        "airwarden_db_oldest_transaction_age_seconds",
        _GAUGE,
        ("application",),
        "Age of the oldest open transaction of an application; those beyond the fifty oldest are left"
        " out.",
        _ACTIVITY,
    ),
    Metric(
        "airwarden_db_blocked_sessions",
        _GAUGE,
        (),
        "Sessions that wait for a lock.",
        _ACTIVITY,
    ),
    Metric(
        "airwarden_db_locks",
        _GAUGE,
        ("mode",),
        "Locks on this database by mode.",
        "PostgreSQL: pg_locks",
    ),
    Metric(
        "airwarden_db_locks_max",
        _GAUGE,
        (),
        "Locks that the server has room for.",
        "PostgreSQL: settings",
    ),
    Metric(
        "airwarden_db_deadlocks_total",
        _COUNTER,
        (),
        "Deadlocks, since PostgreSQL's statistics were reset.",
        _STATS,
    ),
    Metric(
        "airwarden_db_transactions_total",
        _COUNTER,
        ("outcome",),
        "Transactions by outcome: commit, rollback.",
        _STATS,
    ),
    Metric(
        "airwarden_db_tuples_total",
        _COUNTER,
        ("operation",),
        "Rows by operation: returned, fetched, inserted, updated, deleted.",
        _STATS,
    ),
    Metric(
        "airwarden_db_blocks_total",
        _COUNTER,
        ("source",),
        "Pages that were needed, by where they were found: hit (shared buffers), read (elsewhere).",
        _STATS,
    ),
    Metric(
        "airwarden_db_cache_hit_ratio",
        _GAUGE,
        (),
        "Share of needed pages found in shared buffers since the collect before (0 to 1); absent while"
        " none were needed.",
        _STATS,
    ),
    Metric(
        "airwarden_db_temp_bytes_total",
        _COUNTER,
        (),
        "Bytes written to temporary files by sorts and joins that did not fit in memory.",
        _STATS,
    ),
    Metric(
        "airwarden_db_conflicts_total",
        _COUNTER,
        (),
        "Queries cancelled on a replica because they stood in the way of recovery.",
        _STATS,
    ),
    Metric(
        "airwarden_db_xid_age",
        _GAUGE,
        (),
        "Transactions since the oldest unfrozen one; PostgreSQL stops writing at about 2.1e9.",
        "PostgreSQL: pg_database",
    ),
    Metric(
        "airwarden_db_table_bytes",
        _GAUGE,
        ("table",),
        "Size of a table with indexes and TOAST; fifteen tables of Airflow.",
        _TABLES,
    ),
    Metric(
        "airwarden_db_table_live_tuples",
        _GAUGE,
        ("table",),
        "Rows of a table, as PostgreSQL estimates.",
        _TABLES,
    ),
    Metric(
        "airwarden_db_table_dead_tuples",
        _GAUGE,
        ("table",),
        "Dead rows of a table that vacuum has not removed yet: its bloat.",
        _TABLES,
    ),
    Metric(
        "airwarden_db_table_last_autovacuum_timestamp_seconds",
        _GAUGE,
        ("table",),
        "When a table was last vacuumed, by autovacuum or by hand, as Unix time; absent if never.",
        _TABLES,
    ),
    Metric(
        "airwarden_db_table_xid_age",
        _GAUGE,
        ("table",),
        "Transactions since a table's oldest unfrozen row.",
        _TABLES,
    ),
    Metric(
        "airwarden_db_replication_lag_seconds",
        _GAUGE,
        ("replica",),
        "How far a replica is behind; self is the server that is being read, where it is a replica.",
        "PostgreSQL: pg_stat_replication, recovery functions",
    ),
    Metric(
        "airwarden_db_slot_retained_bytes",
        _GAUGE,
        ("slot",),
        "WAL that a replication slot keeps from being removed.",
        "PostgreSQL: pg_replication_slots",
    ),
    Metric(
        "airwarden_db_statement_seconds_total",
        _COUNTER,
        ("fingerprint",),
        "Execution time of the twenty kinds of statement that took most since the exporter started, by"
        " queryid; the rest is _overflow. Absent without the extension pg_stat_statements.",
        "PostgreSQL: pg_stat_statements",
    ),
    Metric(
        "airwarden_db_statement_calls_total",
        _COUNTER,
        ("fingerprint",),
        "Calls of the same.",
        "PostgreSQL: pg_stat_statements",
    ),
    Metric(
        "airwarden_pgbouncer_up",
        _GAUGE,
        (),
        "Whether PgBouncer's console answers.",
        _POOLS,
    ),
    Metric(
        "airwarden_pgbouncer_client_active_connections",
        _GAUGE,
        ("pool",),
        "Clients of a pool (database/role) that have a server connection.",
        _POOLS,
    ),
    Metric(
        "airwarden_pgbouncer_client_waiting_connections",
        _GAUGE,
        ("pool",),
        "Clients that wait for one.",
        _POOLS,
    ),
    Metric(
        "airwarden_pgbouncer_maxwait_seconds",
        _GAUGE,
        ("pool",),
        "How long the first of them has waited.",
        _POOLS,
    ),
    Metric(
        "airwarden_pgbouncer_server_connections",
        _GAUGE,
        ("pool", "state"),
        "Server connections by state: active, idle, used, tested, login.",
        _POOLS,
    ),
)
