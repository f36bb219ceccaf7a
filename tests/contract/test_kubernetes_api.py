"""What we rely on of the Kubernetes API, on the fake; and, unchanged, on a real cluster.

    KUBECONFIG=~/.kube/config pytest tests/contract/test_kubernetes_api.py

makes a namespace of its own there, leaves nothing behind, and needs no kubelet: the suite writes the pods'
statuses itself where nobody else does. What each test is called is the behaviour, and the run's end lists
them.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from airwarden.adapters.kubernetes_api import Event, ExpiredError, KubernetesApi
from airwarden.core.errors import ConflictError, NotFoundError, RejectedError
from support.eventually import eventually, holds_for
from support.kubernetes.resources import Json
from support.kubernetes.site import PATIENCE, Site, site

STRATEGIC, JSON_PATCH = "application/strategic-merge-patch+json", "application/json-patch+json"
RESTARTED = "kubectl.kubernetes.io/restartedAt"


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("kubernetes")) as made:
        yield made


@pytest.fixture(autouse=True)
def behaviour(request: pytest.FixtureRequest, at: Site) -> None:
    words = request.node.name.removeprefix("test_").replace("_", " ")
    where = "the fake" if at.fake else "a real cluster"
    request.node.user_properties.append(("behaviour", f"Kubernetes API on {where}: {words}"))


@pytest.fixture
def name() -> str:
    return f"x{secrets.token_hex(3)}"


def eventually_at(at: Site, plural: str, name: str, **status: object) -> Json:
    """Wait until an object's status has these values."""

    def look() -> Json:
        found = at.get(plural, name)
        for key, value in status.items():
            assert found["status"].get(key) == value, found["status"]
        return found

    return eventually(look, within=PATIENCE)


# ---- objects -----------------------------------------------------------------------------------


def test_a_name_exists_once(at: Site, name: str) -> None:
    made = at.create("configmaps", name, data={"a": "1"}, labels={"app": name})

    assert made["metadata"]["namespace"] == at.namespace
    assert made["metadata"]["uid"]
    assert at.get("configmaps", name)["data"] == {"a": "1"}
    with pytest.raises(ConflictError, match="already exists"):
        at.create("configmaps", name)


def test_what_is_not_there_is_not_found(at: Site, name: str) -> None:
    for call in (at.api.get, at.api.delete):
        with pytest.raises(NotFoundError):
            call(at.path("configmaps", name))
    with pytest.raises(NotFoundError):
        at.api.patch(at.path("deployments", name, "scale"), {"spec": {"replicas": 1}})


def test_a_list_comes_in_pages_and_by_selectors(at: Site, name: str) -> None:
    for number in range(5):
        at.create("configmaps", f"{name}-{number}", labels={"app": name, "n": str(number)})

    def names(labels: str, fields: str = "") -> list[str]:
        told = at.api.list(at.path("configmaps"), labels=labels, fields=fields, page=2)
        return [one["metadata"]["name"].removeprefix(f"{name}-") for one in told.items]

    assert names(f"app={name}") == ["0", "1", "2", "3", "4"]
    assert names(f"app={name},n in (1, 3)") == ["1", "3"]
    assert names(f"app={name},n notin (1,3),n!=0") == ["2", "4"]
    assert names(f"app={name},!other,n") == ["0", "1", "2", "3", "4"]
    assert names(f"app={name}", f"metadata.name={name}-4") == ["4"]


def test_a_stale_version_is_refused_on_put_patch_and_scale(at: Site, name: str) -> None:
    seen = at.workload("deployments", name)
    stale = {"metadata": {"resourceVersion": seen["metadata"]["resourceVersion"]}}
    at.api.patch(at.path("deployments", name), {"metadata": {"labels": {"touched": "1"}}})

    with pytest.raises(ConflictError):
        at.api.replace(at.path("deployments", name), seen)
    with pytest.raises(ConflictError):
        at.api.patch(at.path("deployments", name), {**stale, "spec": {"paused": True}})
    with pytest.raises(ConflictError):
        at.api.patch(at.path("deployments", name, "scale"), {**stale, "spec": {"replicas": 4}})
    assert at.get("deployments", name)["spec"]["replicas"] == 1


def test_a_patch_without_a_version_is_the_last_to_write(at: Site, name: str) -> None:
    at.create("configmaps", name, data={"a": "1", "b": "1"})
    at.api.patch(at.path("configmaps", name), {"data": {"a": "2"}})
    at.api.patch(at.path("configmaps", name), {"data": {"a": "3", "b": None}})

    assert at.get("configmaps", name)["data"] == {"a": "3"}


