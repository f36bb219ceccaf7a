"""The `Kubernetes` port over the official Airflow chart's objects: on the fake, or on a real cluster."""

from __future__ import annotations

import pytest

from airwarden.adapters.kubernetes import KubernetesNamespace
from airwarden.adapters.kubernetes_api import KubernetesApi
from airwarden.core.errors import (
    ConflictError,
    NotFoundError,
    RejectedError,
    UnavailableError,
    UnknownOutcomeError,
)
from airwarden.core.kubernetes import Pod, Workload, WorkloadKind
from airwarden.core.platform import Component
from support.eventually import eventually
from support.kubernetes import Fault
from support.kubernetes import kubelet as status
from support.kubernetes.resources import Json
from support.kubernetes.site import PATIENCE, Site
from support.kubernetes.store import now

#: What these are behaviours of.
SUBJECT = "adapter"
SCHEDULER, WORKER, TRIGGERER = Component.SCHEDULER, Component.WORKER, Component.TRIGGERER


@pytest.fixture
def kube(at: Site) -> KubernetesNamespace:
    return KubernetesNamespace(at.api, at.namespace, release="airflow")


def only(kube: KubernetesNamespace, component: Component) -> Pod:
    (pod,) = (one for one in kube.pods(component) if not one.ending)
    return pod


def workload(kube: KubernetesNamespace, component: Component) -> Workload:
    (found,) = kube.workloads(component)
    return found


def told(at: Site, name: str) -> list[Json]:
    """Return the Events of ours on a target."""
    found = at.api.list(at.path("events"), fields=f"involvedObject.name={name}").items
    return [one for one in found if (one.get("source") or {}).get("component") == "airwarden"]


def test_the_charts_objects_are_found_by_its_labels(at: Site, kube: KubernetesNamespace) -> None:
    at.chart("scheduler", 2)
    at.chart("worker", 1, stable=True)
    at.workload("deployments", "statsd", 1, {"tier": "airflow", "component": "statsd"})
    other = {"tier": "airflow", "component": "scheduler", "release": "other"}
    at.workload("deployments", "other-scheduler", 1, other)
    for app, count in (("airflow-scheduler", 2), ("airflow-worker", 1), ("other-scheduler", 1)):
        at.ready(app, count)

    pods = kube.pods()
    assert [(pod.component, pod.workload, pod.stable) for pod in pods] == [
        (SCHEDULER, "airflow-scheduler", False),
        (SCHEDULER, "airflow-scheduler", False),
        (WORKER, "airflow-worker", True),
    ]
    assert [one.name for one in kube.pods(WORKER)] == ["airflow-worker-0"]
    assert {(one.kind, one.name, one.wanted) for one in kube.workloads()} == {
        (WorkloadKind.DEPLOYMENT, "airflow-scheduler", 2),
        (WorkloadKind.STATEFUL_SET, "airflow-worker", 1),
    }
    eventually(lambda: all(one.rolled_out for one in kube.workloads()), within=PATIENCE)
    everyone = KubernetesNamespace(at.api, at.namespace)
    assert len(everyone.pods(SCHEDULER)) == 3


def test_a_pod_of_a_single_task_is_no_worker(at: Site, kube: KubernetesNamespace) -> None:
    labels = {
        "tier": "airflow", "component": "worker", "release": "airflow", "kubernetes_executor": "True",
    }  # fmt: skip
    spec = {"containers": [{"name": "base", "image": "registry.k8s.io/pause:3.10"}]}
    at.create("pods", "task-1", labels=labels, spec=spec)

    assert kube.pods() == []


def test_a_pod_tells_the_phases_of_its_start(at: Site, kube: KubernetesNamespace) -> None:
    at.chart("scheduler")
    at.ready("airflow-scheduler", 1)
    pod = only(kube, SCHEDULER)

    assert pod.running
    assert pod.phase == "Running"
    times = [pod.created, pod.scheduled, pod.initialised, pod.started, pod.ready]
    assert all(one is not None and one.utcoffset() is not None for one in times)
    assert pod.trouble == ""


