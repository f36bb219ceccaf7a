"""The `MeasuredKubernetes` port: pods are followed without a gap, on the fake or on a real cluster."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from airwarden.adapters.kubernetes_api import KubernetesApi
from airwarden.adapters.kubernetes_following import KubernetesFollower
from airwarden.core.errors import UnavailableError
from airwarden.core.kubernetes_seen import PodNews, PodSeen
from support.eventually import eventually
from support.kubernetes import Fault
from support.kubernetes import kubelet as status
from support.kubernetes.resources import Json
from support.kubernetes.site import PATIENCE, Site
from support.kubernetes.store import now

#: What these are behaviours of.
SUBJECT = "follower"
PODS = r"/pods\?"


@pytest.fixture
def follower(at: Site) -> KubernetesFollower:
    return KubernetesFollower(at.api, at.namespace, release="airflow")


class Seen:
    """All that a follower told, call by call."""

    def __init__(self, follower: KubernetesFollower) -> None:
        self._follower = follower
        self.passed: list[PodSeen] = []
        self.now: Sequence[PodSeen] = ()

    def look(self) -> PodNews:
        news = self._follower.pods()
        self.passed += news.passed
        self.now = news.now
        return news


def task(at: Site, name: str) -> Json:
    labels = {"dag_id": "load", "task_id": "extract", "airflow_version": "3.3.2"}
    spec = {"containers": [{"name": "base", "image": "registry.k8s.io/pause:3.10"}]}
    return at.create("pods", name, labels=labels, spec=spec)


def only(at: Site, app: str) -> Json:
    (pod,) = at.pods(app, 1)
    return pod


def test_a_pod_is_followed_from_pending_to_ready(at: Site, follower: KubernetesFollower) -> None:
    seen = Seen(follower)
    assert seen.look().first
    at.chart("scheduler")
    at.ready("airflow-scheduler", 1)
    at.create("pods", "stranger", spec={"containers": [{"name": "x", "image": "pause"}]})
    eventually(lambda: seen.look() and any(one.ready for one in seen.now), within=PATIENCE)

    (pod,) = seen.now
    assert (pod.component, pod.phase, pod.waits, pod.restarts) == ("scheduler", "Running", "", 0)
    assert None not in (pod.created, pod.scheduled, pod.initialised, pod.started, pod.ready)
    assert next(one.phase for one in seen.passed) == "Pending"


def test_a_task_that_came_and_went_between_two_looks_is_told_of(
    at: Site, follower: KubernetesFollower
) -> None:
    seen = Seen(follower)
    seen.look()
    pod = task(at, "load-extract-1")
    at.tell(pod, status.evicted("The node was low on resource: memory.", now()))
    at.api.delete(at.path("pods", "load-extract-1"), grace=0)

    def told() -> bool:
        seen.look()
        return any(one.gone for one in seen.passed)

    eventually(told, within=PATIENCE)
    last = seen.passed[-1]
    assert (last.component, last.evicted, last.gone) == ("task", "node_pressure", True)
    assert seen.now == ()


@pytest.mark.reliability
def test_troubles_are_told_by_reason(at: Site, follower: KubernetesFollower) -> None:
    unfit = {"nodeSelector": {"airwarden.test/nowhere": "true"}}
    main = {"name": "scheduler", "image": "registry.k8s.io/pause:3.10"}
    marks = {"app": "airflow-scheduler", "tier": "airflow", "component": "scheduler"}
    labels = {**marks, "release": "airflow"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [main], **unfit}}
    at.chart("scheduler", template=template)
    seen, pod = Seen(follower), only(at, "airflow-scheduler")

    at.tell(pod, status.unschedulable("0/3 nodes are available: insufficient cpu", now()))
    seen.look()
    assert [one.waits for one in seen.now] == ["Unschedulable"]
    at.tell(pod, status.crash_loop(pod, now(), reason="OOMKilled", code=137, restarts=4))
    eventually(lambda: seen.look() and seen.now[0].waits == "CrashLoopBackOff", within=PATIENCE)

    (told,) = seen.now
    assert told.restarts == 4
    assert [end.reason for end in told.ends] == ["OOMKilled"]


def test_an_expired_version_means_a_new_list_and_what_is_missing_was_deleted(
    at: Site, follower: KubernetesFollower
) -> None:
    if at.fake is None:
        pytest.skip("a real cluster forgets when it likes")
    seen = Seen(follower)
    task(at, "old")
    seen.look()
    at.api.delete(at.path("pods", "old"), grace=0)
    task(at, "new")
    at.fake.store.expire()
    before = len(at.fake.faults.requests)
    news = seen.look()

    assert not news.first
    assert [(one.component, one.gone) for one in news.passed] == [("task", True), ("task", False)]
    asked = [verb for verb, path in at.fake.faults.requests[before:] if "/pods" in path]
    assert asked == ["WATCH", "GET"]
    seen.look()
    assert len([p for v, p in at.fake.faults.requests if v == "GET" and "/pods?" in p]) == 2


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(
            Fault("WATCH", status=429, retry_after=3),
            id="overloaded",
            marks=pytest.mark.reliability,
        ),
        pytest.param(Fault("WATCH", status=503), id="unavailable", marks=pytest.mark.reliability),
        pytest.param(Fault("WATCH", drop="before"), id="dropped"),
    ],
)
def test_a_watch_that_fails_goes_on_where_it_was(
    at: Site, follower: KubernetesFollower, fault: Fault
) -> None:
    if at.fake is None:
        pytest.skip("nothing can be broken there")
    seen = Seen(follower)
    seen.look()
    at.fake.break_with(Fault(fault.method, PODS, fault.status, fault.retry_after, drop=fault.drop))
    task(at, "one")
    with pytest.raises(UnavailableError):
        seen.look()
    news = seen.look()

    assert [one.component for one in news.passed] == ["task"]
    assert len([p for v, p in at.fake.faults.requests if v == "GET" and "/pods?" in p]) == 1


def test_a_server_that_takes_half_a_minute_is_given_up_in_time(at: Site) -> None:
    if at.fake is None:
        pytest.skip("nothing can be broken there")
    api = KubernetesApi(at.kubeconfig, timeout=0.3)
    follower = KubernetesFollower(api, at.namespace)
    at.fake.break_with(Fault("GET", PODS, delay=30.0))
    begun = time.monotonic()
    with pytest.raises(UnavailableError):
        follower.pods()

    assert time.monotonic() - begun < 5
    assert follower.pods().first
    assert follower.requests()["list", "lost"] == 1
    assert follower.requests()["list", "200"] == 1


@pytest.mark.reliability
def test_a_bookmark_moves_a_quiet_watch_on(at: Site, follower: KubernetesFollower) -> None:
    if at.fake is None:
        pytest.skip("a real server sends one a minute")
    seen = Seen(follower)
    seen.look()
    at.create("configmaps", "other", data={})
    before = follower._version
    seen.look()
    at.fake.store.oldest = at.fake.store.version  # what lies before the bookmark is forgotten
    seen.look()

    assert int(follower._version) > int(before)
    assert len([p for v, p in at.fake.faults.requests if v == "GET" and "/pods?" in p]) == 1


def test_who_scales_what_is_read_by_two_lists(at: Site, follower: KubernetesFollower) -> None:
    at.chart("worker", stable=True)
    at.chart("triggerer")
    at.chart("api-server")
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "airflow-api-server"}
    bounds = {"minReplicas": 1, "maxReplicas": 3}
    at.create("horizontalpodautoscalers", "api", spec={"scaleTargetRef": target, **bounds})
    ref = {"kind": "StatefulSet", "name": "airflow-worker"}
    keda = {"scaleTargetRef": ref, "minReplicaCount": 1, "maxReplicaCount": 9, "triggers": []}
    if at.fake is not None:  # KEDA is not installed on every cluster
        at.create("scaledobjects", "worker", spec=keda)
    told = {one.workload: one for one in follower.capacities(follower.workloads())}

    assert (told["airflow-api-server"].owner, told["airflow-api-server"].maximum) == (
        "HorizontalPodAutoscaler", 3,
    )  # fmt: skip
    assert "airflow-triggerer" not in told
    if at.fake is not None:
        assert (told["airflow-worker"].owner, told["airflow-worker"].maximum) == ("ScaledObject", 9)