def test_a_write_that_changes_nothing_keeps_the_version(at: Site, name: str) -> None:
    at.create("configmaps", name, data={"a": "1"})
    before = at.get("configmaps", name)["metadata"]["resourceVersion"]

    after = at.api.patch(at.path("configmaps", name), {"data": {"a": "1"}})

    assert after["metadata"]["resourceVersion"] == before


def test_the_generation_counts_changes_of_the_wish_alone(at: Site, name: str) -> None:
    first = at.workload("deployments", name, replicas=0)["metadata"]["generation"]
    at.api.patch(at.path("deployments", name), {"metadata": {"labels": {"l": "1"}}})
    at.api.patch(at.path("deployments", name), {"status": {"replicas": 77}})
    unchanged = at.get("deployments", name)
    at.api.patch(at.path("deployments", name), {"spec": {"minReadySeconds": 1}})

    assert unchanged["metadata"]["generation"] == first
    assert unchanged["status"].get("replicas", 0) == 0
    eventually_at(at, "deployments", name, observedGeneration=first + 1)


def test_a_dry_run_answers_and_changes_nothing(at: Site, name: str) -> None:
    at.workload("deployments", name, replicas=0)
    path = at.path("deployments", name)

    told = at.api.patch(path, {"spec": {"replicas": 3}}, dryRun="All")
    at.api.create(at.path("configmaps"), {"metadata": {"name": name}}, dryRun="All")

    assert told["spec"]["replicas"] == 3
    assert at.get("deployments", name)["spec"]["replicas"] == 0
    with pytest.raises(NotFoundError):
        at.get("configmaps", name)


def test_deletion_can_be_bound_to_one_incarnation(at: Site, name: str) -> None:
    old = at.create("configmaps", name)["metadata"]["uid"]
    at.api.delete(at.path("configmaps", name), uid=old)
    at.create("configmaps", name)

    with pytest.raises(ConflictError):
        at.api.delete(at.path("configmaps", name), uid=old)
    assert at.get("configmaps", name)


def test_a_finalizer_keeps_what_is_being_deleted(at: Site, name: str) -> None:
    at.create("configmaps", name, finalizers=["airwarden.test/hold"])
    at.api.delete(at.path("configmaps", name))

    assert at.get("configmaps", name)["metadata"]["deletionTimestamp"]
    at.api.patch(at.path("configmaps", name), {"metadata": {"finalizers": None}})
    with pytest.raises(NotFoundError):
        at.get("configmaps", name)


def test_a_json_patch_is_done_if_its_test_holds(at: Site, name: str) -> None:
    at.create("configmaps", name, data={"a": "1"})
    path = at.path("configmaps", name)
    at.api.patch(
        path,
        [
            {"op": "test", "path": "/data/a", "value": "1"},
            {"op": "replace", "path": "/data/a", "value": "2"},
            {"op": "add", "path": "/data/b~1c", "value": "3"},
        ],
        kind=JSON_PATCH,
    )

    with pytest.raises(RejectedError):
        at.api.patch(
            path,
            [
                {"op": "test", "path": "/data/a", "value": "1"},
                {"op": "remove", "path": "/data/a"},
            ],
            kind=JSON_PATCH,
        )
    assert at.get("configmaps", name)["data"] == {"a": "2", "b/c": "3"}


def test_a_strategic_patch_joins_containers_by_name(at: Site, name: str) -> None:
    at.workload("deployments", name, replicas=0)
    added = [{"name": "side", "image": "registry.k8s.io/pause:3.10"}]
    patch = {"spec": {"template": {"spec": {"containers": added}}}}

    told = at.api.patch(at.path("deployments", name), patch, kind=STRATEGIC)

    assert {one["name"] for one in told["spec"]["template"]["spec"]["containers"]} == {
        "main",
        "side",
    }


def test_nonsense_is_refused(at: Site, name: str) -> None:
    at.workload("deployments", name, replicas=0)
    with pytest.raises(RejectedError, match="replicas"):
        at.api.patch(at.path("deployments", name), {"spec": {"replicas": -1}})
    with pytest.raises(RejectedError, match="selector"):
        at.workload("deployments", f"{name}-b", selector={"matchLabels": {"app": "other"}})
    with pytest.raises(RejectedError, match="maxReplicas"):
        autoscaler(at, name, 3, 2)


# ---- workloads ---------------------------------------------------------------------------------


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
        return counts == {2}

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


def autoscaler(at: Site, name: str, low: int, high: int) -> Json:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    spec = {"scaleTargetRef": target, "minReplicas": low, "maxReplicas": high}
    return at.create("horizontalpodautoscalers", name, spec=spec)


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


# ---- eviction, quotas, events, leases ------------------------------------------------------------


def evict(at: Site, pod: Json, uid: str = "") -> Json:
    meta = pod["metadata"]
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": meta["name"], "namespace": at.namespace},
        "deleteOptions": {"preconditions": {"uid": uid or meta["uid"]}},
    }
    return at.api.create(at.path("pods", meta["name"], "eviction"), body)