def test_troubles_are_told_in_kubernetes_words(at: Site, kube: KubernetesNamespace) -> None:
    unfit = {"nodeSelector": {"airwarden.test/nowhere": "true"}}
    main = {"name": "scheduler", "image": "registry.k8s.io/pause:3.10"}
    labels = {"app": "airflow-scheduler", "tier": "airflow", "component": "scheduler"}
    marks = {**labels, "release": "airflow"}
    template = {"metadata": {"labels": marks}, "spec": {"containers": [main], **unfit}}
    at.chart("scheduler", template=template)
    (thing,) = at.pods("airflow-scheduler", 1)
    assert only(kube, SCHEDULER).incarnation == f"{thing['metadata']['uid']}/0"

    at.tell(thing, status.unschedulable("0/3 nodes are available: insufficient cpu", now()))
    waits = only(kube, SCHEDULER)
    at.tell(thing, status.crash_loop(thing, now(), reason="OOMKilled", code=137, restarts=4))
    loops = only(kube, SCHEDULER)

    assert waits.trouble == "Unschedulable; 0/3 nodes are available: insufficient cpu"
    assert not loops.running
    assert (loops.reason, loops.restarts, loops.oom_kills) == ("CrashLoopBackOff", 4, 1)
    assert "last ended: OOMKilled, exit code 137" in loops.trouble
    assert loops.incarnation == f"{thing['metadata']['uid']}/4"


def test_an_eviction_takes_exactly_the_pod_that_was_seen(
    at: Site, kube: KubernetesNamespace
) -> None:
    at.chart("worker", 1, stable=True)
    at.ready("airflow-worker", 1)
    old = only(kube, WORKER)
    kube.evict(old, why="it is silent")
    eventually(lambda: only(kube, WORKER).uid != old.uid, within=PATIENCE)
    at.ready("airflow-worker", 1)
    new = only(kube, WORKER)

    assert (old.name, new.name) == ("airflow-worker-0", "airflow-worker-0")
    with pytest.raises(ConflictError):
        kube.evict(old, why="again")
    assert only(kube, WORKER).uid == new.uid
    (event,) = told(at, "airflow-worker-0")
    assert (event["reason"], event["message"]) == ("AirwardenEvicted", "it is silent")
    assert event["involvedObject"]["uid"] == old.uid


def test_a_disruption_budget_is_respected_and_named(at: Site, kube: KubernetesNamespace) -> None:
    at.chart("scheduler")
    selector = {"matchLabels": {"app": "airflow-scheduler"}}
    at.create("poddisruptionbudgets", "guard", spec={"minAvailable": 1, "selector": selector})
    at.ready("airflow-scheduler", 1)
    pod = only(kube, SCHEDULER)
    eventually(
        lambda: at.get("poddisruptionbudgets", "guard")["status"].get("currentHealthy") == 1,
        within=PATIENCE,
    )

    with pytest.raises(RejectedError, match="guard"):
        kube.evict(pod, why="x")
    assert only(kube, SCHEDULER) == pod
    assert told(at, pod.name) == []


def test_a_restart_rolls_once_for_a_key_and_tells_how_far_it_is(
    at: Site, kube: KubernetesNamespace
) -> None:
    at.chart("triggerer")
    at.ready("airflow-triggerer", 1)
    eventually(lambda: workload(kube, TRIGGERER).rolled_out, within=PATIENCE)
    old = only(kube, TRIGGERER)
    seen = workload(kube, TRIGGERER)

    first = kube.restart(seen, key="run-7", why="its threads are blocked")
    assert not first.rolled_out
    second = kube.restart(seen, key="run-7", why="its threads are blocked")

    assert second.generation == first.generation
    eventually(lambda: workload(kube, TRIGGERER).observed >= first.generation, within=PATIENCE)
    assert "old left" in workload(kube, TRIGGERER).rollout

    def done() -> bool:
        at.help_ready("airflow-triggerer")
        return workload(kube, TRIGGERER).rolled_out

    eventually(done, within=PATIENCE)
    assert only(kube, TRIGGERER).uid != old.uid
    (event,) = told(at, "airflow-triggerer")
    assert (event["reason"], event["count"]) == ("AirwardenRestarted", 2)


