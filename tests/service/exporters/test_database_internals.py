"""PostgreSQL's own statistics, as the observing role sees them."""

from __future__ import annotations

import threading

import psycopg
import pytest

from airwarden.adapters.metadata_database import PostgresMetadata
from airwarden.exporters.collectors.database_activity import DatabaseActivityCollector
from airwarden.exporters.collectors.database_statements import DatabaseStatementsCollector
from airwarden.exporters.collectors.database_tables import DatabaseTablesCollector
from support.airflow_rows import AirflowRows
from support.eventually import eventually
from support.families import every, nonzero, values
from support.postgres import Database


def test_transactions_and_who_waits(airflow: Database, database: PostgresMetadata) -> None:
    collector = DatabaseActivityCollector(database)
    assert every(collector.collect(), "db_blocked_sessions") == {(): 0}
    with psycopg.connect(f"{airflow.dsn}?application_name=notebook") as holder:
        holder.execute("LOCK TABLE job")
        waiter = psycopg.connect(f"{airflow.dsn}?application_name=waiter")
        thread = threading.Thread(target=lambda: waiter.execute("SELECT * FROM job"), daemon=True)
        thread.start()
        eventually(lambda: values(collector, "db_blocked_sessions") == {(): 1}, within=5)
        families = collector.collect()
        ages = every(families, "db_oldest_transaction_age_seconds")
        assert 0 < ages["notebook",] < 60
        assert every(families, "db_locks")["AccessExclusiveLock",] >= 1
        assert every(families, "db_locks_max")[()] > 1000
    thread.join(10)
    waiter.close()


def test_the_databases_counters_grow_and_the_cache_is_used(
    airflow: Database, rows: AirflowRows, database: PostgresMetadata
) -> None:
    collector = DatabaseActivityCollector(database)
    before = collector.collect()
    rows.dag("d")

    def grown() -> bool:
        airflow.execute("SELECT pg_stat_force_next_flush(), (SELECT count(*) FROM dag)")
        inserted = every(collector.collect(), "db_tuples_total")["inserted",]
        return inserted > every(before, "db_tuples_total")["inserted",]

    rows.connection.execute("SELECT pg_stat_force_next_flush()")
    eventually(grown, within=20)
    families = collector.collect()
    assert every(families, "db_transactions_total")["commit",] > 0
    assert set(every(families, "db_blocks_total")) == {("hit",), ("read",)}
    assert every(families, "db_deadlocks_total") == {(): 0}
    assert 0 < every(families, "db_xid_age")[()] < 10**9

    def ratio() -> dict[tuple[str, ...], float]:
        rows.connection.execute("SELECT count(*) FROM dag, pg_stat_force_next_flush()")
        return every(collector.collect(), "db_cache_hit_ratio")

    eventually(lambda: 0 < ratio().get((), 0) <= 1, within=20)


def test_a_slot_keeps_wal_and_there_is_no_replica(
    airflow: Database, database: PostgresMetadata
) -> None:
    airflow.execute("SELECT pg_create_physical_replication_slot('kept', true)")
    try:
        families = DatabaseActivityCollector(database).collect()
        assert ("kept",) in every(families, "db_slot_retained_bytes")
        assert every(families, "db_replication_lag_seconds") == {}
    finally:
        airflow.execute("SELECT pg_drop_replication_slot('kept')")


def test_tables_with_dead_rows(
    airflow: Database, rows: AirflowRows, database: PostgresMetadata
) -> None:
    for n in range(20):
        rows.dag(f"d{n}")
    rows.connection.execute("VACUUM ANALYZE dag")
    rows.connection.execute("UPDATE dag SET is_paused = true")
    collector = DatabaseTablesCollector(database)

    def dead() -> float:
        rows.connection.execute("SELECT pg_stat_force_next_flush()")
        return every(collector.collect(), "db_table_dead_tuples")["dag",]

    eventually(lambda: dead() == 20, within=20)
    families = collector.collect()
    assert len(every(families, "db_table_bytes")) == 15
    assert every(families, "db_table_bytes")["dag",] >= 8192
    assert ("dag",) in every(families, "db_table_last_autovacuum_timestamp_seconds")
    assert every(families, "db_table_xid_age")["dag",] > 0


def test_statements_only_where_they_are_counted(
    airflow: Database, database: PostgresMetadata
) -> None:
    collector = DatabaseStatementsCollector(database)
    assert collector.collect() == []
    airflow.execute("CREATE EXTENSION pg_stat_statements")
    collector.collect()
    for _ in range(3):
        airflow.execute("SELECT count(*) FROM dag_run, generate_series(1, 3)")
    (fingerprint,) = airflow.execute(
        "SELECT queryid::text FROM pg_stat_statements WHERE query LIKE %s"
        " AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
        "SELECT count(*) FROM dag_run, generate%",
    )
    calls = nonzero(collector.collect(), "db_statement_calls_total")
    assert calls[fingerprint[0],] == 3
    seconds = every(collector.collect(), "db_statement_seconds_total")
    assert 0 < seconds[fingerprint[0],] < 5


@pytest.mark.parametrize("query", ["transactions", "locks", "replication", "database_stats"])
def test_a_locked_table_does_not_blind_what_shows_the_lock(
    query: str, airflow: Database, database: PostgresMetadata
) -> None:
    with airflow.connect() as holder, holder.transaction():
        holder.execute("LOCK TABLE dag, dag_run, task_instance, job, slot_pool")
        assert database.rows(query) is not None
