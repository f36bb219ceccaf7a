"""Checks that tell a person what is the matter: each true where it is, false where it is not, unknown where unread."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airwarden.core.errors import UnavailableError
from airwarden.core.platform import Component, Dag, Job, Pool, TaskInstance, TaskKey, Worker
from airwarden.remediation.checks.base import Check, Reading, Verdict
from airwarden.remediation.checks.diagnosis import (
    ApiServerSlow,
    DeferredStuck,
    ExecutorFull,
    PhantomTasks,
    PoolsFull,
    TaskHeldBack,
)
from support.small_world import Small, ago, subject

T, F, U = Verdict.TRUE, Verdict.FALSE, Verdict.UNKNOWN
TRIGGER = "airflow.providers.standard.triggers.temporal.TimeDeltaTrigger"


def read(check: Check, small: Small, **parameters: float) -> Reading:
    return check.read(small.world(), subject({}), parameters)


def tasks(count: int, state: str, dag_id: str = "orders") -> list[TaskInstance]:
    return [
        TaskInstance(TaskKey(dag_id, f"run_{n}", "load"), f"{state}-{n}", state, 1, 2)
        for n in range(count)
    ]


def job(component: Component, hostname: str, beat: float) -> Job:
    return Job(1, component, hostname, "running", ago(3600), ago(beat))


@pytest.fixture
def small() -> Small:
    small = Small()
    small.database.error = UnavailableError("not for this")
    small.airflow.job_rows = [job(Component.SCHEDULER, "s0", 2), job(Component.TRIGGERER, "t0", 2)]
    small.airflow.dag_rows = [Dag("orders", False, ()), Dag("resting", True, ())]
    small.workers.known = [Worker("w0@box", ("default",), 3, 0, 4)]
    return small


def test_a_full_pool_is_named_and_one_that_nobody_waits_for_is_not(small: Small) -> None:
    small.airflow.pool_rows = [Pool("idle", 2, running=2), Pool("wide", -1, scheduled=9, open=-1)]
    assert read(PoolsFull(), small).verdict is F
    small.airflow.pool_rows.append(Pool("etl", 4, running=4, scheduled=12))
    found = read(PoolsFull(), small)
    assert (found.verdict, found.sentence) == (T, "full pools: etl (4 slots, 12 wait)")


@pytest.mark.parametrize(("count", "verdict"), [(31, F), (32, T)])
def test_the_executor_is_full_at_the_parallelism_of_the_schedulers_that_beat(
    small: Small, count: int, verdict: Verdict
) -> None:
    small.airflow.job_rows.append(job(Component.SCHEDULER, "dead", 90))
    small.airflow.tasks = [*tasks(20, "running"), *tasks(count - 20, "queued", "other")]
    assert read(ExecutorFull(), small).verdict is verdict
    assert read(ExecutorFull(), small, parallelism=64).verdict is F


def test_without_a_scheduler_nobody_can_say_that_the_executor_is_full(small: Small) -> None:
    small.airflow.job_rows = []
    assert read(ExecutorFull(), small).verdict is F


def test_slots_that_only_look_taken_are_seen_from_both_sides(small: Small) -> None:
    small.airflow.tasks = tasks(4, "running")
    assert read(PhantomTasks(), small).verdict is F
    small.airflow.tasks = tasks(16, "running")
    found = read(PhantomTasks(), small)
    assert found.verdict is T
    assert found.sentence == (
        "Airflow counts 16 running tasks; the workers (1) work on 3 and have 4 slots"
    )
    small.workers.known = [replace(small.workers.known[0], active=4)]
    assert read(PhantomTasks(), small).verdict is F
    small.workers.error = UnavailableError("no reply")
    assert read(PhantomTasks(), small).verdict is U


def test_what_airflow_says_of_the_task_that_waited_longest_is_told(small: Small) -> None:
    assert read(TaskHeldBack(), small).verdict is F
    old, new = (replace(one, scheduled_when=ago(60)) for one in tasks(2, "scheduled"))
    old = replace(old, scheduled_when=ago(900))
    resting = replace(tasks(1, "scheduled", "resting")[0], scheduled_when=ago(9000))
    small.airflow.tasks = [new, resting, old]
    assert read(TaskHeldBack(), small).verdict is F
    small.airflow.reasons[old.key] = ["Pool Slots Available: there are 0 open slots in etl"]
    found = read(TaskHeldBack(), small)
    assert found.verdict is T
    assert found.sentence == (
        "orders.load has waited longest of 2: Pool Slots Available: there are 0 open slots in etl"
    )


def test_deferred_work_is_told_by_its_trigger_and_where_it_waits(small: Small) -> None:
    fresh, old, lost = (
        replace(one, trigger=TRIGGER, triggerer="t0", deferred_since=ago(60))
        for one in tasks(3, "deferred")
    )
    small.airflow.tasks = [fresh]
    assert read(DeferredStuck(), small).verdict is F
    old = replace(old, deferred_since=ago(1200))
    lost = replace(lost, deferred_since=ago(1200), triggerer="")
    small.airflow.tasks = [fresh, old, lost]
    found = read(DeferredStuck(), small)
    assert found.verdict is T
    assert found.sentence == (
        "deferred for long: 1 by TimeDeltaTrigger on t0, 1 by TimeDeltaTrigger on no triggerer;"
        " beating triggerers: t0; 1 wait at none of those"
    )
    small.airflow.job_rows = [job(Component.TRIGGERER, "t0", 90)]
    assert (
        "beating triggerers: none; 2 wait at none of those" in read(DeferredStuck(), small).sentence
    )


def test_an_api_server_is_told_apart_from_its_database(small: Small) -> None:
    small.database.error = None
    small.database.answers["connections"] = [{"sessions": 30, "connections_max": 100}]
    assert read(ApiServerSlow(), small).verdict is F
    itself = read(ApiServerSlow(), small, above=0)
    assert itself.verdict is T
    assert "it is the API server itself" in itself.sentence
    assert "30 of 100 database connections" in itself.sentence
    small.database.seconds = 4.0
    small.airflow.error = UnavailableError("timed out")
    found = read(ApiServerSlow(), small)
    assert found.verdict is T
    assert found.sentence.endswith("so look at the database first")
    assert "does not come (timed out)" in found.sentence


@pytest.mark.parametrize(
    "check", [PoolsFull(), ExecutorFull(), PhantomTasks(), TaskHeldBack(), DeferredStuck()]
)
def test_what_cannot_be_read_is_said_and_is_no_cause(check: Check, small: Small) -> None:
    small.airflow.error = UnavailableError("timed out")
    found = read(check, small)
    assert found.verdict is U
    assert "timed out" in found.sentence or "cannot be read" in found.sentence


def test_a_large_executor_is_counted_whole(small: Small) -> None:
    small.airflow.tasks = tasks(1999, "running")
    assert read(ExecutorFull(), small, parallelism=2000).verdict is F
    small.airflow.tasks = tasks(2000, "running")
    assert read(ExecutorFull(), small, parallelism=2000).verdict is T