def test_a_status_written_meanwhile_does_not_stop_a_restart(
    at: Site, kube: KubernetesNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    at.chart("triggerer", 0)
    eventually(lambda: workload(kube, TRIGGERER).rolled_out, within=PATIENCE)
    seen, send, times = workload(kube, TRIGGERER), KubernetesApi.patch, []

    def raced(api: KubernetesApi, path: str, body: Json, **named: str) -> Json:
        if "annotations" in str(body):
            times.append(path)
            if len(times) <= 2:  # its controller is faster
                send(api, f"{path}/status", {"status": {"collisionCount": len(times)}})
        return send(api, path, body, **named)

    monkeypatch.setattr(KubernetesApi, "patch", raced)
    done = kube.restart(seen, key="run-7", why="its threads are blocked")

    assert (done.restarted, len(times)) == ("run-7", 3)


def test_a_paused_deployment_is_not_restarted(at: Site, kube: KubernetesNamespace) -> None:
    at.chart("triggerer")
    seen = workload(kube, TRIGGERER)
    at.api.patch(at.path("deployments", seen.name), {"spec": {"paused": True}})

    with pytest.raises(ConflictError, match="paused"):
        kube.restart(seen, key="run-7", why="x")
    now_is = at.get("deployments", seen.name)["spec"]["template"]["metadata"]
    assert not now_is.get("annotations")


def test_a_workload_that_was_changed_since_it_was_seen_is_not_restarted(
    at: Site, kube: KubernetesNamespace
) -> None:
    at.chart("triggerer", 0, strategy={"type": "Recreate"})
    seen = workload(kube, TRIGGERER)
    at.api.patch(at.path("deployments", seen.name), {"spec": {"minReadySeconds": 1}})

    with pytest.raises(ConflictError, match="changed since"):
        kube.restart(seen, key="run-7", why="x")
    done = kube.restart(workload(kube, TRIGGERER), key="run-8", why="x")
    assert (seen.strategy, seen.restarted) == ("Recreate", "")
    assert (done.restarted, done.generation) == ("run-8", seen.generation + 2)


def test_a_workload_that_was_made_anew_is_not_restarted(
    at: Site, kube: KubernetesNamespace
) -> None:
    at.chart("triggerer", 0)
    seen = workload(kube, TRIGGERER)
    at.api.delete(at.path("deployments", seen.name))
    at.chart("triggerer", 0)

    with pytest.raises(ConflictError):
        kube.restart(seen, key="run-7", why="x")
    with pytest.raises(NotFoundError):
        kube.workload(WorkloadKind.STATEFUL_SET, seen.name)


def test_a_number_of_pods_is_set_absolutely(at: Site, kube: KubernetesNamespace) -> None:
    at.chart("worker", 1, stable=True, podManagementPolicy="Parallel")
    at.ready("airflow-worker", 1)
    seen = kube.capacity(workload(kube, WORKER))
    assert (seen.owner, seen.minimum, seen.maximum, seen.elastic) == ("StatefulSet", 1, 1, False)

    kube.set_capacity(seen, minimum=3, maximum=3, why="the queue is deep")

    at.pods("airflow-worker", 3)
    with pytest.raises(ConflictError):
        kube.set_capacity(seen, minimum=5, maximum=5, why="stale")
    with pytest.raises(RejectedError):
        kube.set_capacity(seen, minimum=2, maximum=3, why="no bounds")
    (event,) = told(at, "airflow-worker")
    assert (event["reason"], event["message"]) == ("AirwardenScaled", "the queue is deep")


def test_what_an_autoscaler_owns_is_scaled_through_its_bounds(
    at: Site, kube: KubernetesNamespace
) -> None:
    at.chart("api-server", 1)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "airflow-api-server"}
    spec = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 2}
    at.create("horizontalpodautoscalers", "hpa", spec=spec)
    seen = kube.capacity(workload(kube, Component.API_SERVER))
    assert (seen.owner, seen.owner_name, seen.minimum, seen.maximum) == (
        "HorizontalPodAutoscaler", "hpa", 1, 2,
    )  # fmt: skip

    kube.set_capacity(seen, minimum=3, maximum=4, why="more load")

    at.pods("airflow-api-server", 3)
    bounds = at.get("horizontalpodautoscalers", "hpa")["spec"]
    assert (bounds["minReplicas"], bounds["maxReplicas"]) == (3, 4)


