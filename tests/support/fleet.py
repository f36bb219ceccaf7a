"""A small fleet for tests: 150 DAGs with 7,500 runs, filled once and kept as a dump."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.fleet.fill import age, fill
from bench.fleet.shape import Shape
from bench.fleet.store import fingerprint
from support.postgres import Database, PostgresServer

SMALL = Shape(factor=0.01)


@pytest.fixture(scope="session")
def fleet_template(postgres_server: PostgresServer) -> Database:
    """The small fleet as it was filled: not to be changed."""
    return postgres_server.kept(
        f"fleet-{SMALL.key}-{fingerprint()}",
        template="airflow",
        fill=lambda database: fill(database.dsn, SMALL),
    )


@pytest.fixture
def small_fleet(postgres_server: PostgresServer, fleet_template: Database) -> Iterator[Database]:
    """A copy of the small fleet for one test, brought to the present."""
    database = postgres_server.create(f"use_of_{fleet_template.name}", fleet_template.name)
    age(database.dsn)
    yield database
    postgres_server.drop(database)
