"""Checks on queues, workers and starts: an unreadable source is never taken for a good one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airwarden.core.errors import UnavailableError
from airwarden.core.platform import Component, Dag, TaskInstance, TaskKey, Worker
from airwarden.remediation.checks.base import Check, Verdict
from airwarden.remediation.checks.capacity import QueuedTasksLost, QueuedTasksYoung
from airwarden.remediation.checks.dependencies import BrokerAnswers, BrokerDown
from airwarden.remediation.checks.work import (
    QueueDeep,
    QueueDrained,
    TasksMoving,
    TasksStalled,
    WorkerConsuming,
    WorkerIdle,
    WorkerSilent,
)
from support.small_world import Small, ago, process, subject

T, F, U = Verdict.TRUE, Verdict.FALSE, Verdict.UNKNOWN


@pytest.fixture
def small() -> Small:
    small = Small()
    small.workers.known = [
        Worker("w0@box", ("default",), 3, 1, 4),
        Worker("w1@box", ("default",), 4, 2, 4),
    ]
    small.broker.depths = {"default": 10}
    return small


def verdict(check: Check, small: Small, **labels: str) -> Verdict:
    return check.read(small.world(), subject(labels), {}).verdict


def test_a_queue_is_deep_where_more_wait_than_slots_are_free(small: Small) -> None:
    assert verdict(QueueDeep(), small, queue="default") is T
    small.broker.depths = {"default": 1}
    assert verdict(QueueDeep(), small, queue="default") is F
    small.broker.error = UnavailableError("refused")
    assert verdict(QueueDeep(), small, queue="default") is U


def test_free_slots_of_another_queue_do_not_count(small: Small) -> None:
    small.broker.depths = {"gpu": 1}
    assert verdict(QueueDeep(), small, queue="gpu") is T


def test_what_was_added_for_a_queue_has_a_longest_time(small: Small) -> None:
    def late(seconds: float) -> Verdict:
        one = replace(subject({"queue": "default"}), started_at=ago(seconds))
        return QueueDrained().read(small.world(), one, {"longest": 7200}).verdict

    assert (late(7100), late(7300)) == (F, T)
    small.broker.error = UnavailableError("refused")
    assert late(7300) is U


def test_a_queue_is_drained_at_zero(small: Small) -> None:
    assert verdict(QueueDrained(), small, queue="default") is F
    small.broker.depths = {}
    assert verdict(QueueDrained(), small, queue="default") is T
    small.broker.error = UnavailableError("refused")
    assert verdict(QueueDrained(), small, queue="default") is U


def test_a_silent_worker_is_seen_and_its_idleness_told(small: Small) -> None:
    assert verdict(WorkerSilent(), small, hostname="w1@box") is F
    assert verdict(WorkerConsuming(), small, hostname="w1@box") is T
    small.workers.known[1] = replace(small.workers.known[1], queues=())
    assert verdict(WorkerSilent(), small, hostname="w1@box") is T
    assert verdict(WorkerSilent(), small, hostname="w0@box") is F
    assert verdict(WorkerConsuming(), small) is F
    assert verdict(WorkerIdle(), small, hostname="w1@box") is F
    small.workers.known[1] = Worker("w1@box", (), 0, 0, 4)
    assert verdict(WorkerIdle(), small, hostname="w1@box") is T


def test_a_worker_is_found_by_its_process_too(small: Small) -> None:
    small.host.known = [process("workers:w1", Component.WORKER, celery="w1@box")]
    small.workers.known[1] = replace(small.workers.known[1], queues=())
    assert verdict(WorkerSilent(), small, process="workers:w1") is T


def test_workers_that_do_not_answer_do_not_consume(small: Small) -> None:
    small.workers.known = []
    assert verdict(WorkerConsuming(), small) is F
    small.workers.error = UnavailableError("refused")
    for check in (WorkerConsuming(), WorkerSilent(), WorkerIdle()):
        assert verdict(check, small) is U


def test_tasks_move_where_one_started_lately_or_none_waits(small: Small) -> None:
    assert verdict(TasksMoving(), small) is T
    waiting = TaskInstance(TaskKey("d", "r", "t"), "1", "queued", 1, 1)
    started = replace(waiting, state="running", start_date=ago(10))
    small.airflow.tasks = [waiting]
    assert verdict(TasksMoving(), small) is F
    assert verdict(TasksStalled(), small) is T
    small.airflow.tasks = [waiting, started]
    assert verdict(TasksMoving(), small) is T
    small.airflow.tasks = [waiting, replace(started, start_date=ago(120))]
    assert verdict(TasksMoving(), small) is F
    small.airflow.error = UnavailableError("refused")
    assert verdict(TasksMoving(), small) is U
    assert verdict(TasksStalled(), small) is U


def test_one_start_is_seen_among_thousands_of_tasks_that_run_for_long(small: Small) -> None:
    long = TaskInstance(TaskKey("d", "r", "t"), "1", "running", 1, 1, start_date=ago(3600))
    small.airflow.tasks = [
        TaskInstance(TaskKey("d", "r", "w"), "1", "queued", 1, 1),
        *(replace(long, key=TaskKey("d", "r", "t", number)) for number in range(1500)),
        replace(long, key=TaskKey("e", "r", "t"), start_date=ago(10)),
    ]
    assert verdict(TasksMoving(), small) is T


def test_thousands_of_a_paused_dags_tasks_hide_none_that_waits(small: Small) -> None:
    held = TaskInstance(TaskKey("d", "r", "t"), "1", "scheduled", 1, 1)
    small.airflow.tasks = [
        *(replace(held, key=TaskKey("d", "r", "t", number)) for number in range(2500)),
        replace(held, key=TaskKey("e", "r", "t")),
    ]
    small.airflow.dag_rows = [Dag("d", is_paused=True), Dag("e", is_paused=False)]
    assert verdict(TasksMoving(), small) is U
    small.airflow.tasks = small.airflow.tasks[-1500:]
    assert verdict(TasksMoving(), small) is F


@pytest.mark.parametrize("check", [QueuedTasksLost(), QueuedTasksYoung()])
def test_a_task_that_hangs_is_seen_among_thousands_of_other_queues(
    small: Small, check: Check
) -> None:
    young = TaskInstance(
        TaskKey("d", "r", "t"), "1", "queued", 1, 1, queue="spark", queued_when=ago(5)
    )
    others = [replace(young, key=TaskKey("d", "r", "t", number)) for number in range(2500)]
    hung = replace(young, key=TaskKey("e", "r", "t"), queue="default", queued_when=ago(900))
    small.airflow.tasks, small.broker.depths = [*others, hung], {}
    small.workers.known = [Worker("w0@box", ("default", "spark"), 0, 0, 4)]
    lost = check.name == "queued-tasks-lost"
    assert verdict(check, small, queue="default") is (T if lost else F)
    # Of its own queue not all are looked at: none that hangs is no proof that none does.
    small.airflow.tasks = [*others, replace(hung, queue="spark")]
    assert verdict(check, small, queue="spark") is U


def test_a_scheduled_task_of_a_paused_dag_waits_for_nobody(small: Small) -> None:
    held = TaskInstance(TaskKey("d", "r", "t"), "1", "scheduled", 1, 1)
    small.airflow.tasks = [held]
    small.airflow.dag_rows = [Dag("d", is_paused=True), Dag("e", is_paused=False)]
    assert verdict(TasksMoving(), small) is T
    assert verdict(TasksStalled(), small) is F
    small.airflow.tasks = [held, replace(held, key=TaskKey("e", "r", "t"))]
    assert verdict(TasksMoving(), small) is F
    small.airflow.tasks = [replace(held, state="queued")]
    assert verdict(TasksMoving(), small) is F


def test_the_broker_answers_or_is_down(small: Small) -> None:
    assert (verdict(BrokerAnswers(), small), verdict(BrokerDown(), small)) == (T, F)
    small.broker.error = UnavailableError("refused")
    assert (verdict(BrokerAnswers(), small), verdict(BrokerDown(), small)) == (F, T)
