"""Alerts on what wears the metadata database out before it fails, and on the pooler before it."""

from __future__ import annotations

from datetime import timedelta

from airwarden.core.alerts import Severity
from airwarden.core.durations import format_duration
from airwarden.core.thresholds import Unit, parse_threshold
from airwarden.rules.model import AlertRule, Context, Subject


def _highest(metric: str, by: str, context: Context, *matchers: str) -> str:
    return f"max by ({by}) ({context.series(metric, *matchers)}) {context.beyond}"


def _connections(context: Context) -> str:
    used = context.series("airwarden_db_connection_utilization_ratio")
    return f"max by (cluster) (max_over_time({used}[{context.bridge}])) {context.beyond}"


def _deadlocks(context: Context) -> str:
    deadlocks = context.series("airwarden_db_deadlocks_total")
    return f"sum by (cluster) (increase({deadlocks}[{format_duration(context.over)}])) {context.beyond}"


def _cache_hits(context: Context) -> str:
    over = format_duration(context.over)
    ratio = context.series("airwarden_db_cache_hit_ratio")
    blocks = "sum by (cluster) (increase(airwarden_db_blocks_total"
    return (
        f"min by (cluster) (avg_over_time({ratio}[{over}])) {context.beyond}\n"
        f"and on (cluster) {blocks}[{over}])) >= {context.at_least}"
    )


def _locks(context: Context) -> str:
    locks = context.series("airwarden_db_locks")
    room = "max by (cluster) (airwarden_db_locks_max)"
    return f"sum by (cluster) ({locks}) / on (cluster) {room} {context.beyond}"


def _rollbacks(context: Context) -> str:
    over = format_duration(context.over)

    def count(*matchers: str) -> str:
        selector = context.series("airwarden_db_transactions_total", *matchers)
        return f"sum by (cluster) (increase({selector}[{over}]))"

    rolled_back = count('outcome="rollback"')
    return (
        f"{rolled_back} / {count()} {context.beyond}\n"
        f"and on (cluster) {count()} >= {context.at_least}"
    )


