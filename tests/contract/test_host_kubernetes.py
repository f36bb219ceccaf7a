"""The `Host` port over pods, on the API that `kubernetes_api/` holds against a real one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from airwarden.adapters.host_kubernetes import KubernetesHost
from airwarden.adapters.kubernetes import KubernetesNamespace
from airwarden.core.errors import ConflictError, NotFoundError, RejectedError, UnavailableError
from airwarden.core.platform import Component, HostProcess, ProcessState
from support.kubernetes import Fault
from support.kubernetes import kubelet as status
from support.kubernetes.resources import BY_PLURAL
from support.kubernetes.site import Site, site
from support.kubernetes.store import now

SCHEDULER, WORKER = Component.SCHEDULER, Component.WORKER


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path, kubelet=True) as made:
        if made.fake is None:
            pytest.skip("kubelets are faked here")
        yield made


@pytest.fixture
def host(at: Site) -> KubernetesHost:
    return KubernetesHost(KubernetesNamespace(at.api, at.namespace), appear_timeout=0.5)


def only(host: KubernetesHost, component: Component) -> HostProcess:
    (found,) = host.processes(component)
    return found


def test_pods_are_processes_that_say_since_when(at: Site, host: KubernetesHost) -> None:
    at.chart("scheduler")
    at.chart("worker", stable=True)
    scheduler, worker = only(host, SCHEDULER), only(host, WORKER)

    assert (scheduler.state, scheduler.unit) == (ProcessState.RUNNING, "airflow-scheduler")
    assert scheduler.started_at is not None
    assert scheduler.started_at.utcoffset() is not None
    assert (worker.name, worker.unit) == ("airflow-worker-0", "")
    assert worker.celery_hostname == "celery@airflow-worker-0"
    assert len(host.processes()) == 2


def test_a_restart_evicts_exactly_the_incarnation_that_was_seen(
    at: Site, host: KubernetesHost
) -> None:
    at.chart("scheduler")
    old = only(host, SCHEDULER)

    host.restart(old.name, generation=old.generation)

    new = only(host, SCHEDULER)
    assert (new.unit, new.state) == (old.unit, ProcessState.RUNNING)
    assert new.name != old.name
    with pytest.raises(NotFoundError):
        host.restart(old.name, generation=old.generation)
    with pytest.raises(ConflictError, match="read it again"):
        host.restart(new.name, generation=old.generation)
    assert only(host, SCHEDULER) == new


def test_a_container_that_was_restarted_is_another_incarnation(
    at: Site, host: KubernetesHost
) -> None:
    at.chart("worker", stable=True)
    old = only(host, WORKER)
    (pod,) = at.pods("airflow-worker", 1)
    at.tell(pod, status.running(pod, now(), restarts=1))

    assert only(host, WORKER).generation != old.generation
    with pytest.raises(ConflictError):
        host.restart(old.name, generation=old.generation)


def test_a_crash_loop_is_starting_and_says_how_it_ended(at: Site, host: KubernetesHost) -> None:
    at.chart("scheduler")
    (pod,) = at.pods("airflow-scheduler", 1)
    at.tell(pod, status.crash_loop(pod, now(), reason="Error", code=1, restarts=6))

    found = only(host, SCHEDULER)
    assert found.state is ProcessState.STARTING
    assert "CrashLoopBackOff" in found.detail
    assert "last ended: Error, exit code 1" in found.detail


def test_what_has_ended_for_good_is_no_process(at: Site, host: KubernetesHost) -> None:
    at.chart("scheduler")
    (pod,) = at.pods("airflow-scheduler", 1)
    at.tell(pod, status.evicted("The node was low on resource: memory", now()))

    found = only(host, SCHEDULER)
    assert found.name != pod["metadata"]["name"]
    assert found.state is ProcessState.RUNNING


def test_a_pod_that_takes_its_time_to_end_is_stopping_and_not_evicted_again(
    at: Site, host: KubernetesHost
) -> None:
    assert at.fake is not None
    at.chart("worker", stable=True)
    old = only(host, WORKER)
    at.fake.kubelet = False

    host.restart(old.name, generation=old.generation)
    assert only(host, WORKER).state is ProcessState.STOPPING
    host.restart(old.name, generation=old.generation)

    evictions = [path for verb, path in at.fake.faults.requests if path.endswith("/eviction")]
    assert len(evictions) == 1
    at.fake.kubelet = True
    at.api.delete(at.path("pods", old.name), grace=0)
    assert only(host, WORKER).generation != old.generation


def test_a_budget_forbids_and_nothing_happens(at: Site, host: KubernetesHost) -> None:
    at.chart("scheduler")
    selector = {"matchLabels": {"app": "airflow-scheduler"}}
    at.create("poddisruptionbudgets", "guard", spec={"minAvailable": 1, "selector": selector})
    old = only(host, SCHEDULER)

    with pytest.raises(RejectedError, match="guard"):
        host.restart(old.name, generation=old.generation)
    assert only(host, SCHEDULER) == old


def test_starting_what_runs_does_nothing_and_stopping_is_refused(
    at: Site, host: KubernetesHost
) -> None:
    at.chart("worker", stable=True)
    old = only(host, WORKER)

    host.start(old.name)
    with pytest.raises(RejectedError, match="scale"):
        host.stop(old.name)
    with pytest.raises(NotFoundError):
        host.start("airflow-worker-7")
    assert only(host, WORKER) == old


def test_a_successor_that_cannot_be_seen_is_no_failure(at: Site, host: KubernetesHost) -> None:
    assert at.fake is not None
    at.chart("scheduler")
    old = only(host, SCHEDULER)
    at.fake.store.create(
        BY_PLURAL["resourcequotas"], at.namespace, {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "0"}}},
    )  # fmt: skip

    host.restart(old.name, generation=old.generation)

    assert host.processes(SCHEDULER) == []


def test_an_eviction_that_was_taken_on_is_no_refusal_although_nobody_may_look_after_it(
    at: Site, host: KubernetesHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert at.fake is not None
    fake, create = at.fake, at.api.create
    at.chart("scheduler")
    old = only(host, SCHEDULER)

    def taken_on(path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = create(path, body)
        if path.endswith("/eviction"):
            fake.break_with(Fault("GET", status=403, times=1000))
        return answer

    monkeypatch.setattr(at.api, "create", taken_on)
    host.restart(old.name, generation=old.generation)

    fake.faults.clear()
    assert only(host, SCHEDULER).generation != old.generation


def test_an_api_that_does_not_answer_is_unavailable(at: Site, host: KubernetesHost) -> None:
    assert at.fake is not None
    at.fake.break_with(Fault(status=503, times=2))

    with pytest.raises(UnavailableError):
        host.processes()
    with pytest.raises(UnavailableError):
        host.restart("x", generation="y")
