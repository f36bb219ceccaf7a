"""`process.restart`: only what is proved dead, or alone silent beside a well database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airwarden.core.errors import ConflictError, UnavailableError
from airwarden.core.platform import Component, ProcessState
from airwarden.remediation.actions.base import Nothing, Plan, ReadBack, Refused
from airwarden.remediation.actions.process import ProcessRestart
from airwarden.remediation.world import Subject
from support.small_world import NOON, Small, ago, job, process, subject

ACTION = ProcessRestart()
SCHEDULER = {"component": "scheduler"}


def plan(small: Small, about: Subject) -> Plan | Nothing | Refused:
    return ACTION.plan(small.world(), about, {})


@pytest.fixture
def two() -> Small:
    """Two schedulers that beat."""
    small = Small()
    small.host.known = [process("scheduler"), process("scheduler2", pid=200, started=1800)]
    small.airflow.job_rows = [job(1), job(2, started=1795)]
    return small


@pytest.mark.parametrize("state", [ProcessState.FROZEN, ProcessState.EXITED, ProcessState.FATAL])
def test_a_process_that_the_host_proves_dead_is_restarted(two: Small, state: ProcessState) -> None:
    two.host.put(replace(two.host.get("scheduler2"), state=state))
    planned = plan(two, subject(SCHEDULER))
    assert isinstance(planned, Plan)
    (effect,) = planned.effects
    assert effect.target == "prod/process/scheduler2"
    assert effect.dead
    assert ACTION.read_back(two.world(), effect) is ReadBack.NOT_DONE
    ACTION.apply(two.world(), effect)
    assert two.host.get("scheduler2").state is ProcessState.RUNNING
    assert ACTION.read_back(two.world(), effect) is ReadBack.DONE


def test_a_second_apply_of_the_same_effect_restarts_nothing(two: Small) -> None:
    two.host.put(replace(two.host.get("scheduler"), state=ProcessState.FROZEN))
    planned = plan(two, subject({**SCHEDULER, "process": "scheduler"}))
    assert isinstance(planned, Plan)
    ACTION.apply(two.world(), planned.effects[0])
    with pytest.raises(ConflictError):
        ACTION.apply(two.world(), planned.effects[0])
    assert len(two.host.calls) == 1


def test_another_incarnation_that_ended_too_is_not_what_was_planned_for(two: Small) -> None:
    two.host.put(replace(two.host.get("scheduler"), state=ProcessState.EXITED, pid=None))
    planned = plan(two, subject({**SCHEDULER, "process": "scheduler"}))
    assert isinstance(planned, Plan)
    two.host.put(replace(two.host.get("scheduler"), started_at=ago(2)))
    with pytest.raises(ConflictError):
        ACTION.apply(two.world(), planned.effects[0])
    assert two.host.calls == []


def test_a_process_that_died_again_after_the_kill_reads_back_as_not_done(two: Small) -> None:
    two.host.put(replace(two.host.get("scheduler"), state=ProcessState.FROZEN))
    planned = plan(two, subject({**SCHEDULER, "process": "scheduler"}))
    assert isinstance(planned, Plan)
    two.host.put(replace(two.host.get("scheduler"), state=ProcessState.EXITED, pid=None))
    assert ACTION.read_back(two.world(), planned.effects[0]) is ReadBack.NOT_DONE


def test_the_supervisor_was_faster(two: Small) -> None:
    """SIGKILL at -50 s, restarted at -49 s; the alert, for the old job row, began at -10 s."""
    two.host.put(replace(two.host.get("scheduler"), pid=101, started_at=ago(49)))
    two.airflow.job_rows = [job(1, beat=52), job(3, started=44), job(2, started=1795)]
    planned = plan(two, subject({**SCHEDULER, "hostname": "box", "job_id": "1"}, began=10))
    assert isinstance(planned, Nothing)
    assert "back" in planned.reason


def test_a_process_newer_than_the_alert_is_left_alone(two: Small) -> None:
    two.host.put(replace(two.host.get("scheduler"), pid=101, started_at=ago(5)))
    planned = plan(two, subject({**SCHEDULER, "process": "scheduler"}))
    assert isinstance(planned, Nothing)
    assert "after the alert began" in planned.reason


def test_a_healthy_twin_is_not_taken_for_the_replaced_one(two: Small) -> None:
    """Both started together; one was killed and restarted by its supervisor: nobody is silent."""
    two.host.known = [
        process("scheduler", pid=101, started=49),
        process("scheduler2", pid=200, started=3600),
    ]
    old = job(1, beat=52, hostname="scheduler-0")
    twin = job(2, hostname="scheduler-1")
    two.airflow.job_rows = [old, twin, job(3, started=44, hostname="scheduler-0")]
    about = subject({**SCHEDULER, "hostname": "scheduler-0", "job_id": "1"}, began=10)
    assert isinstance(plan(two, about), Nothing)


def test_a_late_row_of_a_host_that_is_not_supervised_here_is_refused_not_forgotten(
    two: Small,
) -> None:
    """Nothing that the supervisor says can prove another host's scheduler replaced."""
    away = job(3, started=1790, beat=90, hostname="other-host")
    two.airflow.job_rows = [job(1), job(2, started=1795), away]
    planned = plan(two, subject({**SCHEDULER, "hostname": "other-host", "job_id": "3"}))
    assert isinstance(planned, Refused)
    assert "none could be it" in planned.reason


