"""`process.restart` where a successor has another name (pods of a Deployment): no other rule of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airwarden.core.errors import ConflictError, UnavailableError
from airwarden.core.platform import Component, HostProcess, ProcessState
from airwarden.remediation.actions.base import Effect, Nothing, Plan, ReadBack
from airwarden.remediation.actions.process import ProcessRestart, restart_effect
from airwarden.remediation.checks.base import Verdict
from airwarden.remediation.checks.component import ComponentLate
from support.small_world import Small, ago, job, subject

ACTION = ProcessRestart()
SCHEDULER = {"component": "scheduler"}


def pod(name: str, started: float, state: ProcessState = ProcessState.RUNNING) -> HostProcess:
    return HostProcess(
        f"airflow-scheduler-{name}",
        Component.SCHEDULER,
        state,
        started_at=ago(started),
        incarnation=f"uid-{name}/0",
        unit="airflow-scheduler",
    )


@pytest.fixture
def two() -> Small:
    """Two scheduler pods; the older one has lost its heartbeat."""
    small = Small()
    small.host.known = [pod("a", 3600), pod("b", 1800)]
    small.airflow.job_rows = [job(1, started=3595, beat=90), job(2, started=1795)]
    return small


@pytest.fixture
def effect(two: Small) -> Effect:
    planned = ACTION.plan(two.world(), subject(SCHEDULER), {})
    assert isinstance(planned, Plan)
    (found,) = planned.effects
    return found


def test_the_silent_pod_is_found_and_what_stays_is_the_target(effect: Effect) -> None:
    assert effect.parameters["process"] == "airflow-scheduler-a"
    assert effect.generation == "uid-a/0"
    assert effect.target == "prod/process/airflow-scheduler"


def test_a_worker_pod_is_a_target_of_its_own() -> None:
    worker = replace(pod("a", 10), component=Component.WORKER)

    assert restart_effect("x", "prod", worker).target == "prod/process/airflow-scheduler-a"


def test_a_successor_of_another_name_is_done(two: Small, effect: Effect) -> None:
    assert ACTION.read_back(two.world(), effect) is ReadBack.NOT_DONE
    two.host.known = [pod("b", 1800), pod("c", 1, ProcessState.STARTING)]

    assert ACTION.read_back(two.world(), effect) is ReadBack.DONE


def test_a_pod_that_is_still_ending_is_not_done(two: Small, effect: Effect) -> None:
    two.host.put(replace(pod("a", 3600), state=ProcessState.STOPPING))

    assert ACTION.read_back(two.world(), effect) is ReadBack.NOT_DONE


def test_gone_without_any_successor_is_to_be_read_again(two: Small, effect: Effect) -> None:
    two.host.known = [replace(pod("z", 5), unit="airflow-triggerer")]

    with pytest.raises(UnavailableError, match="no successor"):
        ACTION.read_back(two.world(), effect)


def test_a_pod_that_went_meanwhile_is_not_restarted_under_another_name(
    two: Small, effect: Effect
) -> None:
    two.host.known = [pod("b", 1800), pod("c", 1)]

    with pytest.raises(ConflictError):
        ACTION.apply(two.world(), effect)
    assert two.host.calls == []


def test_a_crash_loop_is_left_to_kubernetes_and_its_last_end_is_told(two: Small) -> None:
    loops = replace(
        pod("a", 3600, ProcessState.STARTING),
        detail="CrashLoopBackOff; last ended: OOMKilled, exit code 137",
    )
    two.host.put(loops)

    confirmed = ComponentLate().read(two.world(), subject(SCHEDULER), {})
    planned = ACTION.plan(two.world(), subject(SCHEDULER), {})

    assert confirmed.verdict is Verdict.TRUE
    assert isinstance(planned, Nothing)
    assert "last ended: OOMKilled, exit code 137" in planned.reason
    assert two.host.calls == []