DATABASE_LOAD = Subject(
    name="database_load",
    alerts=(
        AlertRule(
            name="AirflowDatabaseConnectionsHigh",
            component="database",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 80%"),
            units=(Unit.RATIO,),
            hold=timedelta(minutes=10),
            expr=_connections,
            summary=(
                "{{ $value | humanizePercentage }} of the metadata database's connections on "
                "{{ $labels.cluster }} are in use"
            ),
            description="More than <<limit>> for <<hold>>: the next peak may find none left.",
        ),
        AlertRule(
            name="AirflowDatabaseLongTransaction",
            component="database",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 2m"),
            units=(Unit.SECONDS,),
            scopes=("application",),
            hold=timedelta(minutes=2),
            # A dump is one long transaction, and meant to be.
            expr=lambda c: _highest(
                "airwarden_db_oldest_transaction_age_seconds",
                "cluster, application",
                c,
                'application!="pg_dump"',
            ),
            summary=(
                "A transaction of {{ $labels.application }} on {{ $labels.cluster }} has been open for "
                "{{ $value | humanizeDuration }}"
            ),
            description=(
                "More than <<limit>> for <<hold>>. While it is open vacuum removes nothing that died "
                "since, and what it has locked stays locked."
            ),
        ),
        AlertRule(
            name="AirflowDatabaseIdleInTransaction",
            component="database",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 5m"),
            units=(Unit.SECONDS,),
            scopes=("application",),
            hold=timedelta(minutes=2),
            expr=lambda c: _highest(
                "airwarden_db_idle_in_transaction_age_seconds", "cluster, application", c
            ),
            summary=(
                "A session of {{ $labels.application }} on {{ $labels.cluster }} has been idle in a "
                "transaction for {{ $value | humanizeDuration }}"
            ),
            description=(
                "More than <<limit>> for <<hold>>. It does nothing and holds its locks: most often a "
                "client that forgot to commit."
            ),
        ),
        AlertRule(
            name="AirflowDatabaseDeadlocks",
            component="database",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 25"),
            units=(Unit.COUNT,),
            over=timedelta(minutes=5),
            hold=timedelta(minutes=5),
            expr=_deadlocks,
            summary=(
                "{{ $value | humanize }} deadlocks in the metadata database of {{ $labels.cluster }}"
            ),
            description=(
                "More than <<limit>> within <<over>>, for <<hold>>. Each ends one transaction of a "
                "scheduler or a task, which has to start again."
            ),
        ),
        AlertRule(
            name="AirflowDatabaseCacheHitLow",
            component="database",
            severity=Severity.WARNING,
            threshold=parse_threshold("< 98%"),
            units=(Unit.RATIO,),
            over=timedelta(minutes=5),
            at_least=100_000,
            hold=timedelta(minutes=5),
            expr=_cache_hits,
            summary=(
                "The metadata database of {{ $labels.cluster }} finds {{ $value | humanizePercentage }} "
                "of its pages in memory"
            ),
            description=(
                "Less than <<limit>> of at least <<at_least>> pages within <<over>>, for <<hold>>: "
                "what Airflow works with no longer fits into shared_buffers, or a query reads it all."
            ),
        ),
        AlertRule(
            name="AirflowDatabaseLocksHigh",
            component="database",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 20%"),
            units=(Unit.RATIO,),
            hold=timedelta(minutes=5),
            expr=_locks,
            summary=(
                "{{ $value | humanizePercentage }} of the room for locks is taken in the metadata "
                "database of {{ $labels.cluster }}"
            ),
            description=(
                "More than <<limit>> for <<hold>>. When the room is gone, every statement that needs a "
                "lock fails with `out of shared memory`."
            ),
        ),
        AlertRule(
            name="AirflowDatabaseRollbackHigh",
            component="database",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 10%"),
            units=(Unit.RATIO,),
            over=timedelta(minutes=5),
            at_least=500,
            hold=timedelta(minutes=10),
            expr=_rollbacks,
            summary=(
                "{{ $value | humanizePercentage }} of the transactions in the metadata database of "
                "{{ $labels.cluster }} are rolled back"
            ),
            description=(
                "More than <<limit>> of at least <<at_least>> within <<over>>, for <<hold>>: statements "
                "fail, time out or are cancelled."
            ),
        ),
        AlertRule(
            name="AirflowDatabaseWraparound",
            component="database",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 1000000000"),
            units=(Unit.COUNT,),
            hold=timedelta(minutes=5),
            expr=lambda c: _highest("airwarden_db_xid_age", "cluster", c),
            summary=(
                "Vacuum of the metadata database of {{ $labels.cluster }} is "
                "{{ $value | humanize }} transactions behind"
            ),
            description=(
                "More than <<limit>> for <<hold>>. At about two billion PostgreSQL takes no more "
                "writes until it has been vacuumed, which takes hours."
            ),
        ),
        AlertRule(
            name="AirflowDbReplicaLag",
            component="database",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 30s"),
            units=(Unit.SECONDS,),
            hold=timedelta(minutes=2),
            expr=lambda c: _highest("airwarden_db_replication_lag_seconds", "cluster, replica", c),
            summary=(
                "Replica {{ $labels.replica }} of {{ $labels.cluster }} is "
                "{{ $value | humanizeDuration }} behind"
            ),
            description=(
                "More than <<limit>> for <<hold>>. What is read from it is as old, Airwarden's own "
                "numbers too if it reads there."
            ),
        ),
        AlertRule(
            name="AirflowPgBouncerDown",
            component="database",
            severity=Severity.CRITICAL,
            hold=timedelta(minutes=1),
            expr=lambda c: f"max by (cluster) ({c.series('airwarden_pgbouncer_up')}) == 0",
            summary="PgBouncer before the metadata database of {{ $labels.cluster }} does not answer",
            description=(
                "No answer of its console for <<hold>>. Whoever connects through it cannot reach the "
                "database, however well that is."
            ),
        ),
        AlertRule(
            name="AirflowPgBouncerWaiting",
            component="database",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 20"),
            units=(Unit.COUNT,),
            scopes=("pool",),
            hold=timedelta(minutes=2),
            expr=lambda c: _highest(
                "airwarden_pgbouncer_client_waiting_connections", "cluster, pool", c
            ),
            summary=(
                "{{ $value | humanize }} clients wait for a connection of PgBouncer's pool "
                "{{ $labels.pool }} on {{ $labels.cluster }}"
            ),
            description="More than <<limit>> for <<hold>>: the pool is smaller than what works.",
        ),
        AlertRule(
            name="AirflowPgBouncerMaxWait",
            component="database",
            severity=Severity.WARNING,
            threshold=parse_threshold("> 15s"),
            units=(Unit.SECONDS,),
            scopes=("pool",),
            hold=timedelta(minutes=2),
            expr=lambda c: _highest("airwarden_pgbouncer_maxwait_seconds", "cluster, pool", c),
            summary=(
                "A client has waited {{ $value | humanizeDuration }} for a connection of PgBouncer's "
                "pool {{ $labels.pool }} on {{ $labels.cluster }}"
            ),
            description=(
                "More than <<limit>> for <<hold>>. After `query_wait_timeout` it is turned away, and "
                "its scheduler or task fails."
            ),
        ),
    ),
)