def test_an_eviction_is_bound_to_one_incarnation(at: Site, name: str) -> None:
    at.workload("deployments", name, replicas=1)
    (pod,) = at.ready(name, 1)

    with pytest.raises(ConflictError):
        evict(at, pod, "00000000-0000-0000-0000-000000000000")
    assert evict(at, pod)["status"] == "Success"

    (after,) = at.ready(name, 1)
    assert after["metadata"]["uid"] != pod["metadata"]["uid"]

    def gone() -> bool:
        try:
            evict(at, pod)
        except NotFoundError:
            return True
        return False

    eventually(gone, within=PATIENCE)


def test_a_disruption_budget_refuses_an_eviction(at: Site, name: str) -> None:
    at.workload("deployments", name, replicas=1)
    selector = {"matchLabels": {"app": name}}
    at.create("poddisruptionbudgets", name, spec={"minAvailable": 1, "selector": selector})
    (pod,) = at.ready(name, 1)
    eventually_at(
        at, "poddisruptionbudgets", name, currentHealthy=1, desiredHealthy=1, disruptionsAllowed=0
    )

    with pytest.raises(RejectedError, match="disruption budget"):
        evict(at, pod)
    at.api.patch(at.path("deployments", name, "scale"), {"spec": {"replicas": 2}})
    at.ready(name, 2)
    eventually_at(at, "poddisruptionbudgets", name, disruptionsAllowed=1)
    assert evict(at, pod)["status"] == "Success"


def test_a_pending_pod_may_be_evicted_whatever_the_budget(at: Site, name: str) -> None:
    unfit = {"nodeSelector": {"airwarden.test/nowhere": "true"}}
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "m", "image": "registry.k8s.io/pause:3.10"}], **unfit},
    }
    at.workload("deployments", name, replicas=1, template=template)
    selector = {"matchLabels": {"app": name}}
    at.create("poddisruptionbudgets", name, spec={"minAvailable": 1, "selector": selector})
    (pod,) = at.pods(name, 1)
    assert pod["status"]["phase"] == "Pending"

    assert evict(at, pod)["status"] == "Success"


def test_a_quota_refuses_pods_and_an_event_tells(at: Site, name: str) -> None:
    used = len(at.items("pods"))
    at.create("resourcequotas", name, spec={"hard": {"pods": str(used)}})
    try:
        eventually_at(at, "resourcequotas", name, hard={"pods": str(used)})
        at.workload("deployments", name, replicas=1)

        def told() -> list[str]:
            found = at.api.list(at.path("events"), fields="reason=FailedCreate").items
            mine = [e for e in found if e["involvedObject"]["name"].startswith(name)]
            return [e["message"] for e in mine if "exceeded quota" in e["message"]]

        assert eventually(told, within=PATIENCE)
        assert at.pods(name) == ()
    finally:
        at.api.delete(at.path("resourcequotas", name))


def test_an_event_is_written_in_the_namespace_of_what_it_tells_of(at: Site, name: str) -> None:
    involved = {"kind": "Deployment", "apiVersion": "apps/v1", "name": name}
    told = {"reason": "AirwardenRestarted", "type": "Normal", "message": "m", "count": 1}
    with pytest.raises(RejectedError):
        at.create("events", name, involvedObject={**involved, "namespace": "other"}, **told)
    at.create("events", name, involvedObject={**involved, "namespace": at.namespace}, **told)
    at.api.patch(at.path("events", name), {"count": 2})

    (event,) = at.api.list(at.path("events"), fields=f"involvedObject.name={name}").items
    assert (event["count"], event["reason"]) == (2, "AirwardenRestarted")


def test_a_leases_times_have_six_digits(at: Site, name: str) -> None:
    good = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    with pytest.raises(RejectedError):
        at.create("leases", name, spec={"renewTime": "2026-01-02T03:04:05Z"})
    made = at.create("leases", name, spec={"renewTime": good, "holderIdentity": "a"})
    taken = at.api.replace(
        at.path("leases", name), {**made, "spec": {**made["spec"], "holderIdentity": "b"}}
    )
    with pytest.raises(ConflictError):
        at.api.replace(at.path("leases", name), made)
    assert taken["spec"]["holderIdentity"] == "b"


# ---- watches -----------------------------------------------------------------------------------


def events(
    at: Site, version: str, name: str, *, within: float = 1.0, most: int | None = None
) -> list[Event]:
    """Return what a watch tells until it ends, or its first events."""
    told = at.api.watch(at.path("configmaps"), version, within=within, labels=f"app={name}")
    with contextlib.closing(told):
        return list(itertools.islice(told, most))


