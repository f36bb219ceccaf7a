"""What we rely on of the Kubernetes API: objects: versions, patches, selectors, deletion."""

from __future__ import annotations

import pytest

from airwarden.core.errors import ConflictError, NotFoundError, RejectedError
from support.kubernetes.contract import JSON_PATCH, STRATEGIC, autoscaler, eventually_at
from support.kubernetes.site import Site


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
    at.create("configmaps", name, data={"a": "1"}, annotations={"b/c": "1"})
    path = at.path("configmaps", name)
    at.api.patch(
        path,
        [
            {"op": "test", "path": "/data/a", "value": "1"},
            {"op": "replace", "path": "/data/a", "value": "2"},
            {"op": "add", "path": "/metadata/annotations/b~1d", "value": "3"},
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
    found = at.get("configmaps", name)
    assert found["data"] == {"a": "2"}
    assert found["metadata"]["annotations"] == {"b/c": "1", "b/d": "3"}


def test_a_key_of_a_config_map_is_a_file_s_name(at: Site, name: str) -> None:
    with pytest.raises(RejectedError, match="b/c"):
        at.create("configmaps", name, data={"b/c": "1"})
    with pytest.raises(NotFoundError):
        at.get("configmaps", name)


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
