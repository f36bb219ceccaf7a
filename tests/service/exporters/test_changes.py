"""What is followed by id (audit log, versions, runs) and what DAG processors leave behind."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest

from airwarden.adapters.fakes import FakeClock
from airwarden.adapters.metadata_database import PostgresMetadata
from airwarden.core.errors import UnavailableError
from airwarden.exporters.collectors import deployments
from airwarden.exporters.collectors.dag_health import MAX_WORST, DagHealthCollector
from airwarden.exporters.collectors.dag_runs import DagRunsCollector
from airwarden.exporters.collectors.deployments import DeploymentsCollector
from airwarden.exporters.collectors.parsing import ParsingCollector
from airwarden.exporters.collectors.task_events import MAX_OPERATORS, TaskEventsCollector
from airwarden.exporters.endings import STALE, Endings
from airwarden.exporters.labels import DagRegistry
from support.airflow_rows import AirflowRows, now
from support.families import every, nonzero, values
from support.postgres import Database

RETRIES = "task_retries_total"


def event(rows: AirflowRows, name: str, run: int, task: str, id_: int | None = None) -> None:
    rows.connection.execute(
        "INSERT INTO log (id, dttm, dag_id, run_id, task_id, map_index, event)"
        " SELECT coalesce(%s, nextval('log_id_seq')), now(), dag_id, run_id, %s, -1, %s"
        " FROM dag_run WHERE id = %s",
        [id_, task, name, run],
    )


def test_lost_attempts_by_what_ended_them(
    rows: AirflowRows, database: PostgresMetadata, registry: DagRegistry
) -> None:
    run = rows.run(rows.dag("d", "team:a"))
    rows.task(run, "bash", "running", operator="BashOperator", queue="gpu")
    event(rows, "up_for_retry", run, "bash")
    collector = TaskEventsCollector(database, registry)
    assert values(collector, RETRIES) == {}

    for name in ("running", "up_for_retry", "heartbeat timeout", "failed", "success"):
        event(rows, name, run, "bash")
    for name in ("state mismatch", "failed", "stuck in queued reschedule"):
        event(rows, name, run, "deleted since")
    for _ in range(2):
        families = collector.collect()
        reasons = ("task", "heartbeat", "executor", "stuck_in_queued")
        assert nonzero(families, RETRIES) == {(reason, "a"): 1 for reason in reasons}
        assert nonzero(families, "operator_failures_total") == {
            ("BashOperator",): 2,
            ("other",): 1,
        }
        assert nonzero(families, "task_heartbeat_timeouts_total") == {("gpu",): 1}


def test_an_event_committed_late_with_a_lower_id_is_counted_once(
    rows: AirflowRows, database: PostgresMetadata, registry: DagRegistry
) -> None:
    run = rows.run(rows.dag("d"))
    event(rows, "running", run, "t", 100)
    collector = TaskEventsCollector(database, registry)
    collector.collect()
    event(rows, "up_for_retry", run, "t", 105)
    assert values(collector, RETRIES) == {("task", "unset"): 1}
    event(rows, "up_for_retry", run, "t", 103)
    for _ in range(2):
        assert values(collector, RETRIES) == {("task", "unset"): 2}


def test_a_failed_look_at_the_log_loses_nothing(
    rows: AirflowRows, database: PostgresMetadata, registry: DagRegistry, airflow: Database
) -> None:
    run = rows.run(rows.dag("d"))
    collector = TaskEventsCollector(database, registry)
    collector.collect()
    event(rows, "up_for_retry", run, "t")
    airflow.execute("REVOKE SELECT (operator) ON task_instance FROM watcher")
    with pytest.raises(Exception, match="task_events"):
        collector.collect()
    airflow.execute("GRANT SELECT (operator) ON task_instance TO watcher")
    assert values(collector, RETRIES) == {("task", "unset"): 1}


def test_operators_beyond_the_first_fifty_are_summed(
    rows: AirflowRows, database: PostgresMetadata, registry: DagRegistry
) -> None:
    run = rows.run(rows.dag("d"))
    collector = TaskEventsCollector(database, registry)
    collector.collect()
    for n in range(MAX_OPERATORS + 3):
        rows.task(run, f"t{n}", "failed", operator=f"Operator{n}")
        event(rows, "failed", run, f"t{n}")
    failures = values(collector, "operator_failures_total")
    assert len(failures) == MAX_OPERATORS + 1
    assert failures["other",] == 3


def version(rows: AirflowRows, dag: str, number: int, at: float) -> None:
    """Store a version whose id carries a time, as Airflow's do."""
    id_ = uuid.UUID(int=(int(at * 1000) << 80) | (7 << 76) | uuid.uuid4().int & ((1 << 76) - 1))
    rows.connection.execute(
        "INSERT INTO dag_version (id, version_number, dag_id, created_at, last_updated)"
        " VALUES (%s, %s, %s, to_timestamp(%s), now())",
        [id_, number, dag, at],
    )


