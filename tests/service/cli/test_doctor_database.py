"""doctor's view of a database, on a real PostgreSQL with Airflow's real schema."""

from __future__ import annotations

import secrets
from pathlib import Path

import psycopg
import pytest

from airwarden.adapters import metadata_schemas
from airwarden.adapters.metadata_schemas import SCHEMAS
from airwarden.cli.doctor import database, examine
from airwarden.cli.doctor.finding import Finding, Outcome
from airwarden.core.coverage import LACKING
from airwarden.core.settings import parse
from support.airflow_releases import RELEASES, schema_file
from support.postgres import Database, FreshDatabase, PostgresServer

NEEDED = database.needed(metadata_schemas.grants("x"))


@pytest.fixture
def airflow(fresh_database: FreshDatabase) -> Database:
    return fresh_database(template="airflow")


@pytest.fixture
def names() -> tuple[str, str]:
    """Roles are the server's, not the database's: each test has its own."""
    suffix = secrets.token_hex(4)
    return f"observer_{suffix}", f"terminator_{suffix}"


def observe(dsn: str) -> dict[str, Finding]:
    found = database.probe_observer("db", dsn, NEEDED, timeout=10)
    return {finding.subject: finding for finding in found}


def run_script(airflow: Database, script: str) -> None:
    with airflow.connect() as connection:
        connection.execute(script.encode())


def test_the_sql_it_prints_gives_all_that_is_needed_and_nothing_more(
    airflow: Database, names: tuple[str, str]
) -> None:
    observer, terminator = names
    script = database.roles_sql(
        metadata_schemas.grants(observer),
        database=airflow.name,
        observer=observer,
        terminator=terminator,
    )
    run_script(airflow, script.replace("'…'", "'pw'"))
    found = observe(airflow.dsn_as(observer, "pw"))
    assert {one.outcome for one in found.values()} == {Outcome.OK}
    assert "least rights" not in found
    with psycopg.connect(airflow.dsn_as(observer, "pw")) as connection:
        for query in (
            "SELECT * FROM connection",
            "SELECT * FROM variable",
            "SELECT conf FROM dag_run",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(query)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), connection.transaction():
            connection.execute("UPDATE dag SET is_paused = true")
    ending = list(database.probe_terminator("db", airflow.dsn_as(terminator, "pw"), timeout=10))
    assert [one.outcome for one in ending] == [Outcome.OK]


def test_each_missing_right_comes_with_the_sql_that_gives_it(
    airflow: Database, names: tuple[str, str]
) -> None:
    observer, terminator = names
    for role in names:
        run_script(airflow, f"CREATE ROLE {role} LOGIN PASSWORD 'pw'")
    dsn = airflow.dsn_as(observer, "pw")
    found = observe(dsn)
    assert found["read tables"].outcome is Outcome.FAILED
    assert found["see sessions"].outcome is Outcome.LIMITED
    run_script(airflow, f"{found['read tables'].mend}\n{found['see sessions'].mend}")
    assert {one.outcome for one in observe(dsn).values()} == {Outcome.OK}
    (ending,) = database.probe_terminator("db", airflow.dsn_as(terminator, "pw"), timeout=10)
    assert ending.outcome is Outcome.LIMITED
    run_script(airflow, ending.mend)
    (ending,) = database.probe_terminator("db", airflow.dsn_as(terminator, "pw"), timeout=10)
    assert ending.outcome is Outcome.OK


