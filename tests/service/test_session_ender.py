"""Ending sessions in a real PostgreSQL: only the very session that was seen, and only idle ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from airwarden.adapters.session_ender import PostgresSessionEnder
from airwarden.core.errors import RejectedError, UnavailableError, UnknownOutcomeError
from airwarden.core.platform import DatabaseSession
from support.eventually import eventually
from support.postgres import Database

Session = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def database(fresh_database: Callable[..., Database]) -> Iterator[Database]:
    """A database with an ordinary role `app` and the second role `ender`."""
    database = fresh_database()
    database.execute("CREATE ROLE app LOGIN PASSWORD 'app'")
    database.execute("CREATE ROLE ender LOGIN PASSWORD 'ender'")
    database.execute("GRANT pg_signal_backend, pg_read_all_stats TO ender")
    yield database
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename IN ('app', 'ender')"
    eventually(lambda: not database.execute(end), within=5)
    database.execute("DROP OWNED BY app, ender")
    database.execute("DROP ROLE app, ender")


@pytest.fixture
def ender(database: Database) -> Iterator[PostgresSessionEnder]:
    with closing(PostgresSessionEnder(database.dsn_as("ender", "ender"))) as ender:
        ender.open()
        yield ender


@pytest.fixture
def leak(database: Database) -> Iterator[Session]:
    """A session of the ordinary role, idle in a transaction."""
    session = psycopg.connect(database.dsn_as("app", "app"), application_name="leaky")
    session.execute("SELECT 1")
    yield session
    session.close()


def seen(database: Database, pid: int) -> DatabaseSession:
    """Return the session as an observer sees it."""
    ((start, xact, state, age),) = database.execute(
        "SELECT backend_start, xact_start, state,"
        " extract(epoch FROM clock_timestamp() - state_change)::float8"
        " FROM pg_stat_activity WHERE pid = %s",
        pid,
    )
    return DatabaseSession(pid, start, xact, state, age, "leaky", "app")


def alive(session: Session) -> bool:
    try:
        session.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def test_the_session_that_was_seen_is_ended(
    database: Database, ender: PostgresSessionEnder, leak: Session
) -> None:
    target = seen(database, leak.info.backend_pid)
    assert target.state == "idle in transaction"
    assert ender.end(target)
    eventually(lambda: not alive(leak), within=5)
    assert not ender.end(target)


def test_a_new_transaction_of_the_same_session_is_not_ended(
    database: Database, ender: PostgresSessionEnder, leak: Session
) -> None:
    target = seen(database, leak.info.backend_pid)
    leak.rollback()
    leak.execute("SELECT 1")
    assert not ender.end(target)
    assert alive(leak)


def test_a_reused_pid_is_not_ended(
    database: Database, ender: PostgresSessionEnder, leak: Session
) -> None:
    target = seen(database, leak.info.backend_pid)
    earlier = replace(target, backend_start=target.backend_start.replace(year=2020))
    assert not ender.end(earlier)
    assert alive(leak)


def test_an_idle_session_that_worked_since_it_was_seen_is_not_ended(
    database: Database, ender: PostgresSessionEnder, leak: Session
) -> None:
    leak.rollback()
    target = replace(seen(database, leak.info.backend_pid), state_age=0.2)
    assert (target.state, target.xact_start) == ("idle", None)
    leak.execute("SELECT 1")
    leak.rollback()
    assert not ender.end(target)
    assert alive(leak)
    leak.rollback()
    assert eventually(lambda: ender.end(target), within=5)


def test_an_active_session_is_never_ended(database: Database, ender: PostgresSessionEnder) -> None:
    with closing(psycopg.connect(database.dsn_as("app", "app"), autocommit=True)) as session:
        pid = session.info.backend_pid
        session.pgconn.send_query(b"SELECT pg_sleep(60)")
        eventually(lambda: seen(database, pid).state == "active", within=5)
        assert not ender.end(seen(database, pid))
        assert seen(database, pid).state == "active"


def test_a_superusers_session_is_never_ended(
    database: Database, ender: PostgresSessionEnder
) -> None:
    with database.connect() as session:
        session.execute("BEGIN")
        session.execute("SELECT 1")
        assert not ender.end(seen(database, session.info.backend_pid))
        assert alive(session)


def test_it_still_ends_sessions_when_every_slot_is_taken(
    database: Database, ender: PostgresSessionEnder
) -> None:
    sessions: list[Session] = []
    try:
        while True:
            sessions.append(psycopg.connect(database.dsn_as("app", "app")))
    except psycopg.OperationalError:
        pass
    try:
        assert len(sessions) > 10
        with pytest.raises(UnavailableError):
            PostgresSessionEnder(database.dsn_as("ender", "ender")).open()
        ended = [ender.end(seen(database, s.info.backend_pid)) for s in sessions]
        assert all(ended)
    finally:
        for session in sessions:
            session.close()


def test_a_role_without_the_right_is_told_so(database: Database, leak: Session) -> None:
    database.execute("REVOKE pg_signal_backend FROM ender")
    with closing(PostgresSessionEnder(database.dsn_as("ender", "ender"))) as ender:
        with pytest.raises(RejectedError, match="lacks a right"):
            ender.end(seen(database, leak.info.backend_pid))
        assert alive(leak)


def test_a_wrong_password_is_refused_without_showing_it(database: Database) -> None:
    with pytest.raises(RejectedError) as caught:
        PostgresSessionEnder(database.dsn_as("ender", "wrong-word")).open()
    assert "wrong-word" not in str(caught.value)


def test_a_lost_connection_is_an_unknown_outcome_and_then_opened_again(
    database: Database, ender: PostgresSessionEnder, leak: Session
) -> None:
    target = seen(database, leak.info.backend_pid)
    database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ender'"
    )
    with pytest.raises(UnknownOutcomeError):
        ender.end(target)
    assert ender.end(target)
