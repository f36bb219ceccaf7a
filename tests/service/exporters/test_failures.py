"""Failed attempts and canaries in Airflow's real schema, read by the observing role."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airwarden.adapters.clock import SystemClock
from airwarden.adapters.fakes import FakeClock
from airwarden.adapters.metadata_database import PostgresMetadata
from airwarden.core.failures import AttemptKey
from airwarden.exporters.collectors.canaries import CanariesCollector, CanariesInDatabase
from airwarden.exporters.collectors.dag_runs import DagRunsCollector
from airwarden.exporters.collectors.task_events import TaskEventsCollector
from airwarden.exporters.failures.attempts import AttemptsInDatabase
from airwarden.exporters.labels import DagRegistry
from support.airflow_rows import AirflowRows, now
from support.families import every, nonzero
from support.postgres import Database


def event(rows: AirflowRows, name: str, run: int, task: str, *, attempt: int | None = 1) -> None:
    rows.connection.execute(
        "INSERT INTO log (dttm, dag_id, run_id, task_id, map_index, event, try_number)"
        " SELECT now(), dag_id, run_id, %s, -1, %s, %s FROM dag_run WHERE id = %s",
        [task, name, attempt, run],
    )


def test_each_failed_attempt_once_with_what_the_scheduler_wrote_of_it(
    rows: AirflowRows, database: PostgresMetadata, registry: DagRegistry
) -> None:
    run = rows.run(rows.dag("d", "tier:high", "team:a", "depends:billing-api"))
    rows.task(run, "sent", "failed", operator="BashOperator", hostname="w1", try_number=2)
    event(rows, "failed", run, "before")
    attempts = AttemptsInDatabase(database, registry, FakeClock())
    assert attempts.read() == []

    event(rows, "heartbeat timeout", run, "lost")
    assert attempts.read() == []
    event(rows, "up_for_retry", run, "sent")
    event(rows, "failed", run, "sent", attempt=2)
    event(rows, "failed", run, "lost")
    event(rows, "success", run, "sent", attempt=3)
    event(rows, "failed", run, "old row", attempt=None)
    first, last, lost, old = attempts.read()
    assert (first.key, first.final) == (AttemptKey("d", f"run_{run}", "sent", -1, 1), False)
    assert (last.key.try_number, last.final, last.operator, last.hostname) == (
        2, True, "BashOperator", "w1"
    )  # fmt: skip
    assert lost.events == {"heartbeat timeout"}
    assert first.events == frozenset()
    assert (first.dag.tier, first.dag.team, first.dag.depends) == ("high", "a", ("billing-api",))
    assert old.key.try_number == 1
    assert attempts.read() == []


def test_a_look_that_fails_loses_no_attempt(
    rows: AirflowRows, database: PostgresMetadata, registry: DagRegistry, airflow: Database
) -> None:
    run = rows.run(rows.dag("d"))
    attempts = AttemptsInDatabase(database, registry, FakeClock())
    attempts.read()
    event(rows, "failed", run, "t")
    airflow.execute("REVOKE SELECT (hostname) ON task_instance FROM watcher")
    with pytest.raises(Exception, match="failed_attempts"):
        attempts.read()
    airflow.execute("GRANT SELECT (hostname) ON task_instance TO watcher")
    assert [one.key.task_id for one in attempts.read()] == ["t"]


def canary(rows: AirflowRows, dag_id: str, queue: str, **values: object) -> str:
    tags = ("airwarden-canary", f"airwarden-canary:{queue}", "airwarden-every:1m")
    return rows.dag(dag_id, *tags, **values)


def test_the_last_success_of_each_canary(
    rows: AirflowRows, database: PostgresMetadata, registry: DagRegistry
) -> None:
    due = now() - timedelta(hours=1)
    dag = canary(rows, "c", "gpu")
    canary(rows, "asleep", "old", is_paused=True)
    canary(rows, "new", "fresh")
    for minute, state in enumerate(["success", "success", "failed", "running"]):
        start = due + timedelta(minutes=minute)
        rows.run(
            dag, state, logical_date=start, run_after=start, start_date=start,
            end_date=start + timedelta(seconds=5 + minute) if state != "running" else None,
        )  # fmt: skip
    families = CanariesCollector(CanariesInDatabase(database, registry)).collect()
    at = (due + timedelta(minutes=1, seconds=6)).timestamp()
    assert every(families, "canary_last_success_timestamp_seconds") == {
        ("gpu",): pytest.approx(at, abs=0.01), ("fresh",): 0.0
    }  # fmt: skip
    assert every(families, "canary_run_duration_seconds") == {("gpu",): 6.0}


def test_canaries_are_in_no_metric_of_the_work(
    rows: AirflowRows, database: PostgresMetadata, registry: DagRegistry
) -> None:
    dag, work = canary(rows, "c", "gpu"), rows.dag("work", "team:a")
    runs, events = (
        DagRunsCollector(database, registry, SystemClock()),
        TaskEventsCollector(database, registry),
    )
    runs.collect()
    events.collect()
    for one in (dag, work):
        run = rows.run(one, "failed")
        rows.task(run, "t", "failed", start_date=now(), end_date=now(), operator="PythonOperator")
        event(rows, "failed", run, "t")
        rows.run(one)
    families = [*runs.collect(), *events.collect()]
    assert nonzero(families, "dag_runs_finished_total") == {
        ("failed", "scheduled", "unset", "unset", "a"): 1
    }  # fmt: skip
    assert nonzero(families, "task_instances_finished_total") == {
        ("failed", "default", "unset", "a"): 1
    }
    assert nonzero(families, "dag_runs") == {("running", "unset", "a"): 1}
    assert nonzero(families, "operator_failures_total") == {("PythonOperator",): 1}
