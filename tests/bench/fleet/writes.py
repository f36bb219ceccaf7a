"""What the mover writes: the columns that Airflow 3.3 writes at each transition, by SQL in batches."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import psycopg

from bench.fleet.plans import Run

_RUNS = {
    "running": "state = 'running', start_date = coalesce(start_date, clock_timestamp())",
    "success": "state = 'success', end_date = clock_timestamp()",
    "failed": "state = 'failed', end_date = clock_timestamp()",
}
_ENDED = (
    "end_date = clock_timestamp(), duration = extract(epoch FROM clock_timestamp() - start_date)"
)
_NEVER = "start_date = clock_timestamp(), end_date = clock_timestamp(), duration = 0"
_HOST = "hostname = 'worker-' || pid %% 100, last_heartbeat_at = clock_timestamp()"
_TASKS = {
    "scheduled": """state = 'scheduled', scheduled_dttm = clock_timestamp(),
        try_number = try_number + 1""",
    "resumed": "state = 'scheduled', scheduled_dttm = clock_timestamp()",
    "queued": "state = 'queued', queued_dttm = clock_timestamp(), queued_by_job_id = 1",
    "running": f"state = 'running', start_date = clock_timestamp(), end_date = NULL, {_HOST}",
    "continued": f"state = 'running', end_date = NULL, {_HOST}",
    "deferred": "state = 'deferred'",
    "up_for_retry": "state = 'up_for_retry', end_date = clock_timestamp()",
    "success": f"state = 'success', {_ENDED}",
    "failed": f"state = 'failed', {_ENDED}",
    "skipped": f"state = 'skipped', {_NEVER}",
    "upstream_failed": f"state = 'upstream_failed', {_NEVER}",
}
_TO_HISTORY = """
INSERT INTO task_instance_history (
  task_instance_id, task_id, dag_id, run_id, map_index, try_number, start_date, end_date, duration,
  state, max_tries, hostname, unixname, pool, pool_slots, queue, operator, queued_dttm, scheduled_dttm,
  updated_at, dag_version_id
)
SELECT id, task_id, dag_id, run_id, map_index, try_number, start_date, end_date, duration,
  CASE WHEN state IN ('success', 'failed', 'skipped', 'upstream_failed', 'removed') THEN state
    ELSE 'failed' END,
  max_tries, hostname, unixname, pool, pool_slots, queue, operator, queued_dttm, scheduled_dttm,
  clock_timestamp(), dag_version_id