def test_deployments_are_new_and_changed_dags(
    rows: AirflowRows,
    database: PostgresMetadata,
    registry: DagRegistry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deployments, "PAGE", 2)  # the query gives more: the end of a page only
    present = now().timestamp()
    rows.dag("old", "team:a")
    version(rows, "old", 1, present - 9000)
    collector = DeploymentsCollector(database, registry)
    families = collector.collect()
    assert nonzero(families, "dag_versions_total") == {}
    changed = "dag_version_last_change_timestamp_seconds"
    assert every(families, changed) == {(): pytest.approx(present - 9000, abs=1)}
    version(rows, "old", 2, present)
    rows.dag("fresh")
    version(rows, "fresh", 1, present - 5)  # committed late
    for _ in range(2):
        families = collector.collect()
        assert nonzero(families, "dag_versions_total") == {
            ("changed", "a"): 1,
            ("new", "unset"): 1,
        }
        assert every(families, changed) == {(): pytest.approx(present, abs=1)}


def test_bundles(rows: AirflowRows, database: PostgresMetadata) -> None:
    def parsed(dag: str, file: str, seconds: float, age: float, version: str = "v2") -> None:
        rows.dag(
            dag, relative_fileloc=file, last_parse_duration=seconds, bundle_version=version,
            last_parsed_time=now() - timedelta(seconds=age),
        )  # fmt: skip

    rows.connection.execute(
        "UPDATE dag_bundle SET version = 'v2', last_refreshed = to_timestamp(1000000000)"
    )
    rows.connection.execute("INSERT INTO dag_bundle (name, active) VALUES ('unused', false)")
    parsed("a", "one.py", 1.5, 60)
    parsed("b", "one.py", 1.5, 50)
    parsed("c", "two.py", 0.5, 90, "v1")
    rows.dag("gone", relative_fileloc="three.py", last_parse_duration=99, is_stale=True)
    for dag in ("a", "b"):
        version(rows, dag, 1, now().timestamp())
    rows.insert("import_error", timestamp=now(), filename="bad.py", bundle_name="dags")
    rows.insert(
        "dag_warning", dag_id="a", warning_type="non-existent pool", message="", timestamp=now()
    )
    families = ParsingCollector(database, FakeClock()).collect()
    bundle = ("dags",)
    assert every(families, "dag_import_errors") == {bundle: 1}
    assert every(families, "dag_files") == {bundle: 2}
    assert every(families, "dag_parse_total_seconds") == {bundle: 2.0}
    oldest = every(families, "dag_file_oldest_parse_age_seconds")
    assert oldest == {bundle: pytest.approx(90, abs=5)}
    refreshed = every(families, "dag_bundle_last_refresh_timestamp_seconds")
    assert refreshed == {bundle: 1000000000}
    assert every(families, "dags_behind_bundle") == {bundle: 1}
    assert every(families, "dags_unserialized") == {bundle: 1}
    assert every(families, "dag_warnings") == {("non-existent pool",): 1}


def test_failures_in_a_row_of_critical_dags_and_the_worst_others(
    rows: AirflowRows, database: PostgresMetadata, registry: DagRegistry
) -> None:
    rows.dag("vital", "tier:critical", "team:a")
    for n, state in enumerate(("failed", "failed", "success", "failed")):
        at = now() - timedelta(hours=n)
        rows.run("vital", state, logical_date=at, end_date=at)
    rows.dag("other")
    rows.run("other", "failed")
    clock = FakeClock()
    endings = Endings(clock)
    runs = DagRunsCollector(database, registry, clock, endings=endings)
    collector = DagHealthCollector(database, registry, endings)
    runs.collect()
    name, vital = "dag_consecutive_failures", ("vital", "critical", "a")
    families = collector.collect()
    assert every(families, name) == {vital: 2}
    succeeded = every(families, "dag_last_success_timestamp_seconds")
    assert succeeded == {vital: pytest.approx(now().timestamp() - 7200, abs=10)}

    rows.run("vital", "failed")
    for n in range(MAX_WORST + 2):
        rows.dag(f"bad{n:03}")
        rows.run(f"bad{n:03}", "failed")
    rows.run("bad007", "failed")
    runs.collect()
    failing = every(collector.collect(), name)
    assert failing[vital] == 3
    assert failing["bad007", "unset", "unset"] == 2
    assert failing["_overflow", "_overflow", "_overflow"] == 2
    assert len(failing) == 1 + MAX_WORST + 1
    open_run = rows.run("vital")
    runs.collect()
    collector.collect()
    rows.end(open_run)
    runs.collect()
    families = collector.collect()
    assert vital not in every(families, name)
    succeeded = every(families, "dag_last_success_timestamp_seconds")
    assert succeeded == {vital: pytest.approx(now().timestamp(), abs=10)}

    clock.advance(STALE + 1)
    with pytest.raises(UnavailableError, match="dag_runs"):
        collector.collect()
