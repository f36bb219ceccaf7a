"""The `MeasuredAirflow` contract: a real API server, and the fake."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from airwarden.adapters.airflow_auth import PasswordToken
from airwarden.adapters.airflow_measured import AirflowMeasures
from airwarden.adapters.fakes import FakeMeasuredAirflow
from airwarden.core.errors import RejectedError
from airwarden.core.platform import AssetUpdate, Dag, DagRun, TaskInstance, TaskKey
from airwarden.core.ports import MeasuredAirflow
from support.airflow_api import DAG_ID, PASSWORD, USER, AirflowApi

_RUNS = itertools.count(1)
LONG_AGO = datetime(2031, 1, 1, tzinfo=UTC)  # after what other tests of this server wrote


@dataclass
class Case:
    """An Airflow, and how rows come into it."""

    airflow: MeasuredAirflow
    put_run: Callable[[DagRun], None]
    put_task: Callable[[TaskInstance], None]
    put_rest: Callable[[], None]

    def run(self, state: str, start: float = 0, end: float | None = None) -> DagRun:
        """Put a run that started, and ended, so many seconds after LONG_AGO."""
        run = DagRun(
            DAG_ID, f"measured-{next(_RUNS)}", state, "scheduled", at(start),
            at(end) if end is not None else None, at(start - 2), at(start - 1),
        )  # fmt: skip
        self.put_run(run)
        return run

    def task(
        self, run: DagRun, state: str, number: int, start: float, end: float | None
    ) -> TaskKey:
        """Put an attempt; an earlier one of the same task goes to the history."""
        key = TaskKey(DAG_ID, run.run_id, "first")
        self.put_task(
            TaskInstance(
                key, "", state, number, 2, queue="gpu", start_date=at(start), pool_slots=3,
                end_date=at(end) if end is not None else None, queued_when=at(start - 1),
                scheduled_when=at(start - 2),
            )
        )  # fmt: skip
        return key


def at(seconds: float) -> datetime:
    return LONG_AGO + timedelta(seconds=seconds)


def fake_case() -> Case:
    fake = FakeMeasuredAirflow()

    def put_rest() -> None:
        fake.dags = {
            DAG_ID: Dag(DAG_ID, False, ("team:ops", "tier:low")),
            "old": Dag("old", True, (), True),
        }
        fake.errors, fake.warnings = {"dags": 2}, {"non-existent pool": 1}
        fake.assets = [AssetUpdate("sales", "s3://sales", at(5), (DAG_ID,))]

    return Case(fake, fake.put_run, fake.put_task, put_rest)


def real_case(api: AirflowApi) -> Case:
    sql = api.database.execute
    version = sql("SELECT id FROM dag_version WHERE dag_id = %s LIMIT 1", DAG_ID)[0][0]

    def put_run(run: DagRun) -> None:
        sql("DELETE FROM dag_run WHERE dag_id = %s AND run_id = %s", run.dag_id, run.run_id)
        sql(
            "INSERT INTO dag_run (dag_id, run_id, state, run_type, start_date, end_date, run_after,"
            " queued_at, clear_number, span_status, created_dag_version_id)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 0, 'x', %s)",
            run.dag_id, run.run_id, run.state, run.run_type, run.start_date, run.end_date,
            run.run_after, run.queued_at, version,
        )  # fmt: skip

    def put_task(task: TaskInstance) -> None:
        key = task.key
        sql(
            "INSERT INTO task_instance_history (task_instance_id, dag_id, run_id, task_id,"
            " map_index, state, try_number, max_tries, pool, pool_slots, queue, start_date, end_date,"
            " queued_dttm, span_status, dag_version_id, task_display_name) SELECT id, dag_id, run_id, task_id, map_index,"
            " 'failed', try_number, max_tries, pool, pool_slots, queue, start_date, end_date, queued_dttm,"
            " span_status, dag_version_id, task_id FROM task_instance"
            " WHERE dag_id = %s AND run_id = %s AND task_id = %s",
            key.dag_id, key.run_id, key.task_id,
        )  # fmt: skip
        sql(
            "INSERT INTO task_instance (id, dag_id, run_id, task_id, map_index, state, try_number,"
            " max_tries, pool, pool_slots, queue, start_date, end_date, queued_dttm, scheduled_dttm,"
            " span_status, dag_version_id) VALUES (gen_random_uuid(), %s, %s, %s, -1, %s, %s, %s, %s, %s,"
            " %s, %s, %s, %s, %s, 'x', %s) ON CONFLICT (dag_id, task_id, run_id, map_index) DO UPDATE SET"
            " id = excluded.id, state = excluded.state, try_number = excluded.try_number,"
            " start_date = excluded.start_date, end_date = excluded.end_date,"
            " queued_dttm = excluded.queued_dttm, scheduled_dttm = excluded.scheduled_dttm",
            key.dag_id, key.run_id, key.task_id, task.state, task.try_number, task.max_tries, task.pool,
            task.pool_slots, task.queue, task.start_date, task.end_date, task.queued_when,
            task.scheduled_when, version,
        )  # fmt: skip

    def put_rest() -> None:
        sql("UPDATE dag SET is_stale = false, has_import_errors = false")
        sql(
            "INSERT INTO dag (dag_id, is_paused, is_stale, bundle_name, timetable_type, max_active_tasks,"
            " max_active_runs, max_consecutive_failed_dag_runs, has_task_concurrency_limits,"
            " partition_mapper_info, has_import_errors, fileloc) SELECT 'old', true, true, bundle_name,"
            " 'x', 1, 1, 0, false, '{}', false, 'old.py' FROM dag WHERE dag_id = %s"
            " ON CONFLICT DO NOTHING",
            DAG_ID,
        )
        sql("DELETE FROM import_error")
        sql("DELETE FROM dag_warning")
        for number in range(2):
            sql(
                "INSERT INTO import_error (timestamp, filename, stacktrace, bundle_name)"
                " VALUES (now(), %s, 'x', 'dags')",
                f"f{number}.py",
            )
        sql(
            "INSERT INTO dag_warning (dag_id, warning_type, message, timestamp)"
            " VALUES (%s, 'non-existent pool', 'x', now())",
            DAG_ID,
        )
        sql("DELETE FROM asset")
        asset = sql(
            'INSERT INTO asset (name, uri, "group", extra, created_at, updated_at)'
            " VALUES ('sales', 's3://sales', 'g', '{}', now(), now()) RETURNING id"
        )[0][0]
        sql(
            "INSERT INTO asset_event (asset_id, extra, timestamp) VALUES (%s, '{}', %s)",
            asset,
            at(5),
        )
        sql(
            "INSERT INTO task_outlet_asset_reference (asset_id, dag_id, task_id, created_at, updated_at)"
            " VALUES (%s, %s, 'first', now(), now())",
            asset, DAG_ID,
        )  # fmt: skip

    sql("DELETE FROM dag_run WHERE run_id LIKE 'measured-%%'")
    tokens = PasswordToken(api.url, USER, lambda: PASSWORD)
    return Case(AirflowMeasures(api.url, tokens, rate=100.0), put_run, put_task, put_rest)


@pytest.fixture(params=["fake", "real"])
def case(request: pytest.FixtureRequest) -> Case:
    return (
        fake_case()
        if request.param == "fake"
        else real_case(request.getfixturevalue("airflow_api"))
    )


def test_runs_by_their_end_the_earliest_first(case: Case) -> None:
    late, early = case.run("failed", 20, 30), case.run("success", 0, 10)
    case.run("running", 5)
    assert case.airflow.runs_ended_since(at(10), 1000) == [early, late]
    assert case.airflow.runs_ended_since(at(10.001), 1000) == [late]
    assert case.airflow.runs_ended_since(at(10), 1) == [early]


def test_open_runs_and_a_refusal_where_there_are_too_many(case: Case) -> None:
    runs = {case.run("queued").run_id, case.run("running").run_id}
    case.run("success", 0, 1)
    found = {run.run_id for run in case.airflow.open_runs(1000)}
    assert {run_id for run_id in found if run_id.startswith("measured-")} == runs
    with pytest.raises(RejectedError):
        case.airflow.open_runs(1)


def test_attempts_by_start_and_end_and_the_earlier_ones(case: Case) -> None:
    run = case.run("running", 100)
    key = case.task(run, "up_for_retry", 1, 100, 110)
    (ended,) = case.airflow.tasks_since(at(105), 1000, by="end")
    assert (ended.key, ended.state, ended.try_number) == (key, "up_for_retry", 1)
    case.task(run, "running", 2, 120, None)
    (live,) = [t for t in case.airflow.live_tasks(1000) if t.key == key]
    assert (live.state, live.queue, live.pool_slots) == ("running", "gpu", 3)
    assert (live.queued_when, live.scheduled_when) == (at(119), at(118))
    assert case.airflow.tasks_since(at(105), 1000, by="end") == []
    assert [t.try_number for t in case.airflow.tasks_since(at(105), 1000, by="start")] == [2]
    tries = sorted(case.airflow.tries(key), key=lambda attempt: attempt.try_number)
    assert [(t.try_number, t.start_date, t.end_date) for t in tries] == [
        (1, at(100), at(110)),
        (2, at(120), None),
    ]
    with pytest.raises(RejectedError):
        case.airflow.live_tasks(0)


def test_dags_errors_warnings_and_assets(case: Case) -> None:
    case.put_rest()
    dags, total = case.airflow.dags_from(0, 1000)
    assert [(dag.dag_id, dag.is_stale) for dag in dags] == [(DAG_ID, False), ("old", True)]
    assert (total, dags[0].tags) == (2, ("team:ops", "tier:low"))
    assert case.airflow.dags_from(1, 1) == ([dags[1]], 2)
    assert case.airflow.import_errors() == {"dags": 2}
    assert case.airflow.dag_warnings() == {"non-existent pool": 1}
    for name in ("sales", "s3://sales"):
        assert case.airflow.asset_updates([name, "nothing"]) == [
            AssetUpdate("sales", "s3://sales", at(5), (DAG_ID,))
        ]
    case.run("success", 0, 10)
    case.run("failed", 0, 20)
    assert case.airflow.last_success(DAG_ID) == at(10)


def test_requests_are_spaced_out(airflow_api: AirflowApi) -> None:
    waits: list[float] = []
    tokens = PasswordToken(airflow_api.url, USER, lambda: PASSWORD)
    slow = AirflowMeasures(airflow_api.url, tokens, rate=0.01, wait=waits.append)
    begun = time.monotonic()
    for _ in range(3):
        slow.dags_from(0, 1)
    spent = time.monotonic() - begun
    assert waits == [pytest.approx(100, abs=spent), pytest.approx(200, abs=spent)]