def test_one_silent_scheduler_beside_a_well_database_is_restarted(two: Small) -> None:
    two.airflow.job_rows = [job(1, beat=90), job(2, started=1795)]
    planned = plan(two, subject({**SCHEDULER, "hostname": "box", "job_id": "1"}))
    assert isinstance(planned, Plan)
    assert planned.effects[0].target == "prod/process/scheduler"
    assert not planned.effects[0].dead


def test_all_late_and_the_database_slow_is_refused_by_name(two: Small) -> None:
    two.airflow.job_rows = [job(1, beat=90), job(2, started=1795, beat=88)]
    two.database.seconds = 2.4
    planned = plan(two, subject({**SCHEDULER, "hostname": "box", "job_id": "1"}))
    assert isinstance(planned, Refused)
    assert planned.cause == "metadata database slow"
    assert "2.40 s" in planned.reason


def test_all_late_and_the_database_unreadable_is_refused_by_name(two: Small) -> None:
    two.airflow.error = UnavailableError("timed out")
    two.database.error = UnavailableError("no answer in 5 s")
    planned = plan(two, subject({**SCHEDULER, "hostname": "box", "job_id": "1"}))
    assert isinstance(planned, Refused)
    assert planned.cause == "metadata database slow"


def test_all_late_with_none_proved_dead_is_refused_even_if_the_database_is_well(two: Small) -> None:
    two.airflow.job_rows = [job(1, beat=90), job(2, started=1795, beat=88)]
    planned = plan(two, subject(SCHEDULER))
    assert isinstance(planned, Refused)
    assert planned.cause == "all schedulers late"


def test_a_lone_dead_scheduler_waits_for_a_slow_database() -> None:
    small = Small()
    small.host.known = [process("scheduler", state=ProcessState.EXITED, pid=None)]
    small.database.seconds = 3.0
    planned = plan(small, subject(SCHEDULER))
    assert isinstance(planned, Refused)
    assert planned.cause == "metadata database slow"
    small.database.seconds = 0.01
    assert isinstance(plan(small, subject(SCHEDULER)), Plan)


def test_one_dead_and_the_other_late_wait_for_a_slow_database(two: Small) -> None:
    """All are late: with the database slow none is restarted, not even the one that is gone."""
    two.host.put(replace(two.host.get("scheduler"), state=ProcessState.EXITED, pid=None))
    two.airflow.job_rows = [job(1, beat=90), job(2, started=1795, beat=88)]
    two.database.seconds = 2.4
    planned = plan(two, subject(SCHEDULER))
    assert isinstance(planned, Refused)
    assert planned.cause == "metadata database slow"
    two.database.seconds = 0.02
    restarted = plan(two, subject(SCHEDULER))
    assert isinstance(restarted, Plan)
    assert [effect.target for effect in restarted.effects] == ["prod/process/scheduler"]


def test_a_dead_one_beside_one_that_beats_is_started_whatever_the_database_does(two: Small) -> None:
    two.host.put(replace(two.host.get("scheduler"), state=ProcessState.EXITED, pid=None))
    two.database.seconds = 2.4
    assert isinstance(plan(two, subject(SCHEDULER)), Plan)


def test_which_of_two_twins_is_silent_is_never_guessed(two: Small) -> None:
    two.host.put(process("scheduler2", pid=200, started=3600))
    two.airflow.job_rows = [job(1, beat=90), job(2)]
    planned = plan(two, subject({**SCHEDULER, "hostname": "box", "job_id": "1"}))
    assert isinstance(planned, Refused)
    assert "cannot be told" in planned.reason


def test_a_process_stopped_on_purpose_stays_stopped(two: Small) -> None:
    two.host.put(replace(two.host.get("scheduler"), state=ProcessState.STOPPED, pid=None))
    assert isinstance(plan(two, subject({**SCHEDULER, "process": "scheduler"})), Refused)


def test_a_starting_process_is_left_to_the_supervisor(two: Small) -> None:
    two.host.put(replace(two.host.get("scheduler"), state=ProcessState.STARTING))
    assert isinstance(plan(two, subject({**SCHEDULER, "process": "scheduler"})), Nothing)


def test_an_unknown_target_is_refused_and_nothing_is_picked_in_its_place(two: Small) -> None:
    two.host.put(replace(two.host.get("scheduler"), state=ProcessState.FROZEN))
    planned = plan(two, subject({**SCHEDULER, "process": "scheduler9"}))
    assert isinstance(planned, Refused)
    assert planned.cause == "unknown target"


def test_an_unreadable_supervisor_raises(two: Small) -> None:
    two.host.error = UnavailableError("connection refused")
    with pytest.raises(UnavailableError):
        plan(two, subject(SCHEDULER))


def test_a_running_api_server_is_never_restarted() -> None:
    small = Small()
    small.host.known = [process("api-server", Component.API_SERVER)]
    small.airflow.error = UnavailableError("timed out")
    planned = plan(small, subject({"component": "api-server"}))
    assert isinstance(planned, Refused)
    small.host.put(process("api-server", Component.API_SERVER, ProcessState.FROZEN))
    assert isinstance(plan(small, subject({"component": "api-server"})), Plan)


def test_a_restart_has_no_way_back(two: Small) -> None:
    two.host.put(replace(two.host.get("scheduler"), state=ProcessState.FROZEN))
    planned = plan(two, subject(SCHEDULER))
    assert isinstance(planned, Plan)
    assert isinstance(ACTION.undo(two.world(), planned.effects[0]), Nothing)
    assert two.clock.now() == NOON
