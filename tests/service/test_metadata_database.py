"""The metadata database adapter against a real PostgreSQL with Airflow's own schema."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from airwarden.adapters.metadata_database import PostgresMetadata
from airwarden.adapters.metadata_schemas import SCHEMAS
from airwarden.core.errors import RejectedError, UnavailableError
from airwarden.core.platform import DatabaseSession
from airwarden.core.work import details
from airwarden.remediation.sessions import hidden
from support.airflow_rows import AirflowRows
from support.eventually import eventually
from support.postgres import OBSERVER, Database, FreshDatabase, PostgresServer
from support.proxy import FreezableProxy
from support.queries import PARAMETERS, QUERIES

Make = Callable[..., PostgresMetadata]


@pytest.fixture
def airflow(fresh_database: FreshDatabase) -> Database:
    return fresh_database(template="observed")


@pytest.fixture
def observe(request: pytest.FixtureRequest) -> Iterator[Make]:
    made: list[PostgresMetadata] = []

    def make(dsn: str = "", **options: float) -> PostgresMetadata:
        place = dsn or request.getfixturevalue("airflow").dsn
        made.append(PostgresMetadata(place, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for database in made:
        database.close()


@pytest.fixture(scope="module")
def observer(postgres_server: PostgresServer) -> Iterator[str]:
    """The DSN of a role that has what `grants` gives, and nothing else; for those who only read."""
    airflow = postgres_server.fresh("observed")
    airflow.execute("CREATE EXTENSION pg_stat_statements")
    yield airflow.dsn_as(*OBSERVER)
    postgres_server.drop(airflow)


@pytest.mark.parametrize("query", QUERIES)
def test_the_grants_are_enough_for_every_query(query: str, observe: Make, observer: str) -> None:
    assert isinstance(observe(observer).rows(query, **PARAMETERS.get(query, {})), list)


@pytest.mark.parametrize(
    "table", ["connection", "variable", "xcom", "dag_run", "task_instance", "serialized_dag"]
)
def test_the_grants_do_not_show_what_is_secret(table: str, observer: str) -> None:
    with (
        psycopg.connect(observer) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(f"SELECT * FROM {table}".encode())


def test_what_other_sessions_do_is_unknown_without_the_right_to_see_it_and_they_are_counted(
    observe: Make, airflow: Database
) -> None:
    """PostgreSQL hides even that a session is a client's; left out, an idle holder would read as none."""
    airflow.execute("CREATE ROLE blind LOGIN PASSWORD 'b'")
    airflow.execute("GRANT SELECT ON alembic_version TO blind")
    try:
        database = observe(airflow.dsn_as("blind", "b"))
        with psycopg.connect(airflow.dsn, application_name="leaky") as leak:
            leak.execute("SELECT pg_advisory_xact_lock(2)")
            (seen,) = database.sessions()
            assert (seen.pid, seen.state) == (leak.info.backend_pid, "unknown")
            assert seen.holds_scheduler_lock
            assert hidden([seen]) == [seen]
            counted = sum(row["sessions"] for row in database.rows("connections"))
            everything = (
                "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            )
            # The one that asks is a session, too.
            assert counted == airflow.execute(everything)[0][0] - 1
    finally:
        airflow.execute("DROP OWNED BY blind")
        airflow.execute("DROP ROLE blind")


def test_a_missing_grant_is_rejected_with_its_name(observe: Make, airflow: Database) -> None:
    airflow.execute("CREATE ROLE nobody LOGIN PASSWORD 'n'")
    airflow.execute("GRANT SELECT ON alembic_version TO nobody")
    try:
        database = observe(airflow.dsn_as("nobody", "n"))
        with pytest.raises(RejectedError, match=r"grant for query jobs.*permission denied.*job"):
            database.rows("jobs")
        assert database.probe() >= 0, "a refused query does not cost the connection"
    finally:
        airflow.execute("DROP OWNED BY nobody")
        airflow.execute("DROP ROLE nobody")


def test_an_unknown_schema_version_is_named(observe: Make, airflow: Database) -> None:
    airflow.execute("UPDATE alembic_version SET version_num = 'feedc0ffee00'")
    with pytest.raises(RejectedError, match=f"feedc0ffee00.*{next(iter(SCHEMAS))}"):
        observe().open()


def test_a_database_without_airflow_is_named(observe: Make, fresh_database: FreshDatabase) -> None:
    with pytest.raises(RejectedError, match="no Airflow schema"):
        observe(fresh_database().dsn).open()


def test_a_wrong_password_is_rejected_and_not_shown(observe: Make, airflow: Database) -> None:
    with pytest.raises(RejectedError) as caught:
        observe(airflow.dsn_as("postgres", "hunter2")).open()
    assert "hunter2" not in str(caught.value)


def test_nothing_can_be_written(
    observe: Make, airflow: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    import airwarden.adapters.metadata_database as module

    monkeypatch.setattr(module, "query_text", lambda *_: "DELETE FROM slot_pool RETURNING 1")
    with pytest.raises(RejectedError, match="read-only"):
        observe().rows("probe")
    assert airflow.execute("SELECT count(*) FROM slot_pool") == [(1,)]


def test_a_long_query_is_cancelled_and_the_connection_kept(
    observe: Make, airflow: Database
) -> None:
    database = observe(statement_timeout=0.3, connections=1)
    database.open()
    with airflow.connect() as other, other.transaction():
        other.execute("LOCK TABLE job")
        with pytest.raises(UnavailableError, match="jobs"):
            database.rows("jobs")
    pids = sessions(airflow, "airwarden")
    assert database.rows("jobs") == []
    assert sessions(airflow, "airwarden") == pids


def sessions(airflow: Database, application: str) -> set[int]:
    rows = airflow.execute(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = %s",
        application,
    )
    return {int(row[0]) for row in rows}


def test_a_frozen_server_costs_a_deadline_and_heals(
    observe: Make, airflow: Database, postgres_server: PostgresServer
) -> None:
    proxy = FreezableProxy(postgres_server.port)
    database = observe(
        airflow.dsn.replace(f":{postgres_server.port}/", f":{proxy.port}/"),
        statement_timeout=0.5,
        connections=1,
    )
    database.open()
    proxy.freeze()
    begun = time.monotonic()
    with pytest.raises(UnavailableError):
        database.rows("jobs")
    assert time.monotonic() - begun < 4
    proxy.thaw()

    def answers() -> bool:
        try:
            return database.rows("jobs") == []
        except UnavailableError:
            return False

    eventually(answers, within=10)
    proxy.close()


def test_busy_connections_hold_up_neither_another_query_nor_the_probe(
    observe: Make, airflow: Database
) -> None:
    database = observe(statement_timeout=5.0, connections=2)
    database.open()
    assert len(sessions(airflow, "airwarden")) == 3
    threads = [
        threading.Thread(target=lambda: database.rows("jobs"), daemon=True) for _ in range(2)
    ]
    with airflow.connect() as other, other.transaction():
        other.execute("LOCK TABLE job")
        threads[0].start()
        eventually(lambda: len(blocked(airflow)) == 1, within=5)
        assert len(database.rows("pools")) == 1
        threads[1].start()
        eventually(lambda: len(blocked(airflow)) == 2, within=5)
        assert database.probe() < 2
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_details_have_a_part_of_the_connections_whatever_they_wait_for(
    observe: Make, airflow: Database
) -> None:
    database = observe(statement_timeout=2.0, connections=5)
    database.open()

    def ask() -> None:
        with details(), contextlib.suppress(UnavailableError):
            database.rows("jobs")

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(5)]
    most = 0
    with airflow.connect() as other, other.transaction():
        other.execute("LOCK TABLE job")
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            most = max(most, len(blocked(airflow)))
            assert len(database.rows("pools")) == 1, "others find one at any moment"
    assert most == 2


def blocked(airflow: Database) -> list[int]:
    rows = airflow.execute("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    return [int(row[0]) for row in rows]


def test_a_standing_connection_reads_on_when_no_new_one_can_be_had(
    observe: Make, airflow: Database
) -> None:
    airflow.execute("CREATE ROLE leaker LOGIN PASSWORD 'l'")
    airflow.execute("GRANT SELECT ON alembic_version, job TO leaker")
    database = observe(airflow.dsn_as("leaker", "l"), connections=1)
    database.open()
    leaked: list[psycopg.Connection[tuple[object, ...]]] = []
    try:
        with pytest.raises(psycopg.OperationalError, match="remaining connection slots"):
            leak(airflow.dsn_as("leaker", "l"), leaked)
        assert database.rows("jobs") == []
        rows = database.rows("connections")
        assert sum(row["sessions"] for row in rows) >= rows[0]["connections_max"] - 1
        with pytest.raises(UnavailableError, match="remaining connection slots"):
            observe(airflow.dsn_as("leaker", "l"), connections=1).open()
    finally:
        for connection in leaked:
            connection.close()
    database.close()
    eventually(lambda: airflow.execute("DROP OWNED BY leaker") == [], within=5)
    airflow.execute("DROP ROLE leaker")


def test_one_session_answers_queries_that_follow_each_other(
    observe: Make, airflow: Database
) -> None:
    """A session learns of each table once: five of them would learn five times as much."""
    database = observe(connections=5)
    database.open()
    for _ in range(5):
        database.rows("jobs")
    assert len(sessions_that_read(airflow, "job")) == 1


def test_a_connection_that_rested_for_a_while_is_used_before_it_can_be_dropped_unseen(
    observe: Make, airflow: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    import airwarden.adapters.metadata_database as module

    database = observe(connections=3)
    database.open()
    monkeypatch.setattr(module, "_REST", 0.0)
    for _ in range(3):
        database.rows("jobs")
    assert len(sessions_that_read(airflow, "job")) == 3


def sessions_that_read(airflow: Database, table: str) -> list[int]:
    """Return our sessions whose last query was of a table."""
    rows = airflow.execute(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'airwarden' AND query ~ %s",
        rf"FROM {table}\M",
    )
    return [int(row[0]) for row in rows]


def leak(dsn: str, into: list[psycopg.Connection[tuple[object, ...]]]) -> None:
    """Open sessions until the server refuses one."""
    while True:
        into.append(psycopg.connect(dsn))


def test_when_one_connection_is_lost_the_others_are_tried_next(
    observe: Make, airflow: Database
) -> None:
    """All of them break when a server starts again; each costs one query, and soon."""
    database = observe(connections=3)
    database.open()
    for pid in sessions(airflow, "airwarden"):
        airflow.execute("SELECT pg_terminate_backend(%s)", pid)
    for _ in range(3):
        with pytest.raises(UnavailableError):
            database.rows("jobs")
    assert database.rows("jobs") == []


def test_a_lost_connection_is_tried_again_with_pauses(observe: Make, airflow: Database) -> None:
    database = observe(connections=1)
    database.open()
    for pid in sessions(airflow, "airwarden"):
        airflow.execute("SELECT pg_terminate_backend(%s)", pid)
    with pytest.raises(UnavailableError):
        database.rows("jobs")
    assert database.rows("jobs") == []


def find(seen: list[DatabaseSession], application: str) -> DatabaseSession:
    (found,) = [s for s in seen if s.application == application]
    return found


@pytest.mark.parametrize(
    ("statement", "holds"),
    [
        ("SELECT pg_advisory_xact_lock(2)", True),
        ("SELECT pg_advisory_xact_lock(1)", False),
        ("SELECT * FROM slot_pool FOR UPDATE NOWAIT", True),
        ("UPDATE slot_pool SET slots = slots", True),
        ("SELECT * FROM slot_pool", False),
    ],
)
def test_a_holder_of_what_scheduling_needs_is_known_though_nobody_waits(
    statement: str, holds: bool, observe: Make, airflow: Database
) -> None:
    dsn = f"{airflow.dsn}?application_name=notebook"
    with psycopg.connect(dsn) as holder:
        holder.execute(statement.encode())
        seen = find(list(observe().sessions()), "notebook")
        assert (seen.holds_scheduler_lock, seen.state) == (holds, "idle in transaction")
        assert seen.pid == holder.info.backend_pid
        assert seen.blocks == ()
        assert seen.xact_start is not None
        assert 0 <= seen.state_age < 60
        assert seen.client.startswith("127.0.0.1:")


def test_a_lock_of_another_database_is_not_ours(
    observe: Make, airflow: Database, fresh_database: FreshDatabase
) -> None:
    with psycopg.connect(fresh_database().dsn) as other:
        other.execute("SELECT pg_advisory_xact_lock(2)")
        with psycopg.connect(f"{airflow.dsn}?application_name=idle") as idle:
            idle.execute("SELECT 1")
            seen = observe().sessions()
    assert [s.holds_scheduler_lock for s in seen] == [False]


def test_sessions_say_who_waits_for_them_and_leave_ours_out(
    observe: Make, airflow: Database
) -> None:
    rows = AirflowRows(airflow)
    database = observe()
    with psycopg.connect(f"{airflow.dsn}?application_name=holder") as holder:
        holder.execute("LOCK TABLE job")
        waiter = psycopg.connect(f"{airflow.dsn}?application_name=waiter")
        thread = threading.Thread(target=lambda: waiter.execute("SELECT * FROM job"), daemon=True)
        thread.start()
        eventually(lambda: blocked(airflow), within=5)
        seen = list(database.sessions())
        assert find(seen, "holder").blocks == (waiter.info.backend_pid,)
        assert find(seen, "waiter").state == "active"
        assert not [s for s in seen if s.application == "airwarden"]
    thread.join(10)
    waiter.close()
    rows.close()
