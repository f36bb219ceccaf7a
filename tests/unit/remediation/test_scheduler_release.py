"""`scheduler.release`: one scheduler, and only where slots look taken that no worker has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airwarden.core.errors import UnavailableError
from airwarden.core.platform import (
    Component,
    HostProcess,
    ProcessState,
    TaskInstance,
    TaskKey,
    Worker,
)
from airwarden.remediation.actions.base import Nothing, Plan, ReadBack, Refused
from airwarden.remediation.actions.scheduler_release import SchedulerRelease
from support.small_world import Small, ago, job, subject

ACTION = SchedulerRelease()


def scheduler(name: str, started: float) -> HostProcess:
    return HostProcess(
        name, Component.SCHEDULER, ProcessState.RUNNING, started_at=ago(started),
        incarnation=f"uid-{name}/0", unit="airflow-scheduler",
    )  # fmt: skip


def running(count: int) -> list[TaskInstance]:
    return [
        TaskInstance(TaskKey("orders", f"run_{n}", "load"), f"{n}", "running", 1, 2)
        for n in range(count)
    ]


@pytest.fixture
def small() -> Small:
    """Two pods of schedulers that beat, their 64 slots taken, and workers that have 3 tasks."""
    made = Small()
    made.host.known = [scheduler("b", 1800), scheduler("a", 3600)]
    made.airflow.job_rows = [job(1, started=3595), job(2, started=1795)]
    made.airflow.tasks = running(64)
    made.workers.known = [Worker("w@box", ("default",), 3, 0, 16)]
    return made


def plan(small: Small) -> Plan | Nothing | Refused:
    return ACTION.plan(small.world(), subject({"component": "scheduler"}), {})


def test_the_one_that_has_run_for_longest_is_replaced_and_no_other(small: Small) -> None:
    planned = plan(small)
    assert isinstance(planned, Plan), planned
    (effect,) = planned.effects
    assert (effect.parameters["process"], effect.target) == ("a", "prod/process/airflow-scheduler")
    assert ACTION.read_back(small.world(), effect) is ReadBack.NOT_DONE
    small.host.known = [scheduler("b", 1800), scheduler("c", 0)]
    assert ACTION.read_back(small.world(), effect) is ReadBack.DONE


def test_after_one_was_replaced_the_other_is_left(small: Small) -> None:
    small.host.known[1] = replace(small.host.known[1], started_at=ago(-1))
    assert isinstance(plan(small), Nothing)


@pytest.mark.parametrize(
    ("tasks", "active", "slots"),
    [(63, 3, 16), (64, 16, 16), (64, 63, 80)],
    ids=["room", "busy workers", "real tasks"],
)
def test_where_slots_do_not_only_look_taken_nothing_is_restarted(
    small: Small, tasks: int, active: int, slots: int
) -> None:
    small.airflow.tasks = running(tasks)
    small.workers.known = [Worker("w@box", ("default",), active, 0, slots)]
    refused = plan(small)
    assert isinstance(refused, Refused)
    assert "would release nothing" in refused.reason


def test_the_only_scheduler_is_not_taken_away(small: Small) -> None:
    small.host.known = small.host.known[1:]
    refused = plan(small)
    assert isinstance(refused, Refused)
    assert "only one scheduler" in refused.reason


def test_a_late_one_and_a_slow_database_come_first(small: Small) -> None:
    small.airflow.job_rows[0] = job(1, started=3595, beat=90)
    small.airflow.tasks = running(32)
    late = plan(small)
    assert isinstance(late, Refused)
    assert "is late" in late.reason
    small.airflow.job_rows[0] = job(1, started=3595)
    small.airflow.tasks = running(64)
    small.database.error = UnavailableError("no answer")
    slow = plan(small)
    assert isinstance(slow, Refused)
    assert slow.cause == "metadata database slow"


def test_workers_that_cannot_be_asked_are_unreadable(small: Small) -> None:
    with pytest.raises(UnavailableError):
        ACTION.plan(small.world(workers=None), subject({}), {})


def test_a_worker_that_runs_and_does_not_answer_may_have_the_tasks(small: Small) -> None:
    """Its tasks are on nobody's list while it is busy, or cut off from the broker."""
    small.host.known.append(
        HostProcess("w2", Component.WORKER, ProcessState.RUNNING, celery_hostname="w2@box")
    )
    with pytest.raises(UnavailableError, match="w2 is running and does not answer"):
        plan(small)
    small.host.put(replace(small.host.get("w2"), state=ProcessState.EXITED))
    assert isinstance(plan(small), Plan)