FROM task_instance WHERE id = %(old)s
ON CONFLICT (dag_id, task_id, run_id, map_index, try_number) DO NOTHING
"""


class Writes:
    """Statements over one connection; the caller commits."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def run_ids(self, number: int) -> list[int]:
        """Take serial ids."""
        rows = self._connection.execute(
            "SELECT nextval('dag_run_id_seq') FROM generate_series(1, %s)", [number]
        )
        return [int(row[0]) for row in rows]

    def make(self, runs: Sequence[Run], *, move_on: bool = True) -> None:
        """Insert runs with their tasks, and move their DAGs' next run on."""
        if not runs:
            return
        self._connection.execute(
            """INSERT INTO dag_run (id, dag_id, queued_at, state, run_id, creating_job_id, run_type,
                 triggered_by, run_after, created_at, updated_at, clear_number, data_interval_end)
               SELECT id, dag_id, clock_timestamp(), 'queued', run_id, 1, run_type, 'timetable',
                 clock_timestamp() - interval '0.5 s', clock_timestamp(), clock_timestamp(), 0, clock_timestamp()
               FROM unnest(%s::int[], %s::text[], %s::text[], %s::text[])
                 AS r(id, dag_id, run_id, run_type)""",
            [
                [run.id for run in runs], [run.dag.dag_id for run in runs],
                [run.run_id for run in runs], [run.run_type for run in runs],
            ],
        )  # fmt: skip
        tasks = [(run, task) for run in runs for task in run.tasks]
        self._connection.execute(
            """INSERT INTO task_instance (id, task_id, dag_id, run_id, map_index, try_number, max_tries,
                 pool, pool_slots, queue, priority_weight, operator, hostname, pid, updated_at)
               SELECT t.id, 'task_' || number, t.dag_id, run_id, -1, 0, max_tries, pool, 1, queue, 1,
                 'PythonOperator', '', number, clock_timestamp()
               FROM unnest(%s::uuid[], %s::int[], %s::text[], %s::text[], %s::int[], %s::text[], %s::text[])
                 AS t(id, number, dag_id, run_id, max_tries, pool, queue)""",
            [
                [task.id for _, task in tasks], [task.number for _, task in tasks],
                [run.dag.dag_id for run, _ in tasks], [run.run_id for run, _ in tasks],
                [task.max_tries for _, task in tasks], [run.dag.pool for run, _ in tasks],
                [run.dag.queue for run, _ in tasks],
            ],
        )  # fmt: skip
        if not move_on:
            return
        self._connection.execute(
            """UPDATE dag SET next_dagrun_create_after = now() + interval '1 hour'
               WHERE dag_id = ANY(%s) AND next_dagrun_create_after < now() + interval '5 minutes'""",
            [[run.dag.dag_id for run in runs]],
        )

    def run_through(self, run: Run) -> None:
        """Let a run that was just made begin and end, all its tasks with success."""
        self._connection.execute(
            """UPDATE task_instance SET state = 'success', try_number = 1, hostname = 'worker-1',
                 scheduled_dttm = clock_timestamp(), queued_dttm = clock_timestamp(),
                 start_date = clock_timestamp(), end_date = clock_timestamp(), duration = 0,
                 last_heartbeat_at = clock_timestamp(), updated_at = clock_timestamp()
               WHERE id = ANY(%s)""",
            [[task.id for task in run.tasks]],
        )
        self._connection.execute(
            """UPDATE dag_run SET state = 'success', start_date = clock_timestamp(),
                 end_date = clock_timestamp(), updated_at = clock_timestamp() WHERE id = %s""",
            [run.id],
        )

    def runs(self, state: str, ids: Sequence[int]) -> None:
        """Bring runs into a state."""
        self._connection.execute(
            f"""UPDATE dag_run SET {_RUNS[state]}, updated_at = clock_timestamp(),
                  last_scheduling_decision = clock_timestamp() WHERE id = ANY(%s)""".encode(),
            [list(ids)],
        )

    def tasks(self, state: str, ids: Sequence[uuid.UUID]) -> None:
        """Bring tasks into a state; `resumed` and `continued` are those after a deferral."""
        self._connection.execute(
            f"""UPDATE task_instance SET {_TASKS[state]}, updated_at = clock_timestamp()
                WHERE id = ANY(%s)""".encode(),
            [list(ids)],
        )

    def retire(self, old: uuid.UUID, new: uuid.UUID, state: str) -> None:
        """End an attempt that another one follows; a running one failed."""
        self._connection.execute(
            f"""UPDATE task_instance SET {_ENDED}, updated_at = clock_timestamp()
                WHERE id = %s""".encode(),
            [old],
        )
        self._connection.execute(_TO_HISTORY, {"old": old})
        self._connection.execute(
            "UPDATE task_instance SET id = %s, state = %s, updated_at = clock_timestamp() WHERE id = %s",
            [new, state, old],
        )

    def clear(self, old: uuid.UUID, new: uuid.UUID, max_tries: int) -> None:
        """Clear a task that has ended."""
        self._connection.execute(_TO_HISTORY, {"old": old})
        self._connection.execute(
            """UPDATE task_instance SET id = %s, state = NULL, max_tries = %s, external_executor_id = NULL,
                 updated_at = clock_timestamp() WHERE id = %s""",
            [new, max_tries, old],
        )

    def reopen(self, run: int) -> None:
        """Queue a run again, of which tasks were cleared."""
        self._connection.execute(
            """UPDATE dag_run SET state = 'queued', queued_at = clock_timestamp(), start_date = NULL,
                 end_date = NULL, clear_number = clear_number + 1, last_scheduling_decision = NULL,
                 updated_at = clock_timestamp() WHERE id = %s""",
            [run],
        )

    def beat(self) -> None:
        """Let jobs and running tasks give a sign of life."""
        self._connection.execute("UPDATE job SET latest_heartbeat = now() WHERE state = 'running'")
        self._connection.execute(
            """UPDATE task_instance SET last_heartbeat_at = now(), updated_at = now()
               WHERE state = 'running'"""
        )
