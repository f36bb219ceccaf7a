"""Airflow's real schema with rows of our choice, read by the observing role with its grants."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airwarden.adapters.clock import SystemClock
from airwarden.adapters.metadata_database import PostgresMetadata
from airwarden.adapters.metadata_schemas import grants
from airwarden.exporters.labels import DagRegistry
from support.airflow_rows import AirflowRows
from support.eventually import eventually
from support.postgres import Database, FreshDatabase


@pytest.fixture
def airflow(fresh_database: FreshDatabase) -> Database:
    return fresh_database(template="airflow")


@pytest.fixture
def rows(airflow: Database) -> Iterator[AirflowRows]:
    rows = AirflowRows(airflow)
    yield rows
    rows.close()


@pytest.fixture
def database(airflow: Database) -> Iterator[PostgresMetadata]:
    airflow.execute("CREATE ROLE watcher LOGIN PASSWORD 'w'")
    with airflow.connect() as connection:
        connection.execute(grants("watcher").encode())
    database = PostgresMetadata(airflow.dsn_as("watcher", "w"))
    database.open()
    yield database
    database.close()
    eventually(lambda: airflow.execute("DROP OWNED BY watcher") == [], within=5)
    airflow.execute("DROP ROLE watcher")


@pytest.fixture
def registry(database: PostgresMetadata) -> DagRegistry:
    return DagRegistry(database, (), SystemClock(), keep=0.0, miss=0.0)