def kinds(told: list[Event]) -> list[str]:
    return [one.kind for one in told if one.kind != "BOOKMARK"]


def test_a_watch_tells_what_changed_after_a_version_and_ends_quietly(at: Site, name: str) -> None:
    version = at.api.list(at.path("configmaps")).version
    at.create("configmaps", name, labels={"app": name})
    at.api.patch(at.path("configmaps", name), {"data": {"a": "1"}})
    at.api.delete(at.path("configmaps", name))

    assert kinds(events(at, version, name)) == ["ADDED", "MODIFIED", "DELETED"]


def test_a_watch_goes_on_from_its_last_version(at: Site, name: str) -> None:
    version = at.api.list(at.path("configmaps")).version
    at.create("configmaps", f"{name}-1", labels={"app": name})
    first = events(at, version, name, most=1)
    at.create("configmaps", f"{name}-2", labels={"app": name})

    later = events(at, first[-1].version, name, most=1)

    assert [one.thing["metadata"]["name"] for one in (*first, *later)] == [f"{name}-1", f"{name}-2"]


def test_a_bookmark_tells_the_version_before_the_watch_ends(at: Site, name: str) -> None:
    version = at.api.list(at.path("configmaps")).version
    at.create("configmaps", name)  # of no interest to the watch, but later than its version

    told = events(at, version, name, within=4.0 if at.fake is None else 1.0)

    assert told[-1].kind == "BOOKMARK"
    assert int(told[-1].version) > int(version)


def test_what_leaves_a_watchs_selection_is_deleted_for_it(at: Site, name: str) -> None:
    at.create("configmaps", name, labels={"app": name})
    version = at.api.list(at.path("configmaps")).version
    at.api.patch(at.path("configmaps", name), {"metadata": {"labels": {"app": "other"}}})
    at.api.patch(at.path("configmaps", name), {"metadata": {"labels": {"app": name}}})

    assert kinds(events(at, version, name, most=2)) == ["DELETED", "ADDED"]


def test_a_version_that_is_too_old_is_told_as_expired(at: Site, name: str) -> None:
    with pytest.raises(ExpiredError):
        events(at, "1", name)


# ---- who may what ------------------------------------------------------------------------------


def test_a_role_allows_its_verbs_and_nothing_else(at: Site, name: str) -> None:
    at.workload("deployments", name, replicas=0)
    at.workload("deployments", f"{name}-b", replicas=0)
    rules = [
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "watch"]},
        {
            "apiGroups": ["apps"],
            "resources": ["deployments"],
            "verbs": ["patch"],
            "resourceNames": [name],
        },
    ]
    they = at.account(name, rules)

    assert they.get(at.path("deployments", name))
    assert they.list(at.path("deployments")).items
    they.patch(at.path("deployments", name), {"spec": {"minReadySeconds": 1}})
    refused = (
        lambda: they.patch(at.path("deployments", f"{name}-b"), {"spec": {"paused": True}}),
        lambda: they.delete(at.path("deployments", name)),
        lambda: they.list(at.path("pods")),
        lambda: they.list("/apis/apps/v1/deployments"),
        lambda: they.get(f"/apis/apps/v1/namespaces/default/deployments/{name}"),
        lambda: they.patch(at.path("deployments", name, "scale"), {"spec": {"replicas": 1}}),
    )
    for call in refused:
        with pytest.raises(RejectedError, match=r"403.*cannot"):
            call()


def test_scale_and_patch_are_separate_permissions(at: Site, name: str) -> None:
    at.workload("deployments", name, replicas=0)
    rules = [{"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["get", "patch"]}]
    they = at.account(name, rules)

    they.patch(at.path("deployments", name, "scale"), {"spec": {"replicas": 1}})
    with pytest.raises(RejectedError):
        they.patch(at.path("deployments", name), {"spec": {"replicas": 0}})
    assert at.get("deployments", name)["spec"]["replicas"] == 1


def test_evicting_needs_its_own_permission_alone(at: Site, name: str) -> None:
    at.workload("deployments", name, replicas=1)
    (pod,) = at.ready(name, 1)
    rules = [{"apiGroups": [""], "resources": ["pods/eviction"], "verbs": ["create"]}]
    they = at.account(name, rules)

    path, meta = at.path("pods", pod["metadata"]["name"]), pod["metadata"]
    with pytest.raises(RejectedError, match=r"403.*cannot delete"):
        they.delete(path)
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": meta["name"]}}
    assert they.create(f"{path}/eviction", body)["status"] == "Success"


def test_a_wrong_token_is_told_from_a_missing_permission(at: Site) -> None:
    stranger = KubernetesApi(at.kubeconfig_of("no-such-token"))

    with pytest.raises(RejectedError, match=re.compile("401.*[Uu]nauthorized")):
        stranger.list(at.path("pods"))
