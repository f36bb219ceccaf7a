"""What we rely on of the Kubernetes API: Deployments, StatefulSets and who scales them."""

from __future__ import annotations

import pytest

from airwarden.core.errors import NotFoundError, RejectedError
from support.eventually import eventually, holds_for
from support.kubernetes.contract import RESTARTED, STRATEGIC, autoscaler, eventually_at
from support.kubernetes.resources import Json
from support.kubernetes.site import PATIENCE, Site


def test_a_deployment_makes_a_replica_set_and_pods(at: Site, name: str) -> None:
    made = at.workload("deployments", name, replicas=2)
    at.ready(name, 2)

    (inner,) = at.items("replicasets", f"app={name}")
    assert inner["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]
    for pod in at.pods(name):
        assert pod["metadata"]["ownerReferences"][0]["uid"] == inner["metadata"]["uid"]
    eventually_at(at, "deployments", name, availableReplicas=2, updatedReplicas=2, replicas=2)


def test_pods_go_with_their_deployment(at: Site, name: str) -> None:
    at.workload("deployments", name, replicas=2)
    at.ready(name, 2)
    at.api.delete(at.path("deployments", name))

    at.pods(name, 0)


def restart(at: Site, plural: str, name: str, value: str) -> Json:
    annotations = {RESTARTED: value}
    patch = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    return at.api.patch(at.path(plural, name), patch, kind=STRATEGIC)


def test_the_same_restart_twice_rolls_once(at: Site, name: str) -> None:
    at.workload("deployments", name, replicas=2)
    before = {pod["metadata"]["uid"] for pod in at.ready(name, 2)}

    first = restart(at, "deployments", name, "run-1")
    second = restart(at, "deployments", name, "run-1")

    assert second["metadata"]["generation"] == first["metadata"]["generation"]

    def rolled() -> bool:
        at.help_ready(name)
        told = at.get("deployments", name)["status"]
        counts = {told.get(k) for k in ("updatedReplicas", "availableReplicas", "replicas")}
        return counts == {2} and told["observedGeneration"] >= first["metadata"]["generation"]

    eventually(rolled, within=PATIENCE)
    assert not before & {pod["metadata"]["uid"] for pod in at.ready(name, 2)}
    assert len(at.items("replicasets", f"app={name}")) == 2


def test_a_restart_waits_for_pods_that_become_ready(at: Site, name: str) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    at.workload("deployments", name, replicas=2, strategy=strategy)
    before = {pod["metadata"]["uid"] for pod in at.ready(name, 2)}
    broken = {"containers": [{"name": "main", "image": "registry.invalid/none:1"}]}
    at.api.patch(
        at.path("deployments", name), {"spec": {"template": {"spec": broken}}}, kind=STRATEGIC
    )

    now = {pod["metadata"]["uid"] for pod in at.pods(name, 3)}
    assert before < now
    told = eventually_at(at, "deployments", name, updatedReplicas=1, availableReplicas=2)
    assert told["status"]["observedGeneration"] == told["metadata"]["generation"]


def test_a_paused_deployment_takes_a_restart_and_does_not_roll(at: Site, name: str) -> None:
    at.workload("deployments", name, replicas=1)
    before = at.ready(name, 1)[0]["metadata"]["uid"]
    at.api.patch(at.path("deployments", name), {"spec": {"paused": True}})

    told = restart(at, "deployments", name, "run-1")

    eventually_at(at, "deployments", name, observedGeneration=told["metadata"]["generation"])
    holds_for(lambda: [p["metadata"]["uid"] for p in at.pods(name)] == [before], seconds=0.3)


def test_a_stateful_set_gives_its_pods_names_that_stay(at: Site, name: str) -> None:
    at.workload("statefulsets", name, replicas=3, podManagementPolicy="Parallel")
    pods = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in at.ready(name, 3)}
    assert sorted(pods) == [f"{name}-0", f"{name}-1", f"{name}-2"]

    at.api.delete(at.path("pods", f"{name}-1"), uid=pods[f"{name}-1"])

    def replaced() -> bool:
        now = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in at.pods(name)}
        return sorted(now) == sorted(pods) and now[f"{name}-1"] != pods[f"{name}-1"]

    eventually(replaced, within=PATIENCE)


def test_a_smaller_stateful_set_loses_its_last_pods(at: Site, name: str) -> None:
    at.workload("statefulsets", name, replicas=3, podManagementPolicy="Parallel")
    at.ready(name, 3)
    at.api.patch(at.path("statefulsets", name, "scale"), {"spec": {"replicas": 1}})

    (left,) = at.pods(name, 1)
    assert left["metadata"]["name"] == f"{name}-0"


def test_scale_is_absolute_and_tells_what_is(at: Site, name: str) -> None:
    at.workload("deployments", name, replicas=1)
    for _ in range(2):
        at.api.patch(at.path("deployments", name, "scale"), {"spec": {"replicas": 3}})
    at.pods(name, 3)

    told = at.api.get(at.path("deployments", name, "scale"))
    assert (told["kind"], told["spec"]["replicas"]) == ("Scale", 3)
    assert told["status"]["selector"] == f"app={name}"


def test_a_pods_deletion_cost_says_who_goes_first(at: Site, name: str) -> None:
    at.workload("deployments", name, replicas=3)
    pods = at.ready(name, 3)
    cheap = pods[1]["metadata"]["name"]
    cost = {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "-10"}}
    at.api.patch(at.path("pods", cheap), {"metadata": cost})
    at.api.patch(at.path("deployments", name, "scale"), {"spec": {"replicas": 2}})

    assert cheap not in {pod["metadata"]["name"] for pod in at.pods(name, 2)}


def test_an_autoscaler_holds_its_bounds_against_a_direct_scale(at: Site, name: str) -> None:
    at.workload("deployments", name, replicas=1)
    autoscaler(at, name, 2, 3)
    at.pods(name, 2)
    at.api.patch(at.path("deployments", name, "scale"), {"spec": {"replicas": 5}})
    at.pods(name, 3)
    path = at.path("horizontalpodautoscalers", name)
    at.api.patch(path, {"spec": {"minReplicas": 4, "maxReplicas": 4}})

    at.pods(name, 4)


def test_keda_makes_an_autoscaler_of_a_scaled_object(at: Site, name: str) -> None:
    try:
        at.api.get("/apis/keda.sh/v1alpha1")
    except NotFoundError:
        pytest.skip("KEDA is not installed in this cluster")
    at.workload("deployments", name, replicas=1)
    trigger = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "50"}}
    spec = {"minReplicaCount": 2, "maxReplicaCount": 3, "triggers": [trigger]}
    at.create("scaledobjects", name, spec={"scaleTargetRef": {"name": name}, **spec})
    at.pods(name, 2)

    path = at.path("scaledobjects", name)
    at.api.patch(path, {"spec": {"minReplicaCount": 4, "maxReplicaCount": 5}})

    at.pods(name, 4)
    with pytest.raises(RejectedError):
        at.api.patch(path, {"spec": {"minReplicaCount": 1}}, kind=STRATEGIC)
