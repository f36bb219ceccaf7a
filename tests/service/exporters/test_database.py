"""The database collectors on Airflow's real schema: exact counts, and what must be left out."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from airwarden.adapters.clock import SystemClock
from airwarden.adapters.fakes import FakeClock
from airwarden.adapters.metadata_database import PostgresMetadata
from airwarden.exporters import FreshnessTarget
from airwarden.exporters.collectors.assets import AssetsCollector
from airwarden.exporters.collectors.dag_runs import DagRunsCollector
from airwarden.exporters.collectors.dags import DagsCollector
from airwarden.exporters.collectors.database import DatabaseCollector
from airwarden.exporters.collectors.heartbeats import HeartbeatsCollector
from airwarden.exporters.collectors.pools import PoolsCollector
from airwarden.exporters.collectors.task_instances import TaskInstancesCollector
from airwarden.exporters.labels import DagRegistry
from airwarden.exporters.sightings import DAY, HOUR
from airwarden.exporters.sources import DagRule
from support.airflow_rows import AirflowRows, ago, now
from support.eventually import eventually
from support.families import every, live_now, nonzero, totals, values
from support.postgres import Database

Labels = tuple[str, ...]


@pytest.fixture
def runs(database: PostgresMetadata) -> DagRunsCollector:
    clock = SystemClock()
    return DagRunsCollector(database, DagRegistry(database, (), clock, miss=0.0), clock)


FINISHED = "dag_runs_finished_total"
TASKS = "task_instances_finished_total"


def test_history_is_not_counted_and_each_end_is_once(
    rows: AirflowRows, runs: DagRunsCollector
) -> None:
    dag = rows.dag("orders", "tier:critical", "team:commerce", "type:etl")
    rows.run(dag, "success")
    open_run = rows.run(dag)
    assert values(runs, FINISHED) == {}

    rows.end(open_run, "failed")
    rows.run(dag, "success", run_type="manual")
    kind = ("etl", "critical", "commerce")
    for _ in range(2):
        assert values(runs, FINISHED) == {
            ("failed", "scheduled", *kind): 1,
            ("success", "manual", *kind): 1,
        }
    families = runs.collect()
    assert nonzero(families, "dag_run_duration_seconds") == {
        ("failed", "etl", "critical"): 1,
        ("success", "etl", "critical"): 1,
    }
    assert nonzero(families, "dag_run_schedule_delay_seconds") == {}


def test_counters_are_born_for_every_kind_of_the_fleet_and_the_six_types(
    rows: AirflowRows, runs: DagRunsCollector
) -> None:
    rows.dag("orders", "tier:critical", "team:commerce", "type:etl")
    rows.dag("gone", "type:reporting", "team:gone", is_stale=True)
    (family,) = [f for f in runs.collect() if f.metric.name == f"airwarden_{FINISHED}"]
    series = {labels for labels, value in family.samples if value == 0}
    assert ("failed", "scheduled", "etl", "critical", "commerce") in series
    types = {labels[2] for labels in series}
    assert types >= {"etl", "ml_training", "analytics", "data_quality", "reporting", "ad_hoc"}
    assert "gone" not in {labels[4] for labels in series}


def test_a_run_that_is_committed_late_with_a_lower_id_is_counted(
    rows: AirflowRows, runs: DagRunsCollector, airflow: Database
) -> None:
    dag = rows.dag("orders")
    rows.run(dag, "success")
    runs.collect()
    late = AirflowRows.__new__(AirflowRows)  # the bundle is there already
    late.database, late._numbers = airflow, rows._numbers
    late.connection = psycopg.connect(airflow.dsn)
    lower = late.run(dag, "success")
    higher = rows.run(dag, "failed")
    assert lower < higher
    assert values(runs, FINISHED) == {("failed", "scheduled", *["unset"] * 3): 1}
    late.connection.commit()
    late.close()
    for _ in range(2):
        assert sum(values(runs, FINISHED).values()) == 2


def test_a_cleared_run_is_counted_at_its_second_end_and_its_other_tasks_are_not(
    rows: AirflowRows, runs: DagRunsCollector
) -> None:
    dag = rows.dag("orders")
    runs.collect()
    run = rows.run(dag)
    start, end = now(), now()
    good = rows.task(run, "good", "success", start_date=start, end_date=end)
    bad = rows.task(run, "bad", "failed", start_date=start, end_date=end)
    rows.end(run, "failed")
    unset = ("default", "unset", "unset")
    assert values(runs, TASKS) == {("success", *unset): 1, ("failed", *unset): 1}

    again = rows.next_try(bad, state="scheduled")
    rows.connection.execute(
        "UPDATE dag_run SET state = 'queued', end_date = NULL, queued_at = clock_timestamp()"
    )
    runs.collect()
    rows.set_task(again, state="success", queued_dttm=now(), start_date=now(), end_date=now())
    rows.end(run)
    for _ in range(2):
        assert values(runs, TASKS) == {("success", *unset): 2, ("failed", *unset): 1}
    assert sum(values(runs, FINISHED).values()) == 2
    assert good


def test_attempts_of_an_open_run_are_counted_as_they_change_and_not_again_at_its_end(
    rows: AirflowRows, runs: DagRunsCollector
) -> None:
    dag = rows.dag("orders", "tier:low", "team:ops")
    runs.collect()
    run = rows.run(dag)
    task = rows.task(run, "work", "running", start_date=now() + timedelta(seconds=1))
    assert values(runs, "task_instances_started_total") == {("default",): 1}

    second = rows.next_try(task)
    labels = ("default", "low", "ops")
    assert values(runs, TASKS) == {("up_for_retry", *labels): 1}
    assert values(runs, "task_attempts") == {}
    rows.set_task(
        second, state="queued", pool="small", scheduled_dttm=now() + timedelta(seconds=3),
        queued_dttm=now() + timedelta(seconds=5), end_date=None,
    )  # fmt: skip
    assert values(runs, "task_instances_started_total") == {("default",): 1}
    rows.set_task(
        second,
        state="success",
        start_date=now() + timedelta(seconds=8),
        end_date=now() + timedelta(seconds=9),
    )
    rows.end(run)
    for _ in range(2):
        families = runs.collect()
        assert nonzero(families, TASKS) == {("up_for_retry", *labels): 1, ("success", *labels): 1}
        assert nonzero(families, "task_instances_started_total") == {("default",): 2}
        assert nonzero(families, "task_queue_wait_seconds") == {("default",): 2}
        # When the first was scheduled is not known.
        assert nonzero(families, "task_schedule_wait_seconds") == {("small",): 1}
        assert totals(families, "task_attempts") == {("low",): 2.0}
        assert nonzero(families, "task_duration_seconds") == {("default", "low"): 2}


def test_what_never_ran_has_no_duration(rows: AirflowRows, runs: DagRunsCollector) -> None:
    dag = rows.dag("orders")
    runs.collect()
    run = rows.run(dag)
    for state in ("upstream_failed", "skipped"):
        moment = now()
        rows.task(
            run, state, state, try_number=0, queued_dttm=None, start_date=moment, end_date=moment
        )
    rows.end(run, "failed")
    families = runs.collect()
    assert sum(nonzero(families, TASKS).values()) == 2
    assert nonzero(families, "task_duration_seconds") == {}
    assert nonzero(families, "task_instances_started_total") == {}


def test_a_failure_between_two_queries_loses_and_repeats_nothing(
    rows: AirflowRows, database: PostgresMetadata
) -> None:
    class Breaking:
        """Fails the n-th query from now."""

        def __init__(self) -> None:
            self.countdown = -1

        def __getattr__(self, name: str) -> object:
            return getattr(database, name)

        def rows(self, query: str, **parameters: object) -> object:
            self.countdown -= 1
            if self.countdown == 0:
                raise ConnectionError(query)
            return database.rows(query, **parameters)

    breaking, clock = Breaking(), SystemClock()
    registry = DagRegistry(database, (), clock, miss=0.0)
    runs = DagRunsCollector(breaking, registry, clock)  # type: ignore[arg-type]
    dag = rows.dag("orders")
    runs.collect()
    ends = 0
    for fails_at in range(1, 8):  # each query of a look
        run = rows.run(dag)
        breaking.countdown = -1
        runs.collect()
        rows.task(run, "work", "success", start_date=now(), end_date=now())
        rows.end(run)
        rows.task(rows.run(dag, "success"), "work", "success", start_date=now(), end_date=now())
        ends += 2
        breaking.countdown = fails_at
        try:
            runs.collect()
        except ConnectionError:
            runs.collect()
        breaking.countdown = -1
        families = runs.collect()
        assert sum(nonzero(families, FINISHED).values()) == ends
        assert sum(nonzero(families, TASKS).values()) == ends


def test_queues_and_teams_that_vanish_take_their_series_with_them(
    rows: AirflowRows, database: PostgresMetadata
) -> None:
    clock = FakeClock()
    registry = DagRegistry(database, (), clock, keep=0.0, miss=0.0)
    runs = DagRunsCollector(database, registry, clock)
    rows.dag("stays", "team:stays")
    gone = rows.dag("goes", "team:goes")
    runs.collect()
    run = rows.run(gone)
    rows.task(run, "work", "success", queue="gpu", start_date=now(), end_date=now())
    rows.end(run)
    families = runs.collect()
    assert nonzero(families, TASKS) == {("success", "gpu", "unset", "goes"): 1}
    started = "task_instances_started_total"
    assert every(families, started) == {("gpu",): 1, ("default",): 0}

    rows.connection.execute("UPDATE dag SET is_stale = true WHERE dag_id = 'goes'")
    clock.advance(HOUR - 1)
    assert "goes" in {labels[-1] for labels in every(runs.collect(), FINISHED)}
    clock.advance(2)
    families = runs.collect()
    assert "goes" not in {labels[-1] for labels in every(families, FINISHED)}
    assert ("gpu",) in every(families, started), "a queue may be quiet"
    clock.advance(DAY)
    assert every(runs.collect(), started) == {("default",): 0}


def test_open_runs_and_live_tasks_by_state(
    rows: AirflowRows, runs: DagRunsCollector, database: PostgresMetadata
) -> None:
    dag = rows.dag("orders", "tier:high", "team:ops")
    run = rows.run(dag)
    rows.run(dag, "queued")
    for state in ("queued", "queued", "running", "up_for_retry", "success", None):
        rows.task(run, f"t{state}{now().timestamp()}", state, queue="gpu")
    assert values(runs, "dag_runs") == {("running", "high", "ops"): 1, ("queued", "high", "ops"): 1}

    tasks = TaskInstancesCollector(live_now(database), FakeClock())
    assert values(tasks, "task_instances") == {
        ("queued", "gpu", "default_pool"): 2,
        ("running", "gpu", "default_pool"): 1,
        ("up_for_retry", "gpu", "default_pool"): 1,
    }
    rows.connection.execute("UPDATE task_instance SET state = 'success'")
    (family,) = tasks.collect()
    assert {labels for labels, value in family.samples if value == 0} >= {
        ("queued", "gpu", "default_pool"),
        ("queued", "default", "default_pool"),
    }


def test_what_a_paused_dag_holds_back_is_counted_apart_and_what_it_has_under_way_is_not(
    rows: AirflowRows, database: PostgresMetadata
) -> None:
    """A breaker that pauses DAGs must not look like a scheduler that stands still."""
    for dag in (rows.dag("on"), rows.dag("off", is_paused=True)):
        run = rows.run(dag)
        for state in ("scheduled", "queued", "running", "up_for_retry"):
            rows.task(run, state, state)
    place = ("default", "default_pool")
    assert values(TaskInstancesCollector(live_now(database), FakeClock()), "task_instances") == {
        ("scheduled", *place): 1,
        ("scheduled_paused", *place): 1,
        ("queued", *place): 2,
        ("running", *place): 2,
        ("up_for_retry", *place): 2,
    }


def test_pools_are_counted_by_slots(rows: AirflowRows, database: PostgresMetadata) -> None:
    rows.insert("slot_pool", pool="gpu", slots=8, include_deferred=True)
    run = rows.run(rows.dag("d"))
    for state, slots in (("running", 2), ("queued", 1), ("deferred", 3), ("scheduled", 9)):
        rows.task(run, state, state, pool="gpu", pool_slots=slots)
    pools = values(PoolsCollector(live_now(database), None), "pool_slots")
    gpu = {state: slots for (pool, state), slots in pools.items() if pool == "gpu"}
    assert gpu == {
        "total": 8, "running": 2, "queued": 1, "deferred": 3, "scheduled": 9, "open": 2,
    }  # fmt: skip


def test_heartbeats_by_row(rows: AirflowRows, database: PostgresMetadata) -> None:
    def job(kind: str, host: str, started: float, beat: float, state: str = "running") -> str:
        return str(
            rows.insert(
                "job", job_type=kind, hostname=host, state=state,
                start_date=ago(started), latest_heartbeat=ago(beat),
            )
        )  # fmt: skip

    job("SchedulerJob", "a", 900, 300)
    replaced_by = job("SchedulerJob", "a", 200, 1)
    silent = job("SchedulerJob", "b", 900, 300)
    job("TriggererJob", "c", 900, 1, state="success")
    collector = HeartbeatsCollector(SystemClock(), database, None)
    assert set(values(collector, "component_heartbeat_timestamp_seconds")) == {
        ("scheduler", "a", replaced_by),
        ("scheduler", "b", silent),
    }
    assert values(collector, "component_up") == {("scheduler", "a"): 1}


def test_dags_by_status(rows: AirflowRows, database: PostgresMetadata) -> None:
    rows.dag("a")
    rows.dag("b", is_paused=True)
    rows.dag("c", has_import_errors=True)
    rows.dag("d", is_stale=True)
    collector = DagsCollector(DagRegistry(database, (), SystemClock()))
    statuses = ("active", "paused", "import_error", "stale")
    assert values(collector, "dags") == {(status,): 1 for status in statuses}
    assert values(collector, "dags_unowned") == {(): 2}, "a broken and a vanished one run nothing"


def test_dags_of_no_team_are_counted(rows: AirflowRows, database: PostgresMetadata) -> None:
    rows.dag("tagged", "team:growth")
    rows.dag("matched_one")
    rows.dag("nobodys", "tier:low")
    rows.dag("nobodys_paused", is_paused=True)
    rows.dag("proves_a_queue", "airwarden-canary:default")
    rules = (DagRule("matched_*", team="finance"),)
    collector = DagsCollector(DagRegistry(database, rules, SystemClock()))
    assert values(collector, "dags_unowned") == {(): 2}


def test_assets_with_a_target(rows: AirflowRows, database: PostgresMetadata) -> None:
    for name in ("orders", "fresh", "paused", "other"):
        rows.insert(
            "asset", name=name, uri=f"s3://{name}", group="", extra="{}",
            created_at=ago(5000), updated_at=ago(5000),
        )  # fmt: skip
    ids = dict(rows.connection.execute("SELECT name, id FROM asset").fetchall())
    rows.dag("slow", "tier:low", "team:a")
    rows.dag("quick", "tier:critical", "team:b")
    rows.dag("off", is_paused=True)
    makers = [("orders", "slow"), ("orders", "quick"), ("paused", "off")]
    for asset, dag in makers:
        rows.insert(
            "task_outlet_asset_reference", asset_id=ids[asset], dag_id=dag, task_id="t",
            created_at=now(), updated_at=now(),
        )  # fmt: skip
    for asset, seconds in (("orders", 700), ("orders", 60), ("other", 1)):
        rows.insert("asset_event", asset_id=ids[asset], extra="{}", timestamp=ago(seconds))
    rows.run("slow", "success", end_date=ago(50))
    rows.run("slow", "failed", end_date=ago(5))
    rows.dag("tagged", "sla:1h30m")
    rows.run("tagged", "success", end_date=ago(30))

    clock = SystemClock()
    targets = (
        FreshnessTarget("orders", 3600),
        FreshnessTarget("s3://fresh", 60),
        FreshnessTarget("paused", 60),
        FreshnessTarget("missing", 60),
        FreshnessTarget("slow", 120, is_dag=True),
    )
    collector = AssetsCollector(database, DagRegistry(database, (), clock), targets, clock)
    updates = values(collector, "asset_last_update_timestamp_seconds")
    ages = {labels: round(now().timestamp() - at) for labels, at in updates.items()}
    assert ages == {
        ("orders", "critical", "b"): pytest.approx(60, abs=5),
        ("s3://fresh", "unset", "unset"): pytest.approx(5000, abs=5),
        ("dag:slow", "low", "a"): pytest.approx(50, abs=5),
        ("dag:tagged", "unset", "unset"): pytest.approx(30, abs=5),
    }
    assert values(collector, "asset_freshness_sla_seconds") == {
        ("orders",): 3600, ("s3://fresh",): 60, ("dag:slow",): 120, ("dag:tagged",): 5400,
    }  # fmt: skip


def test_sessions_and_who_holds_the_schedulers_lock(
    airflow: Database, database: PostgresMetadata
) -> None:
    collector = DatabaseCollector(database)
    assert nonzero(collector.collect(), "db_scheduler_lock_held_seconds") == {}
    with psycopg.connect(f"{airflow.dsn}?application_name=notebook") as holder:
        holder.execute("SELECT * FROM slot_pool FOR UPDATE")

        def held() -> dict[Labels, float]:
            return nonzero(collector.collect(), "db_scheduler_lock_held_seconds")

        assert list(eventually(held, within=5)) == [("notebook",)]
        families = collector.collect()
        assert ("notebook",) in nonzero(families, "db_idle_in_transaction_age_seconds")
        connections = nonzero(families, "db_connections")
        assert connections["idle in transaction", "notebook", "postgres"] == 1
        limit = nonzero(families, "db_connections_max")[()]
        ratio = nonzero(families, "db_connection_utilization_ratio")[()]
        assert ratio == pytest.approx(sum(connections.values()) / limit)
    assert nonzero(collector.collect(), "db_up") == {(): 1}
