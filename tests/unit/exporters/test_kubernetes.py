"""Pods and what keeps them: each thing is counted once, and from the first look on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from airwarden.adapters.fakes import FakeClock, FakeMeasuredKubernetes
from airwarden.core.components import Component
from airwarden.core.errors import RejectedError, UnavailableError
from airwarden.core.kubernetes import Capacity, Quota, Workload, WorkloadKind
from airwarden.core.kubernetes_seen import ContainerEnd, PodSeen
from airwarden.exporters.collector import PartialCollectError
from airwarden.exporters.collectors.kubernetes_pods import KubernetesPodsCollector
from airwarden.exporters.collectors.kubernetes_workloads import KubernetesWorkloadsCollector
from airwarden.exporters.families import Bins, Family, Labels

KILLED = ContainerEnd("scheduler", "2026-01-01T00:00:09Z", "OOMKilled")


def every(families: Sequence[Family], name: str) -> Mapping[Labels, float | Bins]:
    (family,) = (one for one in families if one.metric.name == f"airwarden_{name}")
    return dict(family.samples)


class Namespace:
    """A namespace and the collector of its pods."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.kube = FakeMeasuredKubernetes()
        self.collector = KubernetesPodsCollector(self.kube, self.clock)

    def collect(self, *versions: PodSeen) -> Sequence[Family]:
        self.kube.see(*versions)
        return self.collector.collect()

    def after(self, seconds: float) -> datetime:
        return self.clock.now() + timedelta(seconds=seconds)


@pytest.fixture
def there() -> Namespace:
    return Namespace()


def test_what_was_before_the_first_look_is_not_counted(there: Namespace) -> None:
    old = PodSeen("a", "scheduler", "Running", restarts=7, ends=frozenset({KILLED}))
    first = there.collect(old)

    assert every(first, "pod_restarts_total") == {("scheduler",): 0}
    assert every(first, "pod_oom_kills_total") == {("scheduler",): 0}
    again = replace(old, restarts=8, ends=frozenset({replace(KILLED, finished="later")}))
    second = there.collect(again, again)
    assert every(second, "pod_restarts_total") == {("scheduler",): 1}
    assert every(second, "pod_oom_kills_total") == {("scheduler",): 1}


def test_a_pod_that_came_and_went_between_two_looks_is_counted(there: Namespace) -> None:
    there.collect()
    task = PodSeen("t", "task", "Pending")
    ended = replace(task, phase="Failed", ends=frozenset({KILLED}), evicted="node_pressure")
    families = there.collect(task, ended, replace(ended, gone=True))

    assert every(families, "pod_oom_kills_total") == {("task",): 1}
    assert every(families, "pod_evictions_total")["task", "node_pressure"] == 1
    assert every(families, "pod_evictions_total")["task", "api"] == 0
    assert every(families, "pods") == {}
    assert there.collector._known == {}
    assert there.collector._told == {}


def test_ends_are_told_apart_by_reason_and_unknown_ones_are_other(there: Namespace) -> None:
    there.collect()
    ends = frozenset(
        {ContainerEnd("base", "1", "Completed"), ContainerEnd("base", "2", "Odd-4711")}
    )
    families = there.collect(PodSeen("t", "task", "Succeeded", ends=ends))

    told = every(families, "pod_terminations_total")
    assert (told["task", "Completed"], told["task", "other"], told["task", "Error"]) == (1, 1, 0)


def test_each_phase_of_a_start_is_measured_once(there: Namespace) -> None:
    there.collect()
    begun = PodSeen("a", "worker", created=there.after(0), scheduled=there.after(2))
    up = replace(
        begun, phase="Running", initialised=there.after(5), started=there.after(45), ready=there.after(50)
    )  # fmt: skip
    there.collect(begun)
    there.collect(up)
    # It is unready for a while and ready again: that is no start.
    families = there.collect(replace(up, ready=None), replace(up, ready=there.after(900)))

    told = every(families, "pod_start_seconds")
    sums = {
        labels[1]: (bins.count, bins.total)
        for labels, bins in told.items()
        if isinstance(bins, Bins)
    }
    assert sums == {
        "scheduled": (1, 2.0), "initialised": (1, 3.0), "pulled": (1, 40.0), "ready": (1, 5.0),
    }  # fmt: skip


