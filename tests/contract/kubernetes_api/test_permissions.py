"""What we rely on of the Kubernetes API: who may what."""

from __future__ import annotations

import re

import pytest

from airwarden.adapters.kubernetes_api import KubernetesApi
from airwarden.core.errors import RejectedError
from support.kubernetes.site import Site


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
