"""Rows as each release of Airflow writes them: the same story told in every schema."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

from support.postgres import Database

#: What a column that must not be NULL gets where a story says nothing of it.
_NEUTRAL = {
    "boolean": False, "integer": 0, "bigint": 0, "double precision": 0.0, "json": "{}", "jsonb": "{}",
    "character varying": "", "text": "", "bytea": b"",
}  # fmt: skip
_TABLES_2 = {
    "asset": "dataset",
    "asset_event": "dataset_event",
    "task_outlet_asset_reference": "task_outlet_dataset_reference",
}
_COLUMNS_2 = {"logical_date": "execution_date", "asset_id": "dataset_id"}


def ago(seconds: float) -> datetime:
    """Return the moment so long before now."""
    return datetime.now(UTC) - timedelta(seconds=seconds)


@dataclass(frozen=True)
class Task:
    """A task instance, by what names it in every release."""

    dag_id: str
    run_id: str
    task_id: str


class ReleaseRows:
    """Writes to a database that holds the tables of some release.

    Args:
        database: Loaded from a file of `tests/data/airflow_schemas`.
        version: The release.
    """

    def __init__(self, database: Database, version: str) -> None:
        self.connection: psycopg.Connection[Any] = database.connect()
        self.two = version.startswith("2.")
        self._numbers = itertools.count(1)
        self._columns: dict[str, dict[str, tuple[str, bool]]] = {}
        for table, name, kind, needed in self.connection.execute(
            "SELECT table_name, column_name, data_type, is_nullable = 'NO' AND column_default IS NULL"
            " FROM information_schema.columns WHERE table_schema = 'public'"
        ):
            self._columns.setdefault(table, {})[name] = (kind, needed)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def insert(self, table: str, **values: Any) -> None:
        """Insert a row; what this release's table does not have is left out."""
        if self.two:
            table = _TABLES_2.get(table, table)
            values = {_COLUMNS_2.get(name, name): value for name, value in values.items()}
        columns = self._columns[table]
        known = {name: value for name, value in values.items() if name in columns}
        for name, (kind, needed) in columns.items():
            if needed and name not in known:
                known[name] = self._neutral(kind, name)
        self.connection.execute(
            sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                sql.Identifier(table),
                sql.SQL(", ").join(map(sql.Identifier, known)),
                sql.SQL(", ").join(sql.Placeholder() * len(known)),
            ),
            list(known.values()),
        )

    def _neutral(self, kind: str, name: str) -> object:
        if kind == "timestamp with time zone":
            return ago(0)
        if kind == "uuid":
            return _uuid7()
        return next(self._numbers) if name == "id" else _NEUTRAL[kind]

    def dag(self, dag_id: str, *tags: str, **values: Any) -> str:
        """Insert a DAG and return its id."""
        stale = values.pop("is_stale", False)
        self.insert("dag", **{
            "dag_id": dag_id, "is_paused": False, "is_stale": stale, "is_active": not stale,
            "has_import_errors": False, "bundle_name": "dags", "processor_subdir": "dags",
            "relative_fileloc": f"{dag_id}.py", "fileloc": f"{dag_id}.py", "last_parsed_time": ago(9),
            "max_active_tasks": 16, "max_active_runs": 16, **values,
        })  # fmt: skip
        for tag in tags:
            self.insert("dag_tag", dag_id=dag_id, name=tag)
        return dag_id

    def run(self, dag_id: str, state: str = "running", **values: Any) -> int:
        """Insert a run and return its serial id; its `run_id` is `run_ID`."""
        id_ = next(self._numbers)
        self.insert("dag_run", **{
            "id": id_, "dag_id": dag_id, "run_id": f"run_{id_}", "state": state,
            "run_type": "scheduled", "logical_date": ago(60 + id_), "run_after": ago(0),
            "data_interval_end": ago(0), "queued_at": ago(0),
            "start_date": None if state == "queued" else ago(0), "clear_number": 0, **values,
        })  # fmt: skip
        return id_

    def set_run(self, run: int, state: str, *, clears: int = 0) -> None:
        """Change a run's state; `clears` is added to its number of clears."""
        self.connection.execute(
            "UPDATE dag_run SET state = %s, clear_number = clear_number + %s,"
            " start_date = coalesce(start_date, now()), updated_at = now(),"
            " end_date = CASE WHEN %s IN ('success', 'failed') THEN now() END WHERE id = %s",
            [state, clears, state, run],
        )

    def task(self, run: int, task_id: str, state: str | None, **values: Any) -> Task:
        """Insert a task instance."""
        (dag_id,) = self.connection.execute(
            "SELECT dag_id FROM dag_run WHERE id = %s", [run]
        ).fetchone() or ("",)
        task = Task(dag_id, f"run_{run}", task_id)
        self.insert("task_instance", **{
            "id": _uuid7(), "dag_id": dag_id, "run_id": task.run_id, "task_id": task_id,
            "map_index": -1, "state": state, "try_number": 1, "max_tries": 2, "pool_slots": 1,
            "pool": "default_pool", "queue": "default", "queued_dttm": ago(0), "updated_at": ago(0),
            **values,
        })  # fmt: skip
        return task

    def set_task(self, task: Task, state: str, **values: Any) -> None:
        """Change a task instance; one that is scheduled again after a failure has a new try in 2.x."""
        columns = self._columns["task_instance"]
        values = {"state": state, "updated_at": ago(0), **values}
        known = {name: value for name, value in values.items() if name in columns}
        pairs = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder()) for name in known
        )
        again = sql.SQL(
            ", try_number = try_number + 1" if state == "scheduled" and self.two else ""
        )
        self.connection.execute(
            sql.SQL("UPDATE task_instance SET {}{} WHERE {}").format(pairs, again, _OF),
            [*known.values(), task.dag_id, task.run_id, task.task_id],
        )

    def begin(self, task: Task) -> None:
        """Let a task run, with its first heartbeat."""
        values: dict[str, Any] = {
            "start_date": ago(0),
            "end_date": None,
            "last_heartbeat_at": ago(0),
        }
        if self.two:
            values["job_id"] = self.job("LocalTaskJob", 0)
        self.set_task(task, "running", queued_dttm=ago(0), **values)

    def job(self, kind: str, beat: float) -> int:
        """Insert a job that gave a sign of life `beat` seconds ago."""
        id_ = next(self._numbers)
        self.insert(
            "job", id=id_, job_type=kind, state="running", hostname="h", start_date=ago(9000),
            latest_heartbeat=ago(beat),
        )  # fmt: skip
        return id_

    def replace(self, task: Task, state: str | None) -> None:
        """Do as Airflow does for a retry or a clear: the attempt to the history, then `state`."""
        history = self._columns["task_instance_history"]
        common = [n for n in self._columns["task_instance"] if n in history and n != "id"]
        common = [name for name in common if name not in ("state", "end_date")]
        names = sql.SQL(", ").join(map(sql.Identifier, common))
        own = sql.SQL("" if self.two else ", task_instance_id"), sql.SQL("" if self.two else ", id")
        self.connection.execute(
            sql.SQL(
                "INSERT INTO task_instance_history ({}{}, state, end_date)"
                " SELECT {}{}, CASE WHEN state = 'running' THEN 'failed' ELSE state END,"
                " coalesce(end_date, now()) FROM task_instance WHERE {}"
            ).format(names, own[0], names, own[1], _OF),
            [task.dag_id, task.run_id, task.task_id],
        )
        new = (
            sql.SQL("")
            if self.two
            else sql.SQL(", id = {}, try_number = try_number + 1").format(sql.Literal(_uuid7()))
        )
        self.connection.execute(
            sql.SQL(
                "UPDATE task_instance SET state = %s, updated_at = now(),"
                " end_date = coalesce(end_date, now()){} WHERE {}"
            ).format(new, _OF),
            [state, task.dag_id, task.run_id, task.task_id],
        )


_OF = sql.SQL("dag_id = %s AND run_id = %s AND task_id = %s")


def _uuid7() -> str:
    """Return an id that begins with the time, as Airflow 3 makes them."""
    milliseconds = int(datetime.now(UTC).timestamp() * 1000)
    tail = uuid.uuid4().hex[13:]
    return str(uuid.UUID(f"{milliseconds:012x}7{tail[:3]}8{tail[4:]}{'0' * 16}"[:32]))
