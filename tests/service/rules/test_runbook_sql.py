"""The runbooks' SQL is planned by a real PostgreSQL against Airflow's real schema."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

import pytest

from airwarden.rules import runbook
from support.postgres import Database, PostgresServer

_SQL = re.compile(r"^ *```sql\n(.*?)^ *```$", re.S | re.M)
STATEMENTS = [
    pytest.param(textwrap.dedent(body).strip(), id=f"{name}-{number}")
    for name in sorted(runbook.names())
    for number, body in enumerate(_SQL.findall(runbook.read(name)))
]


@pytest.fixture(scope="module")
def airflow_database(postgres_server: PostgresServer) -> Iterator[Database]:
    database = postgres_server.fresh("airflow")
    yield database
    postgres_server.drop(database)


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_runbooks_query_fits_the_schema(statement: str, airflow_database: Database) -> None:
    plan = airflow_database.execute(f"EXPLAIN {statement}")  # EXPLAIN runs nothing
    assert plan
