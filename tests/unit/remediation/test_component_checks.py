"""`component-late` and `component-healthy`: what is not seen is never called healthy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airwarden.core.errors import UnavailableError
from airwarden.core.platform import Component, ProcessState, Worker
from airwarden.remediation.checks.base import Reading, Verdict
from airwarden.remediation.checks.component import ComponentHealthy, ComponentLate
from support.small_world import Small, ago, job, process, subject

LATE, HEALTHY = ComponentLate(), ComponentHealthy()


@pytest.fixture
def small() -> Small:
    small = Small()
    small.host.known = [process("scheduler"), process("scheduler2", pid=200, started=1800)]
    small.airflow.job_rows = [job(1), job(2, started=1795)]
    return small


def late(small: Small, **labels: str) -> Reading:
    return LATE.read(small.world(), subject({"component": "scheduler", **labels}), {})


def healthy(small: Small, **labels: str) -> Reading:
    return HEALTHY.read(small.world(), subject({"component": "scheduler", **labels}), {})


def test_two_beating_schedulers_are_healthy_and_not_late(small: Small) -> None:
    assert late(small).verdict is Verdict.FALSE
    assert healthy(small).verdict is Verdict.TRUE


def test_a_frozen_one_is_late_before_its_heartbeat_is(small: Small) -> None:
    small.host.put(replace(small.host.get("scheduler"), state=ProcessState.FROZEN))
    assert late(small).verdict is Verdict.TRUE
    assert healthy(small).verdict is Verdict.FALSE


def test_after_a_restart_the_old_incarnations_heartbeat_does_not_count(small: Small) -> None:
    small.host.put(replace(small.host.get("scheduler"), pid=101, started_at=ago(10)))
    small.airflow.job_rows = [job(1, beat=11), job(2, started=1795)]
    reading = healthy(small)
    assert reading.verdict is Verdict.FALSE
    assert "scheduler" in reading.sentence
    small.airflow.job_rows.append(job(3, started=5, beat=1))
    assert healthy(small).verdict is Verdict.TRUE


def test_one_row_does_not_prove_two_processes(small: Small) -> None:
    small.airflow.job_rows = [job(2, started=1795)]
    assert healthy(small).verdict is Verdict.FALSE


def test_a_late_row_of_a_replaced_incarnation_is_not_late(small: Small) -> None:
    small.host.put(replace(small.host.get("scheduler"), pid=101, started_at=ago(49)))
    small.airflow.job_rows = [job(1, beat=52), job(3, started=44), job(2, started=1795)]
    assert late(small, job_id="1", hostname="box").verdict is Verdict.FALSE


def test_a_silent_row_is_late(small: Small) -> None:
    small.airflow.job_rows = [job(1, beat=45), job(2, started=1795)]
    assert late(small, job_id="1", hostname="box").verdict is Verdict.TRUE
    assert late(small, job_id="2", hostname="box").verdict is Verdict.FALSE


@pytest.mark.parametrize("started", [3595, 7200, 600])
def test_a_dead_scheduler_of_a_host_that_is_not_supervised_here_is_late(
    small: Small, started: float
) -> None:
    """Also where it was started together with the local one, which start times cannot tell apart."""
    small.host.known = [process("scheduler")]
    away = job(7, started=started, beat=90, hostname="other-host")
    small.airflow.job_rows = [job(1), away]
    assert late(small, job_id="7", hostname="other-host").verdict is Verdict.TRUE
    reading = healthy(small, job_id="7", hostname="other-host")
    assert reading.verdict is Verdict.FALSE
    assert "other-host" in reading.sentence
    # Airflow ends the row of a dead job after a while: its host is then no healthier.
    small.airflow.job_rows = [job(1)]
    assert healthy(small, job_id="7", hostname="other-host").verdict is Verdict.FALSE
    small.airflow.job_rows = [job(1), away, job(8, started=40, hostname="other-host")]
    assert late(small, job_id="7", hostname="other-host").verdict is Verdict.FALSE
    assert healthy(small, job_id="7", hostname="other-host").verdict is Verdict.TRUE
    small.airflow.job_rows = [job(1), away]
    assert healthy(small, process="scheduler", hostname="other-host").verdict is Verdict.TRUE


def test_one_of_two_schedulers_of_another_host_that_is_silent_is_not_healthy(small: Small) -> None:
    small.host.known = [process("scheduler")]
    beside = job(6, hostname="other-host")
    small.airflow.job_rows = [job(1), beside, job(7, beat=90, hostname="other-host")]
    assert late(small, job_id="7", hostname="other-host").verdict is Verdict.TRUE
    assert healthy(small, job_id="7", hostname="other-host").verdict is Verdict.FALSE
    assert healthy(small, job_id="6", hostname="other-host").verdict is Verdict.TRUE


def test_a_late_row_of_a_process_that_was_stopped_here_is_not_late(small: Small) -> None:
    small.host.put(replace(small.host.get("scheduler2"), state=ProcessState.STOPPED, pid=None))
    small.airflow.job_rows = [job(1), job(2, started=1795, beat=90)]
    assert late(small).verdict is Verdict.FALSE


@pytest.mark.parametrize(
    ("state", "age", "verdict"),
    [
        (ProcessState.STARTING, 1, Verdict.FALSE),
        (ProcessState.RUNNING, 30, Verdict.FALSE),
        (ProcessState.RUNNING, 130, Verdict.TRUE),
    ],
)
def test_a_restarted_process_has_time_to_write_its_row(
    small: Small, state: ProcessState, age: float, verdict: Verdict
) -> None:
    small.host.known = [process("scheduler", state=state, started=age)]
    small.airflow.job_rows = [job(1, beat=age + 3 if age > 30 else 45)]
    assert late(small, job_id="1", hostname="box").verdict is verdict


def test_a_slow_database_that_hides_the_heartbeats_reads_late(small: Small) -> None:
    small.airflow.error = UnavailableError("timed out")
    small.database.seconds = 4.0
    reading = late(small)
    assert reading.verdict is Verdict.TRUE
    assert "4.00 s" in reading.sentence


def test_unreadable_sources_read_unknown(small: Small) -> None:
    small.airflow.error = UnavailableError("timed out")
    assert late(small).verdict is Verdict.UNKNOWN
    assert healthy(small).verdict is Verdict.UNKNOWN
    small.host.error = UnavailableError("refused")
    assert late(small).verdict is Verdict.UNKNOWN
    assert healthy(small).verdict is Verdict.UNKNOWN


def test_a_component_that_is_stopped_altogether_is_not_healthy(small: Small) -> None:
    for name in ("scheduler", "scheduler2"):
        small.host.put(replace(small.host.get(name), state=ProcessState.STOPPED, pid=None))
    assert healthy(small).verdict is Verdict.FALSE


def test_without_a_host_the_heartbeats_alone_speak(small: Small) -> None:
    world = small.world(host=None)
    about = subject({"component": "scheduler", "hostname": "box", "job_id": "1"})
    assert HEALTHY.read(world, about, {}).verdict is Verdict.TRUE
    small.airflow.job_rows = [job(1, beat=99)]
    assert HEALTHY.read(world, about, {}).verdict is Verdict.FALSE
    assert LATE.read(world, about, {}).verdict is Verdict.TRUE


def test_the_database_is_asked_for_heartbeats_before_rest(small: Small) -> None:
    small.airflow.error = UnavailableError("the API server is down")
    rows = [
        {
            "id": row.id,
            "job_type": kind,
            "hostname": row.hostname,
            "start_date": row.started_at,
            "latest_heartbeat": row.latest_heartbeat,
        }
        for row in (job(1), job(2, started=1795))
        for kind in ("SchedulerJob", "TriggererJob")
    ]
    small.database.answers["jobs"] = rows
    assert healthy(small).verdict is Verdict.TRUE
    small.database.answers["jobs"] = rows[2:]
    assert healthy(small).verdict is Verdict.FALSE


def test_a_worker_is_healthy_when_it_consumes_not_when_it_answers(small: Small) -> None:
    small.host.known = [process("w1", Component.WORKER, celery="w1@box")]
    small.workers.known = [Worker("w1@box", (), 0, 0, 4)]
    assert healthy(small, component="worker").verdict is Verdict.FALSE
    assert late(small, component="worker", hostname="w1@box").verdict is Verdict.FALSE
    small.workers.known = [Worker("w1@box", ("default",), 0, 0, 4)]
    assert healthy(small, component="worker").verdict is Verdict.TRUE
    small.workers.known = []
    assert late(small, component="worker", hostname="w1@box").verdict is Verdict.TRUE


def test_a_worker_that_is_stopped_on_purpose_is_not_late(small: Small) -> None:
    small.host.known = [
        process("w1", Component.WORKER, celery="w1@box"),
        process("w2", Component.WORKER, ProcessState.STOPPED, pid=None),
    ]
    small.workers.known = [Worker("w1@box", ("default",), 0, 0, 4)]
    assert late(small, component="worker").verdict is Verdict.FALSE
    assert healthy(small, component="worker").verdict is Verdict.TRUE


def test_the_api_server_is_healthy_when_it_answers(small: Small) -> None:
    small.host.known = [process("api-server", Component.API_SERVER)]
    assert healthy(small, component="api-server").verdict is Verdict.TRUE
    small.airflow.error = UnavailableError("refused")
    assert healthy(small, component="api-server").verdict is Verdict.FALSE
    assert late(small, component="api-server").verdict is Verdict.TRUE
