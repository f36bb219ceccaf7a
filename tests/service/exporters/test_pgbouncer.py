"""Through a real PgBouncer in transaction mode: its pools, and our queries."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest

from airwarden.adapters.metadata_database import PostgresMetadata
from airwarden.adapters.pooler_pgbouncer import PgBouncerPools
from airwarden.core.errors import RejectedError, UnavailableError
from airwarden.core.platform import PoolerPool
from support.eventually import eventually
from support.pgbouncer import PgBouncer
from support.postgres import Database


@pytest.fixture
def pgbouncer(airflow: Database) -> Iterator[PgBouncer]:
    server = PgBouncer(airflow, {airflow.user: airflow.password})
    yield server
    server.stop()


@pytest.fixture
def pools(pgbouncer: PgBouncer) -> Iterator[PgBouncerPools]:
    pools = PgBouncerPools(pgbouncer.console)
    yield pools
    pools.close()


def test_who_waits_and_for_how_long(
    airflow: Database, pgbouncer: PgBouncer, pools: PgBouncerPools
) -> None:
    assert pools.pools() == []
    dsn = pgbouncer.dsn(airflow.user, airflow.password)
    with psycopg.connect(dsn) as holder:
        holder.execute("SELECT 1")
        waiter = psycopg.connect(dsn)
        thread = threading.Thread(target=lambda: waiter.execute("SELECT 1"), daemon=True)
        thread.start()

        def found() -> PoolerPool:
            (pool,) = pools.pools()
            return pool

        eventually(lambda: found().clients_waiting == 1 and found().longest_wait > 0, within=10)
        assert found().name == f"{airflow.name}/{airflow.user}"
        assert found().clients_active == 1
        assert found().servers["active"] == 1
    thread.join(10)
    waiter.close()


def test_one_that_stops_is_unavailable_and_a_wrong_password_is_not_shown(
    pgbouncer: PgBouncer, pools: PgBouncerPools
) -> None:
    pools.pools()
    wrong = PgBouncerPools(pgbouncer.console.replace(":stats@", ":hunter2@"))
    with pytest.raises((RejectedError, UnavailableError)) as caught:
        wrong.pools()
    assert "hunter2" not in str(caught.value)
    pgbouncer.stop()
    for _ in range(2):
        with pytest.raises(UnavailableError):
            pools.pools()


def test_our_queries_need_no_session_of_their_own(airflow: Database, pgbouncer: PgBouncer) -> None:
    """Three connections of ours share one server connection with somebody who sets things."""
    dsn = pgbouncer.dsn(airflow.user, airflow.password)
    database = PostgresMetadata(dsn, connections=3)
    try:
        database.open()
        with psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as other:
            for _ in range(3):
                other.execute("SET statement_timeout = 0")
                assert database.rows("live_tasks", queued=1.0, silent=1.0, unattended=1.0) == []
                assert len(database.rows("pools")) == 1
                assert database.probe() >= 0
                shown = other.execute("SHOW statement_timeout").fetchone()
                assert shown == ("0",), "ours ended with our transaction"
    finally:
        database.close()