def test_what_keda_owns_is_scaled_through_its_scaled_object(
    at: Site, kube: KubernetesNamespace
) -> None:
    try:
        at.api.get("/apis/keda.sh/v1alpha1")
    except NotFoundError:
        pytest.skip("KEDA is not installed in this cluster")
    at.chart("worker", 1)
    trigger = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "50"}}
    spec = {"scaleTargetRef": {"name": "airflow-worker"}, "triggers": [trigger]}
    at.create("scaledobjects", "airflow-worker", spec={**spec, "maxReplicaCount": 10})
    eventually(lambda: at.items("horizontalpodautoscalers"), within=PATIENCE)
    seen = kube.capacity(workload(kube, WORKER))
    assert (seen.owner, seen.minimum, seen.maximum) == ("ScaledObject", 0, 10)

    kube.set_capacity(seen, minimum=4, maximum=12, why="a burst is near")

    at.pods("airflow-worker", 4)
    bounds = at.get("scaledobjects", "airflow-worker")["spec"]
    assert (bounds["minReplicaCount"], bounds["maxReplicaCount"]) == (4, 12)


def test_quotas_are_told_with_what_is_used(at: Site, kube: KubernetesNamespace) -> None:
    at.create("resourcequotas", "room", spec={"hard": {"pods": "7"}})
    (quota,) = eventually(kube.quotas, within=PATIENCE)

    assert (quota.name, quota.resource, quota.hard) == ("room", "pods", 7.0)


# ---- on the fake alone: what goes wrong on the way ------------------------------------------------


@pytest.fixture
def broken(at: Site) -> Site:
    if at.fake is None:
        pytest.skip("a real cluster is not broken on purpose")
    return at


def test_a_lost_reply_is_an_unknown_outcome_and_the_eviction_happened(broken: Site) -> None:
    kube = KubernetesNamespace(KubernetesApi(broken.kubeconfig, timeout=1.0), broken.namespace)
    broken.chart("worker", 1, stable=True)
    broken.ready("airflow-worker", 1)
    old = only(kube, WORKER)
    assert broken.fake is not None
    broken.fake.break_with(Fault("POST", "/eviction", drop="after"))

    with pytest.raises(UnknownOutcomeError):
        kube.evict(old, why="x")

    assert only(kube, WORKER).uid != old.uid


def test_an_event_that_cannot_be_written_changes_nothing(
    broken: Site, kube: KubernetesNamespace
) -> None:
    broken.chart("worker", 1, stable=True)
    broken.ready("airflow-worker", 1)
    old = only(kube, WORKER)
    assert broken.fake is not None
    broken.fake.break_with(Fault("POST", "/events", status=503, times=9))

    kube.evict(old, why="x")

    assert only(kube, WORKER).uid != old.uid
    assert told(broken, old.name) == []


def test_an_object_without_sense_is_no_bug_of_ours(broken: Site, kube: KubernetesNamespace) -> None:
    broken.create("resourcequotas", "room", spec={"hard": {"pods": "many"}})

    with pytest.raises(UnavailableError, match="no sense"):
        kube.quotas()
