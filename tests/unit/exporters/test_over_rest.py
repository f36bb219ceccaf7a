"""A cluster without a metadata database: each completion once, ages, and what is absent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from airwarden.adapters.fakes import FakeAirflow, FakeClock, FakeMeasuredAirflow
from airwarden.core import coverage
from airwarden.core.errors import RejectedError, UnavailableError
from airwarden.core.platform import AssetUpdate, Component, Dag, DagRun, TaskInstance, TaskKey
from airwarden.exporters.collector import Collector
from airwarden.exporters.collectors import collectors_for
from airwarden.exporters.families import Family
from airwarden.exporters.rest_reads import DAGS_A_LOOK
from airwarden.exporters.sources import ClusterSources, FreshnessTarget
from support.families import every, nonzero

ORDERS = ("high", "ops")


class World:
    """An Airflow with the DAG `orders`, and its collectors."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.airflow = FakeMeasuredAirflow()
        self.rest = FakeAirflow(self.clock)
        self.airflow.dags["orders"] = Dag("orders", is_paused=False, tags=("tier:high", "team:ops"))
        sources = ClusterSources(
            "x", airflow=self.rest, measured=self.airflow, targets=(FreshnessTarget("sales", 60.0),)
        )
        self.collectors = {c.name: c for c in collectors_for(sources, self.clock)}
        self.collect("dags")

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def collect(self, name: str) -> Sequence[Family]:
        collector: Collector = self.collectors[name]
        return collector.collect()

    def look(self, seconds: float = 30.0) -> Sequence[Family]:
        """Let time pass, and follow runs."""
        self.clock.advance(seconds)
        return self.collect("dag_runs")

    def run(self, state: str, **values: Any) -> DagRun:
        """Put the run `r` in a state, now."""
        run = self.airflow.runs.get(("orders", "r")) or DagRun(
            "orders", "r", state, "scheduled", run_after=self.now, queued_at=self.now
        )
        if state == "running" and run.start_date is None:
            values.setdefault("start_date", self.now)
        values.setdefault("end_date", self.now if state in ("success", "failed") else None)
        self.airflow.put_run(replace(run, state=state, **values))
        return run

    def task(self, state: str, number: int = 1, **values: Any) -> None:
        """Put the task `t` of it in a state, now."""
        key = TaskKey("orders", "r", "t")
        task = self.airflow.tasks.get(key)
        if task is None or task.try_number != number:
            task = TaskInstance(key, "", state, number, 2, queued_when=self.now)
        if state == "running":
            values.setdefault("start_date", self.now)
        if state in ("success", "failed", "up_for_retry"):
            values.setdefault("end_date", self.now)
        self.airflow.put_task(replace(task, state=state, **values))


@pytest.fixture
def world() -> World:
    return World()


def tasks(families: Sequence[Family]) -> dict[str, float]:
    return {k[0]: v for k, v in nonzero(families, "task_instances_finished_total").items()}


def test_a_run_and_its_task_are_counted_once_however_often_they_are_read(world: World) -> None:
    world.look()
    world.run("queued")
    world.look(2)
    world.run("running")
    world.task("running")
    families = world.look(2)
    assert every(families, "dag_runs")["running", *ORDERS] == 1
    world.task("success")
    world.run("success")
    for _ in range(4):
        families = world.look(20)
    assert nonzero(families, "dag_runs_finished_total") == {
        ("success", "scheduled", "unset", *ORDERS): 1
    }
    assert tasks(families) == {"success": 1}
    assert every(families, "task_instances_started_total")["default",] == 1
    assert every(families, "dag_run_schedule_delay_seconds")[ORDERS] == 1


def test_a_task_that_ran_for_long_began_once(world: World) -> None:
    world.look()
    world.run("running")
    world.task("running")
    world.look()
    other = TaskKey("orders", "r", "later")
    for _ in range(10):
        world.look(60)
    began = TaskInstance(other, "", "running", 1, 2, queued_when=world.now, start_date=world.now)
    world.airflow.put_task(began)
    world.look()
    world.task("success")
    for _ in range(4):
        families = world.look(15)
    assert every(families, "task_instances_started_total")["default",] == 2
    assert tasks(families) == {"success": 1}


def test_what_ended_is_counted_once_though_nothing_begins_for_long(world: World) -> None:
    world.look()
    world.run("running")
    world.task("running")
    other = TaskKey("orders", "r", "longer")
    began = TaskInstance(other, "", "running", 1, 2, queued_when=world.now, start_date=world.now)
    world.airflow.put_task(began)
    world.look(10)
    world.task("success")
    for _ in range(10):
        world.look(60)
    world.airflow.put_task(replace(began, state="success", end_date=world.now))
    for _ in range(4):
        families = world.look(15)
    assert tasks(families) == {"success": 2}
    assert every(families, "task_instances_started_total")["default",] == 2


def test_a_task_whose_machine_is_an_hour_ahead_hides_nothing_of_that_hour(world: World) -> None:
    world.look()
    world.run("running")
    key = TaskKey("orders", "r", "ahead")
    future = world.now + timedelta(hours=1)
    begun = TaskInstance(key, "", "success", 1, 2, queued_when=world.now, start_date=future)
    world.airflow.put_task(replace(begun, end_date=future + timedelta(seconds=1)))
    for _ in range(3):
        families = world.look(60)
    assert tasks(families) == {"success": 1}
    world.task("running")
    world.look()
    world.task("success")
    for _ in range(70):
        families = world.look(60)
    assert tasks(families) == {"success": 2}
    assert every(families, "task_instances_started_total")["default",] == 2


