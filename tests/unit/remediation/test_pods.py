"""Whole incidents on Kubernetes: the shipped playbooks, the real adapter, a fake API server under its Role."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airwarden.core.platform import Component
from airwarden.remediation.decide.states import IncidentState
from support.kubernetes import Fault
from support.kubernetes import kubelet as status
from support.pods_bench import PodsBench

pytestmark = pytest.mark.reliability


@pytest.fixture
def bench(memory_path: Path) -> Iterator[PodsBench]:
    made = PodsBench(memory_path)
    yield made
    made.close()


def states(bench: PodsBench) -> set[IncidentState]:
    return {one.state for one in bench.incidents()}


FAULTS = {
    "nothing": [],
    "overloaded": [Fault(status=429, retry_after=1, times=6)],
    "no eviction taken on": [Fault("POST", "/eviction", status=503)],
    "a lost reply": [Fault("POST", "/eviction", drop="after")],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_hung_scheduler_is_replaced_once_whatever_the_api_does(
    bench: PodsBench, fault: str
) -> None:
    old, other = bench.pods(Component.SCHEDULER)
    bench.quiet = {old.name}
    bench.run(60)
    for one in FAULTS[fault]:
        bench.cluster.break_with(
            Fault(one.method, one.path, one.status, one.retry_after, one.delay, one.drop, one.times)
        )
    bench.shout("AirflowSchedulerHeartbeatLost", component="scheduler")
    bench.run(8 * 60)

    now = {pod.name for pod in bench.pods(Component.SCHEDULER)}
    assert old.name not in now
    assert other.name in now
    assert len(now) == 2
    assert states(bench) == {IncidentState.RESOLVED}
    assert len(bench.evictions()) == (1 if fault in DONE_AT_ONCE else 2)


DONE_AT_ONCE = ("nothing", "overloaded", "a lost reply")


def test_what_was_done_is_told_on_the_pod(bench: PodsBench) -> None:
    (old, _) = bench.pods(Component.SCHEDULER)
    bench.quiet = {old.name}
    bench.run(60)
    bench.shout("AirflowSchedulerHeartbeatLost", component="scheduler")
    bench.run(10 * 60)

    (event,) = bench.told()
    assert event["reason"] == "AirwardenEvicted"
    assert event["involvedObject"]["name"] == old.name
    assert bench.done() == [f"restart {old.name} (running)"]


def test_a_silent_worker_is_replaced_once_it_is_idle(bench: PodsBench) -> None:
    (old, other) = bench.pods(Component.WORKER)
    bench.workers.put(old.celery_hostname, queues=())
    bench.shout("AirflowWorkerSilent", component="worker", hostname=old.celery_hostname)
    bench.run(10 * 60)

    now = {pod.name: pod.generation for pod in bench.pods(Component.WORKER)}
    assert now[old.name] != old.generation
    assert now[other.name] == other.generation
    assert states(bench) == {IncidentState.RESOLVED}


def test_a_crash_loop_gets_no_restart_and_one_page_with_its_last_end(bench: PodsBench) -> None:
    for pod in bench.at.pods("airflow-scheduler"):
        told = status.crash_loop(
            pod, bench.cluster.moment(), reason="OOMKilled", code=137, restarts=7
        )
        bench.at.tell(pod, told)
    bench.run(60)
    bench.shout("AirflowSchedulerHeartbeatLost", component="scheduler")
    bench.run(12 * 60)

    assert bench.evictions() == []
    pages = [one for one in bench.recorder.events if one.action == "trigger"]
    assert len({one.dedup_key for one in pages}) == 1
    assert "last ended: OOMKilled, exit code 137" in repr(pages)


def test_pods_that_no_node_takes_get_no_restart_and_one_page_with_the_reason(
    bench: PodsBench,
) -> None:
    for pod in bench.at.pods("airflow-scheduler"):
        told = status.unschedulable(
            "0/3 nodes are available: insufficient cpu", bench.cluster.moment()
        )
        bench.at.tell(pod, {**told, "containerStatuses": None})
    bench.run(60)
    bench.shout("AirflowSchedulerHeartbeatLost", component="scheduler")
    bench.run(12 * 60)

    assert bench.evictions() == []
    pages = [one for one in bench.recorder.events if one.action == "trigger"]
    assert len({one.dedup_key for one in pages}) == 1
    assert "insufficient cpu" in repr(pages)


def test_a_disruption_budget_is_not_overruled_and_the_page_names_it(bench: PodsBench) -> None:
    selector = {"matchLabels": {"app": "airflow-scheduler"}}
    bench.at.create("poddisruptionbudgets", "guard", spec={"minAvailable": 2, "selector": selector})
    (old, _) = bench.pods(Component.SCHEDULER)
    bench.quiet = {old.name}
    bench.run(60)
    bench.shout("AirflowSchedulerHeartbeatLost", component="scheduler")
    bench.run(12 * 60)

    assert old.name in {pod.name for pod in bench.pods(Component.SCHEDULER)}
    pages = [one for one in bench.recorder.events if one.action == "trigger"]
    assert pages
    assert "guard" in repr(pages)
