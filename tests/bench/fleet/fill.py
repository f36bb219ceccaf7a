"""Fills Airflow's schema with a fleet: DAGs by COPY, everything that follows from them by SQL.

Foreign keys are not checked while filling and plain indexes are made at the end, or three million task
instances take several times as long. What Airflow calls now is the server's clock.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from bench.fleet.shape import Dag, Shape, fleet

_SQL = Path(__file__).parent / "sql"
#: Tables whose plain indexes are made after they are full.
_LARGE = ("task_instance", "task_instance_history", "dag_run", "log", "asset_event")
#: One team's broken DAGs were deployed on the Wednesday of last week, and taken back the same afternoon.
_DEPLOYED, _TAKEN_BACK = "-5 days +10:00", "-5 days +14:00"
#: One seed more changes every number; see `pg_temp.u`.
_SEED_STEP = 7919

Say = Callable[[str], None]


def fill(dsn: str, shape: Shape, say: Say = lambda _: None) -> None:
    """Fill a database that holds Airflow's schema and no DAG.

    Args:
        dsn: A libpq URL of a superuser.
        shape: How large.
        say: Told what takes long.

    Raises:
        psycopg.Error: It is not empty, or not that schema.
    """
    begun = time.monotonic()
    with psycopg.connect(dsn) as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute("SET LOCAL timezone = 'UTC'")
        connection.execute("SET LOCAL work_mem = '256MB'")
        connection.execute("SET LOCAL maintenance_work_mem = '1GB'")
        connection.execute("SET LOCAL max_parallel_workers_per_gather = 0")
        connection.execute(f"SET LOCAL fleet.seed = {shape.seed * _SEED_STEP}".encode())
        indexes = _drop_indexes(connection)
        _settings(connection, shape)
        _copy_dags(connection, fleet(shape))
        for part in sorted(_SQL.glob("[0-9]_*.sql")):
            connection.execute(part.read_bytes())
            say(f"{time.monotonic() - begun:7.1f} s  {part.stem}")
        for statement in indexes:
            connection.execute(statement.encode())
        say(f"{time.monotonic() - begun:7.1f} s  indexes")
    with psycopg.connect(dsn, autocommit=True) as connection:
        # As autovacuum leaves it: statistics, and a visibility map for the settled part.
        connection.execute("VACUUM (ANALYZE)")
    say(f"{time.monotonic() - begun:7.1f} s  vacuum")


def age(dsn: str) -> None:
    """Bring what goes on in a kept fleet to the present, as if no time had passed since it was filled.

    Moves the open runs with their tasks, the due dates of DAGs and the heartbeats; history stays.
    """
    with psycopg.connect(dsn) as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute((_SQL / "age.sql").read_bytes())


def _drop_indexes(connection: psycopg.Connection[Any]) -> list[str]:
    """Drop the large tables' indexes that no constraint needs; return what makes them again."""
    rows = connection.execute(
        """SELECT indexname, indexdef FROM pg_indexes
           WHERE schemaname = 'public' AND tablename = ANY(%s) AND NOT EXISTS (
             SELECT FROM pg_constraint WHERE conname = indexname
           )""",
        [list(_LARGE)],
    ).fetchall()
    for name, _ in rows:
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
    return [definition for _, definition in rows]


def _settings(connection: psycopg.Connection[Any], shape: Shape) -> None:
    # Enough days for the runs that are wanted: a quarter of the DAGs' days are quiet ones.
    days = 6 + round(1.6 * shape.runs / (shape.factor * 25_000))
    connection.execute(
        """CREATE TEMP TABLE fleet_setting AS SELECT
             now() AS now, %s::float8 AS factor, %s::int AS runs, %s::int AS tasks, %s::int AS days,
             %s::int AS running_runs, %s::int AS queued_runs,
             date_trunc('week', now()) + %s::interval AS deploy_began,
             date_trunc('week', now()) + %s::interval AS deploy_ended""",
        [
            shape.factor, shape.runs, shape.tasks, days, shape.running_runs, shape.queued_runs,
            _DEPLOYED, _TAKEN_BACK,
        ],
    )  # fmt: skip
    connection.execute(
        "CREATE TEMP TABLE fleet_live_state (place serial, state text, instances int)"
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO fleet_live_state (state, instances) VALUES (%s, %s)",
            list(shape.live.items()),
        )


def _copy_dags(connection: psycopg.Connection[Any], dags: list[Dag]) -> None:
    columns = [(field.name, _column_type(field.type)) for field in dataclasses.fields(Dag)]
    connection.execute(
        sql.SQL("CREATE TEMP TABLE fleet_dag ({})").format(
            sql.SQL(", ").join(
                sql.SQL("{} {}").format(sql.Identifier(name), kind) for name, kind in columns
            )
        )
    )
    with connection.cursor().copy("COPY fleet_dag FROM STDIN") as copy:
        for dag in dags:
            copy.write_row(dataclasses.astuple(dag))
    connection.execute("ANALYZE fleet_dag")


def _column_type(annotation: object) -> sql.SQL:
    names = {"int": "int", "float": "float8", "str": "text", "bool": "boolean"}
    return sql.SQL(names[str(annotation)])