def test_what_ended_before_the_start_is_not_counted(world: World) -> None:
    world.run("running")
    world.run("success")
    world.task("running")
    world.task("success")
    world.clock.advance(5)
    world.look()
    families = world.look()
    assert nonzero(families, "dag_runs_finished_total") == {}
    assert tasks(families) == {}


def test_a_run_that_is_cleared_and_ends_again_is_another_completion(world: World) -> None:
    world.look()
    for number in (1, 2):
        world.run("running")
        world.task("running", number)
        world.clock.advance(1)
        world.task("success", number)
        world.run("success")
        families = world.look()
    assert sum(every(families, "dag_runs_finished_total").values()) == 2
    assert tasks(families) == {"success": 2}


def test_attempts_that_came_and_went_between_two_looks_are_counted(world: World) -> None:
    world.look()
    world.run("running")
    for number in (1, 2):
        world.task("running", number)
        world.clock.advance(1)
        world.task("up_for_retry", number)
        world.clock.advance(1)
    world.task("running", 3)
    families = world.look()
    assert tasks(families) == {"up_for_retry": 2}
    world.task("failed", 3)
    families = world.look()
    assert tasks(families) == {"up_for_retry": 2, "failed": 1}
    assert every(families, "task_instances_started_total")["default",] == 3


def test_a_look_that_fails_is_made_up_for(world: World) -> None:
    world.look()
    world.run("running")
    world.run("success")
    world.airflow.break_with(UnavailableError("503"))
    for _ in range(5):
        with pytest.raises(UnavailableError):
            world.look()
    world.airflow.break_with(None)
    families = world.look()
    assert sum(every(families, "dag_runs_finished_total").values()) == 1


def test_open_runs_and_unfinished_tasks_by_age(world: World) -> None:
    world.airflow.dags["off"] = Dag("off", is_paused=True)
    world.clock.advance(700)
    world.collect("dags")
    past = world.now - timedelta(seconds=90)
    world.run("queued", run_after=past, queued_at=past)
    world.airflow.put_run(
        DagRun("off", "r", "queued", run_after=past - timedelta(seconds=99), queued_at=past)
    )
    world.task("queued", queued_when=past, queue="gpu", pool="side", pool_slots=2)
    held = TaskKey("off", "r", "t")
    world.airflow.put_task(TaskInstance(held, "", "scheduled", 1, 0, scheduled_when=past))
    world.collect("dag_runs")
    ages = nonzero(world.collect("late_runs"), "dag_run_oldest_age_seconds")
    assert ages == {("queued", "high"): 90}
    assert nonzero(world.collect("task_instances"), "task_instances") == {
        ("queued", "gpu", "side"): 1, ("scheduled_paused", "default", "default_pool"): 1,
    }  # fmt: skip
    oldest = world.collect("waiting")
    assert nonzero(oldest, "task_oldest_age_seconds") == {("queued", "gpu"): 90}
    assert not any(labels[0] == "deferred" for labels in every(oldest, "task_oldest_age_seconds"))


def test_dags_are_read_in_parts_and_nothing_is_told_before_the_last() -> None:
    clock, airflow = FakeClock(), FakeMeasuredAirflow()
    for number in range(DAGS_A_LOOK + 1):
        airflow.dags[f"d{number}"] = Dag(f"d{number}", is_paused=number == 0)
    sources = ClusterSources("x", airflow=FakeAirflow(clock), measured=airflow)
    collectors = {c.name: c for c in collectors_for(sources, clock)}
    for name in ("dags", "dag_runs"):
        with pytest.raises(UnavailableError, match="2000 of 2001"):
            collectors[name].collect()
    counts = every(collectors["dags"].collect(), "dags")
    assert (counts["active",], counts["paused",]) == (DAGS_A_LOOK, 1)
    collectors["dag_runs"].collect()


def test_more_than_rest_can_give_is_a_refusal_and_no_wrong_number(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airwarden.exporters.rest_reads.MOST_OPEN", 1)
    for number in range(2):
        key = TaskKey("orders", "r", f"t{number}")
        world.airflow.put_task(TaskInstance(key, "", "running", 1, 0))
    with pytest.raises(RejectedError, match="2 are more than the 1"):
        world.collect("task_instances")


def test_the_coverage_lists_exactly_what_is_measured_over_rest(world: World) -> None:
    world.rest.put_job(Component.SCHEDULER, "h")
    world.airflow.errors, world.airflow.warnings = {"dags": 2}, {"non-existent pool": 1}
    world.airflow.assets = [AssetUpdate("sales", "s3://sales", world.now, ("orders",))]
    world.look()
    emitted = {f.metric.name for name in world.collectors for f in world.collect(name)}
    assert emitted == coverage.OVER_REST
    assert not coverage.OVER_REST & coverage.LOST_WITHOUT_DATABASE
    assert every(world.collect("parsing"), "dag_import_errors") == {("dags",): 2}
