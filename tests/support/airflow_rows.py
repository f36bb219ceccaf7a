"""Rows of Airflow's schema by SQL: just enough columns to satisfy its constraints."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

from support.postgres import Database

_DAG_DEFAULTS: dict[str, Any] = {
    "is_paused": False,
    "is_stale": False,
    "bundle_name": "dags",
    "timetable_type": "cron",
    "partition_mapper_info": "{}",
    "max_active_tasks": 16,
    "max_active_runs": 16,
    "max_consecutive_failed_dag_runs": 0,
    "has_task_concurrency_limits": False,
    "has_import_errors": False,
}


def now() -> datetime:
    return datetime.now(UTC)


def ago(seconds: float) -> datetime:
    """Return the moment that many seconds ago."""
    return now() - timedelta(seconds=seconds)


@dataclass
class AirflowRows:
    """Inserts over one connection, so that a transaction can be held open.

    Args:
        database: A copy of the `airflow` template, or of a filled fleet.
    """

    database: Database
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.connection: psycopg.Connection[Any] = self.database.connect()
        self.connection.execute(
            "INSERT INTO dag_bundle (name, active) VALUES ('dags', true) ON CONFLICT DO NOTHING"
        )

    def close(self) -> None:
        self.connection.close()

    def insert(self, table: str, **values: Any) -> Any:
        """Insert a row; returns its `id` where the table has one."""
        names = sql.SQL(", ").join(map(sql.Identifier, values))
        marks = sql.SQL(", ").join(sql.Placeholder() * len(values))
        wanted = sql.SQL("id") if table in ("dag_run", "job", "asset") else sql.SQL("1")
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING {}").format(
            sql.Identifier(table), names, marks, wanted
        )
        row = self.connection.execute(statement, list(values.values())).fetchone()
        assert row is not None
        return row[0]

    def dag(self, dag_id: str, *tags: str, **values: Any) -> str:
        self.insert("dag", dag_id=dag_id, **{**_DAG_DEFAULTS, **values})
        for tag in tags:
            self.insert("dag_tag", dag_id=dag_id, name=tag)
        return dag_id

    def run(self, dag_id: str, state: str = "running", **values: Any) -> int:
        """Insert a run; its `run_id` is `run_ID`."""
        ended = now() if state in ("success", "failed") else None
        id_ = values.pop("id", None)
        defaults = {
            "dag_id": dag_id, "run_id": f"run_{next(self._numbers)}", "state": state,
            "run_type": "scheduled", "run_after": now(), "queued_at": now(),
            "start_date": None if state == "queued" else now(), "end_date": ended,
        }  # fmt: skip
        with_id = {"id": id_} if id_ is not None else {}
        id_ = int(self.insert("dag_run", **{**defaults, **with_id, **values}))
        self.connection.execute(
            "UPDATE dag_run SET run_id = 'run_' || id WHERE id = %s AND run_id LIKE 'run_%%'", [id_]
        )
        return id_

    def end(self, run: int, state: str = "success") -> None:
        self.connection.execute(
            "UPDATE dag_run SET state = %s, end_date = now() WHERE id = %s", [state, run]
        )

    def task(self, run: int, task_id: str, state: str | None, **values: Any) -> str:
        """Insert a task instance of a run and return its id."""
        dag_id, run_id = self._run_key(run)
        id_ = str(uuid.uuid4())
        defaults = {
            "id": id_, "dag_id": dag_id, "run_id": run_id, "task_id": task_id, "state": state,
            "try_number": 1, "max_tries": 2, "pool": "default_pool", "pool_slots": 1,
            "queue": "default", "updated_at": now(), "queued_dttm": now(),
        }  # fmt: skip
        self.insert("task_instance", **{**defaults, **values})
        return id_

    def set_task(self, id_: str, **values: Any) -> None:
        values.setdefault("updated_at", now())
        pairs = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder()) for name in values
        )
        self.connection.execute(
            sql.SQL("UPDATE task_instance SET {} WHERE id = {}").format(pairs, sql.Placeholder()),
            [*values.values(), id_],
        )

    def next_try(self, id_: str, *, state: str = "up_for_retry", as_state: str = "failed") -> str:
        """Do as Airflow does for a retry or a clear: the attempt to the history, a new id."""
        self.connection.execute(
            """INSERT INTO task_instance_history
                 (task_instance_id, task_id, dag_id, run_id, map_index, try_number, start_date,
                  end_date, state, max_tries, pool, pool_slots, queue, queued_dttm, updated_at,
                  span_status)
               SELECT id, task_id, dag_id, run_id, map_index, try_number, start_date,
                  coalesce(end_date, now()), %s, max_tries, pool, pool_slots, queue, queued_dttm,
                  now(), span_status
               FROM task_instance WHERE id = %s""",
            [as_state, id_],
        )
        new = str(uuid.uuid4())
        self.connection.execute(
            """UPDATE task_instance SET id = %s, state = %s, try_number = try_number + 1,
                 end_date = coalesce(end_date, now()), updated_at = now() WHERE id = %s""",
            [new, state, id_],
        )
        return new

    def _run_key(self, run: int) -> tuple[str, str]:
        row = self.connection.execute(
            "SELECT dag_id, run_id FROM dag_run WHERE id = %s", [run]
        ).fetchone()
        assert row is not None
        return row[0], row[1]
