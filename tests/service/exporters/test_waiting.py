"""Work that waits: how long, why, and for whom, on Airflow's real schema."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest

from airwarden.adapters.metadata_database import PostgresMetadata
from airwarden.exporters.collectors.consistency import ConsistencyCollector
from airwarden.exporters.collectors.deadlines import DeadlinesCollector
from airwarden.exporters.collectors.late_runs import LateRunsCollector
from airwarden.exporters.collectors.pools import PoolsCollector
from airwarden.exporters.collectors.triggers import TriggersCollector
from airwarden.exporters.collectors.waiting import REASONS, WaitingCollector
from airwarden.exporters.labels import DagRegistry
from support.airflow_rows import AirflowRows, ago
from support.families import every, live_now, nonzero, values

UNSET = ("unset", "unset")


def scheduled(rows: AirflowRows, run: int, task: str, seconds: float = 5, **more: object) -> str:
    return rows.task(run, task, "scheduled", scheduled_dttm=ago(seconds), queued_dttm=None, **more)


def job(rows: AirflowRows, kind: str, beat: float = 0, state: str = "running") -> int:
    return int(
        rows.insert(
            "job", job_type=f"{kind}Job", hostname=kind.lower(), state=state,
            start_date=ago(9000), latest_heartbeat=ago(beat),
        )
    )  # fmt: skip


def trigger(rows: AirflowRows, seconds: float = 5, **more: object) -> int:
    with rows.connection.cursor() as cursor:
        rows.insert("trigger", classpath="a.b", kwargs="{}", created_date=ago(seconds), **more)
        found = cursor.execute("SELECT max(id) FROM trigger").fetchone()
    assert found is not None
    return int(found[0])


def test_starving_tasks_are_those_that_need_more_than_is_open(
    rows: AirflowRows, database: PostgresMetadata
) -> None:
    for pool, slots in (("full", 2), ("tight", 4), ("endless", -1)):
        rows.insert("slot_pool", pool=pool, slots=slots, include_deferred=True)
    run, off = rows.run(rows.dag("on")), rows.run(rows.dag("off", is_paused=True))
    rows.task(run, "a", "running", pool="full")
    rows.task(run, "b", "deferred", pool="full")
    rows.task(run, "c", "queued", pool="tight", pool_slots=2)
    scheduled(rows, run, "waits", pool="full")
    scheduled(rows, off, "paused", pool="full")
    scheduled(rows, run, "small", pool="tight", pool_slots=2)
    scheduled(rows, run, "large", pool="tight", pool_slots=3)
    scheduled(rows, run, "free", pool="endless", pool_slots=9)
    starving = every(PoolsCollector(live_now(database), None).collect(), "pool_starving_tasks")
    assert starving == {("default_pool",): 0, ("endless",): 0, ("full",): 1, ("tight",): 1}


def test_ages_and_what_does_not_move(rows: AirflowRows, database: PostgresMetadata) -> None:
    run, off = rows.run(rows.dag("on")), rows.run(rows.dag("off", is_paused=True))
    alive = trigger(rows, triggerer_id=job(rows, "Triggerer"))
    dead = trigger(rows, triggerer_id=job(rows, "Triggerer", beat=400))
    scheduled(rows, run, "s", 700)
    scheduled(rows, off, "held", 9000)
    rows.task(run, "q", "queued", queued_dttm=ago(650), queue="gpu")
    rows.task(run, "r", "running", start_date=ago(4000), last_heartbeat_at=ago(400))
    rows.task(run, "new", "running", start_date=ago(3))
    rows.task(run, "d1", "deferred", updated_at=ago(900), trigger_id=alive)
    rows.task(run, "d2", "deferred", updated_at=ago(500), trigger_id=dead)
    rows.task(run, "u", "up_for_retry", end_date=ago(60))
    families = WaitingCollector(database, live_now(database)).collect()
    ages = nonzero(families, "task_oldest_age_seconds")
    assert ages == pytest.approx(
        {
            ("scheduled", "default"): 700,
            ("queued", "gpu"): 650,
            ("running", "default"): 4000,
            ("deferred", "default"): 900,
            ("up_for_retry", "default"): 60,
        },
        abs=10,
    )
    assert every(families, "tasks_stuck") == {
        ("queued",): 1, ("scheduled",): 1, ("running",): 1, ("deferred",): 1,
    }  # fmt: skip
    silence = every(families, "task_heartbeat_oldest_age_seconds")
    assert silence == {("default",): pytest.approx(400, abs=10)}


def test_an_idle_platform_has_every_kind_at_zero(database: PostgresMetadata) -> None:
    families = WaitingCollector(database, live_now(database)).collect()
    assert every(families, "task_blocked") == {(reason,): 0 for reason in REASONS}
    assert set(every(families, "tasks_stuck").values()) == {0}
    assert every(families, "task_oldest_age_seconds")["queued", "default"] == 0


def test_each_task_that_does_not_run_has_the_first_reason_that_holds(
    rows: AirflowRows, database: PostgresMetadata
) -> None:
    rows.insert("slot_pool", pool="full", slots=1, include_deferred=False)
    run = rows.run(rows.dag("on", max_active_tasks=3, max_active_runs=1))
    rows.task(run, "r", "running", pool="full")
    rows.task(run, "q", "queued")
    rows.task(run, "u", "up_for_retry", end_date=ago(1))
    scheduled(rows, run, "p", pool="full")
    scheduled(rows, run, "gone", pool="no such pool")
    scheduled(rows, run, "free")
    rows.task(run, "later", None)
    rows.task(rows.run("on", "queued"), "first", None)
    narrow = rows.run(rows.dag("narrow", max_active_tasks=1))
    rows.task(narrow, "r", "running")
    scheduled(rows, narrow, "n")
    off = rows.run(rows.dag("off", is_paused=True))
    scheduled(rows, off, "s")
    rows.task(off, "later", None)
    expected = {
        ("pool",): 2, ("max_active_tasks",): 1, ("paused",): 2, ("unknown",): 1,
        ("executor_slots",): 1, ("retry_delay",): 1, ("upstream",): 1, ("max_active_runs",): 1,
    }  # fmt: skip
    assert values(WaitingCollector(database, live_now(database)), "task_blocked") == expected
    del expected["unknown",]
    limited = values(WaitingCollector(database, live_now(database), parallelism=3), "task_blocked")
    assert limited == expected | {("parallelism",): 1}


def test_open_runs_by_age_and_late_ones(
    rows: AirflowRows, database: PostgresMetadata, registry: DagRegistry
) -> None:
    rows.dag("on", "tier:high", "team:a", next_dagrun=ago(90), next_dagrun_create_after=ago(60))
    rows.dag("soon", next_dagrun=ago(60), next_dagrun_create_after=ago(-60))
    rows.dag("off", is_paused=True, next_dagrun=ago(90), next_dagrun_create_after=ago(60))
    rows.run("on", start_date=ago(500))
    rows.run("on", "queued", queued_at=ago(100), run_after=ago(300))
    rows.run("off", "queued", queued_at=ago(4000), run_after=ago(4000))
    past = rows.run("soon", start_date=ago(200))
    deadline(rows, past, -10)
    families = LateRunsCollector(database, registry).collect()
    assert nonzero(families, "dag_run_oldest_age_seconds") == pytest.approx(
        {("running", "high"): 500, ("queued", "high"): 100, ("running", "unset"): 200}, abs=10
    )
    assert nonzero(families, "dag_runs_overdue") == {
        ("high", "a", "not_created"): 1,
        ("high", "a", "not_started"): 1,
        (*UNSET, "deadline"): 1,
    }


def deadline(rows: AirflowRows, run: int, seconds: float, *, missed: bool = False) -> str:
    """Give a run a deadline that is that many seconds away."""
    callback, id_ = str(uuid.uuid4()), str(uuid.uuid4())
    rows.connection.execute(
        "INSERT INTO callback (id, type, fetch_method, data, priority_weight, created_at)"
        " VALUES (%s, 'triggerer', 'import_path', '{}', 1, now())",
        [callback],
    )
    rows.connection.execute(
        "INSERT INTO deadline (id, created_at, last_updated_at, dagrun_id, deadline_time, missed,"
        " callback_id) VALUES (%s, now(), now(), %s, now() + make_interval(secs => %s), %s, %s)",
        [id_, run, seconds, missed, callback],
    )
    return id_


def test_a_run_that_was_due_and_never_made_is_counted_once(
    rows: AirflowRows, database: PostgresMetadata, registry: DagRegistry
) -> None:
    def next_run(dag: str, due: float, after: float) -> None:
        rows.connection.execute(
            "UPDATE dag SET next_dagrun = %s, next_dagrun_create_after = %s WHERE dag_id = %s",
            [base + timedelta(seconds=due), base + timedelta(seconds=after), dag],
        )

    base = ago(4000)
    for dag in ("lost", "made", "paused"):
        rows.dag(dag, "tier:high")
        next_run(dag, 0, 600)
    collector = LateRunsCollector(database, registry)
    assert values(collector, "dag_runs_never_created_total") == {}

    # The scheduler stood still for five steps, and goes on with the latest.
    rows.run("lost", logical_date=base + timedelta(seconds=3000))
    rows.run("made", logical_date=base)
    rows.connection.execute("UPDATE dag SET is_paused = true WHERE dag_id = 'paused'")
    for dag in ("lost", "made", "paused"):
        next_run(dag, 3600, 4200)
    for _ in range(2):
        assert values(collector, "dag_runs_never_created_total") == {("high", "unset"): 5}


def test_missed_deadlines_are_counted_once_and_those_at_risk_foreseen(
    rows: AirflowRows, database: PostgresMetadata, registry: DagRegistry
) -> None:
    rows.dag("d", "tier:high")
    for n in range(5):
        rows.run("d", "success", start_date=ago(9000), end_date=ago(8000), logical_date=ago(n * 60))
    slow, quick = rows.run("d", start_date=ago(100)), rows.run("d", start_date=ago(900))
    deadline(rows, rows.run("d", "failed"), -500, missed=True)
    soon = deadline(rows, slow, 300)
    deadline(rows, quick, 300)
    collector = DeadlinesCollector(database, registry)
    families = collector.collect()
    place = ("dag", "high", "unset")
    assert every(families, "sla_breaches_total") == {place: 0}
    assert nonzero(families, "sla_at_risk") == {place: 1}
    rows.connection.execute(
        "UPDATE deadline SET missed = true, deadline_time = now() WHERE id = %s", [soon]
    )
    for _ in range(2):
        families = collector.collect()
        assert nonzero(families, "sla_breaches_total") == {place: 1}
        assert nonzero(families, "sla_at_risk") == {}


def test_triggers_by_triggerer_and_those_that_wait_for_one(
    rows: AirflowRows, database: PostgresMetadata
) -> None:
    trigger(rows, triggerer_id=job(rows, "Triggerer"))
    trigger(rows, 300, triggerer_id=job(rows, "Triggerer", beat=90))
    trigger(rows, 200, queue="gpu")
    families = TriggersCollector(database).collect()
    assert every(families, "triggers") == {("triggerer",): 2, ("none",): 1}
    assert every(families, "triggers_waiting") == {("default",): 1, ("gpu",): 1}
    oldest = every(families, "trigger_oldest_waiting_age_seconds")
    assert oldest == pytest.approx({("default",): 300, ("gpu",): 200}, abs=10)


def test_contradictions(rows: AirflowRows, database: PostgresMetadata) -> None:
    rows.dag("d")
    run = rows.run("d", start_date=ago(900))
    rows.task(run, "fine", "running", queued_by_job_id=job(rows, "Scheduler"))
    collector = ConsistencyCollector(database)
    assert values(collector, "consistency_problems") == {}
    rows.task(run, "orphan", "queued", queued_by_job_id=job(rows, "Scheduler", beat=900))
    rows.task(rows.run("d", "failed"), "left", "scheduled")
    rows.task(rows.run("d", start_date=ago(900)), "done", "success", end_date=ago(600))
    rows.task(rows.run("d", start_date=ago(900)), "just done", "success", end_date=ago(10))
    assert values(collector, "consistency_problems") == {
        ("orphaned_task",): 1, ("task_of_ended_run",): 1, ("run_without_work",): 1,
    }  # fmt: skip