def test_pods_stand_by_phase_reason_and_age(there: Namespace) -> None:
    waiting = PodSeen("b", "worker", "Pending", waits="Unschedulable", created=there.after(-90))
    families = there.collect(
        PodSeen("a", "worker", "Running"),
        PodSeen("c", "worker", "Running", waits="CrashLoopBackOff"),
        waiting,
        replace(waiting, uid="d", created=there.after(-30)),
        replace(waiting, uid="e", created=there.after(-999), ending=True),
    )

    assert every(families, "pods") == {
        ("worker", "Pending"): 3, ("worker", "Running"): 2, ("worker", "Failed"): 0,
    }  # fmt: skip
    assert every(families, "pods_waiting") == {
        ("worker", "CrashLoopBackOff"): 1, ("worker", "Unschedulable"): 2,
    }  # fmt: skip
    assert every(families, "pod_pending_oldest_age_seconds") == {("worker",): 90.0}


def test_a_lost_watch_is_a_failure_and_nothing_that_passed_is_lost(there: Namespace) -> None:
    there.collect(pod := PodSeen("a", "worker", "Running"))
    there.kube.break_with(UnavailableError("no answer"))
    with pytest.raises(UnavailableError):
        there.collect(replace(pod, restarts=1))
    there.kube.break_with(None)

    assert every(there.collect(), "pod_restarts_total") == {("worker",): 1}


def workload(**more: int) -> Workload:
    one = Workload(
        WorkloadKind.DEPLOYMENT, "airflow-worker", "u", Component.WORKER, wanted=4, ready=3, updated=4,
        total=4,
    )  # fmt: skip
    return replace(one, **more)  # type: ignore[arg-type]  # numbers all


def test_workloads_their_bounds_and_the_quota() -> None:
    kube = FakeMeasuredKubernetes()
    kube.kept = [workload()]
    kube.scaled = [Capacity("airflow-worker", "ScaledObject", "w", 1, 10, 3, 4, "7")]
    kube.room = [Quota("room", "pods", 48.0, 50.0)]
    kube.asked = {("list", "200"): 5, ("list", "429"): 1}
    families = KubernetesWorkloadsCollector(kube).collect()

    replicas = every(families, "workload_replicas")
    assert {labels[2]: n for labels, n in replicas.items()} == {
        "wanted": 4, "existing": 4, "ready": 3, "updated": 4,
    }  # fmt: skip
    assert every(families, "workload_rolling") == {("worker", "airflow-worker"): 0}
    scaler = every(families, "scaler_replicas")
    assert scaler["worker", "airflow-worker", "ScaledObject", "maximum"] == 10
    assert scaler["worker", "airflow-worker", "ScaledObject", "wanted"] == 4
    assert every(families, "quota_used") == {("room", "pods"): 48}
    assert every(families, "quota_limit") == {("room", "pods"): 50}
    assert every(families, "k8s_api_requests_total")["list", "429"] == 1


@pytest.mark.parametrize(
    "more", [{"updated": 2}, {"generation": 5, "observed": 4}, {"total": 5}], ids=str
)
def test_a_change_that_has_not_reached_every_pod_is_a_roll_out(more: dict[str, int]) -> None:
    kube = FakeMeasuredKubernetes()
    kube.kept = [workload(**more)]
    families = KubernetesWorkloadsCollector(kube).collect()
    assert every(families, "workload_rolling") == {("worker", "airflow-worker"): 1}


def test_what_a_role_does_not_allow_leaves_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    kube = FakeMeasuredKubernetes()
    kube.kept = [workload()]

    def forbidden(_: Sequence[Workload]) -> Sequence[Capacity]:
        raise RejectedError("403")

    monkeypatch.setattr(kube, "capacities", forbidden)
    with pytest.raises(PartialCollectError, match="403") as caught:
        KubernetesWorkloadsCollector(kube).collect()
    assert every(caught.value.families, "workload_replicas")