def test_a_session_of_airflows_role_under_another_name_is_warned_of(
    airflow: Database, names: tuple[str, str]
) -> None:
    """The role of an unnamed session is Airflow's; one that only strangers use is not."""
    role, terminator = names
    stranger = f"{role}_stranger"
    for name in (role, stranger, terminator):
        run_script(airflow, f"CREATE ROLE {name} LOGIN PASSWORD 'pw'")
    run_script(airflow, f"GRANT pg_signal_backend, pg_read_all_stats TO {terminator}")

    def ending() -> list[Finding]:
        return list(database.probe_terminator("db", airflow.dsn_as(terminator, "pw"), timeout=10))

    def sign_in(user: str, application: str) -> psycopg.Connection:
        return psycopg.connect(airflow.dsn_as(user, "pw"), application_name=application)

    with sign_in(role, ""), sign_in(role, "airflow-api"), sign_in(stranger, "reports"):
        assert [one.outcome for one in ending()] == [Outcome.OK]
        with sign_in(role, "prod-scheduler"):
            warning = ending()[1]
    assert warning.outcome is Outcome.EXCESS
    assert "prod-scheduler" in warning.sentence
    assert "reports" not in warning.sentence
    assert "protect" in warning.mend
    with sign_in(stranger, "prod-scheduler"):
        assert len(ending()) == 1
        run_script(airflow, f"ALTER TABLE dag_run OWNER TO {stranger}")
        assert "prod-scheduler" in ending()[1].sentence


def test_more_than_is_needed_is_said_too(airflow: Database) -> None:
    found = observe(airflow.dsn)
    assert found["least rights"].outcome is Outcome.EXCESS
    assert found["read tables"].outcome is Outcome.OK


def test_another_database_is_not_taken_for_airflows(fresh_database: FreshDatabase) -> None:
    found = observe(fresh_database().dsn)
    assert found["read tables"].outcome is Outcome.FAILED
    assert "not Airflow's database" in found["read tables"].sentence


def test_a_wrong_password_is_not_repeated(airflow: Database) -> None:
    (found,) = database.probe_observer(
        "db", airflow.dsn_as("postgres", "hunter2"), NEEDED, timeout=10
    )
    assert found.outcome is Outcome.FAILED
    assert "hunter2" not in found.sentence + found.mend


@pytest.mark.parametrize(("release", "table"), [("2.11.2", "dataset"), ("3.1.8", "asset")])
def test_an_older_release_has_grants_of_its_own_and_a_line_for_what_it_lacks(
    release: str,
    table: str,
    postgres_server: PostgresServer,
    fresh_database: FreshDatabase,
    names: tuple[str, str],
    tmp_path: Path,
) -> None:
    older = fresh_database()
    postgres_server.load(older, schema_file(release))
    role = names[0]
    run_script(older, f"CREATE ROLE {role} LOGIN PASSWORD 'pw'")
    (tmp_path / "dsn").write_text(older.dsn_as(role, "pw"))
    (tmp_path / "password").write_text("x")
    settings = parse(
        "clusters: [{airflow: {url: 'http://127.0.0.1:1', auth: {username: u, password_file: password}},"
        " metadata_database: {dsn_file: dsn}}]",
        source=str(tmp_path / "airwarden.yaml"),
        environ={},
    )
    before = list(examine.examine_database(settings.clusters[0], settings))
    mends = {finding.subject: finding.mend for finding in before}
    assert f'ON "{table}" TO' in mends["read tables"]
    run_script(older, f"{mends['read tables']}\n{mends['see sessions']}")
    after = list(examine.examine_database(settings.clusters[0], settings))
    known = next(finding for finding in after if finding.subject == "known schema")
    assert RELEASES[release] in known.sentence
    assert {f.outcome for f in after} == {Outcome.OK, Outcome.OFF}, after
    lacking = [finding.sentence for finding in after if finding.subject == "not measured"]
    assert len(lacking) == len(LACKING[SCHEMAS[RELEASES[release]].folder])
    assert examine.schema_folders(settings) == [SCHEMAS[RELEASES[release]].folder]


def test_a_schema_that_nobody_knows_is_a_failure_with_what_to_do(airflow: Database) -> None:
    airflow.execute("UPDATE alembic_version SET version_num = 'ffff00001111'")
    _, found = database.probe_schema("db", airflow.dsn, timeout=10)
    assert found.outcome is Outcome.FAILED
    assert "ffff00001111" in found.sentence
    assert "remove metadata_database" in found.mend
