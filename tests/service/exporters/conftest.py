"""Airflow's real schema with rows of our choice, read by the observing role with its grants."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airwarden.adapters.clock import SystemClock
from airwarden.adapters.metadata_database import PostgresMetadata
from airwarden.exporters.labels import DagRegistry
from support.airflow_rows import AirflowRows
from support.postgres import OBSERVER, Database, FreshDatabase


@pytest.fixture
def airflow(fresh_database: FreshDatabase) -> Database:
    return fresh_database(template="observed")


@pytest.fixture
def rows(airflow: Database) -> Iterator[AirflowRows]:
    rows = AirflowRows(airflow)
    yield rows
    rows.close()


@pytest.fixture
def database(airflow: Database) -> Iterator[PostgresMetadata]:
    database = PostgresMetadata(airflow.dsn_as(*OBSERVER))
    database.open()
    yield database
    database.close()


@pytest.fixture
def registry(database: PostgresMetadata) -> DagRegistry:
    return DagRegistry(database, (), SystemClock(), keep=0.0, miss=0.0)
