"""The shipped Roles hold exactly what the adapters call: everything works under them, nothing is spare."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml

from airwarden.adapters.clock import SystemClock
from airwarden.adapters.host_kubernetes import KubernetesHost
from airwarden.adapters.kubernetes import KubernetesNamespace
from airwarden.adapters.kubernetes_api import KubernetesApi
from airwarden.adapters.kubernetes_following import KubernetesFollower
from airwarden.core.errors import RejectedError
from airwarden.core.kubernetes import Workload
from airwarden.core.platform import Component
from airwarden.exporters.collectors.kubernetes_pods import KubernetesPodsCollector
from airwarden.exporters.collectors.kubernetes_workloads import KubernetesWorkloadsCollector
from support.kubernetes.requests import parse
from support.kubernetes.resources import Json
from support.kubernetes.site import Site, site
from support.repository import ROOT

RIGHTS = ROOT / "deploy/kubernetes/rights"
_VERBS = {"GET": "get", "POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}

Right = tuple[str, str, str]


def rules(program: str) -> list[Json]:
    """Return the rules of a program's Role."""
    documents = yaml.safe_load_all((RIGHTS / f"{program}.yaml").read_text())
    (role,) = (one for one in documents if one["kind"] == "Role")
    found: list[Json] = role["rules"]
    return found


def granted(program: str) -> set[Right]:
    return {
        (verb, group, resource)
        for rule in rules(program)
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def used(requests: list[tuple[str, str]]) -> set[Right]:
    """Return what the requests that came would need, in the words of a Role."""
    found = set()
    for method, url in requests:
        parts = urlsplit(url)
        place = parse(parts.path)
        if place is None:
            continue
        verb = _VERBS.get(method, "watch")
        if verb == "get" and not place.name:
            verb = "watch" if "watch" in dict(parse_qsl(parts.query)) else "list"
        named = place.resource.plural + (f"/{place.part}" if place.part else "")
        found.add((verb, place.resource.group, named))
    return found


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path, kubelet=True) as made:
        yield made


def hpa(at: Site, name: str) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    spec = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 2}
    at.create("horizontalpodautoscalers", name, spec=spec)


def every_call(at: Site, kube: KubernetesNamespace) -> None:
    """Call everything that the port has, on every kind of object."""
    at.chart("scheduler")
    at.chart("worker", stable=True)
    at.chart("triggerer")
    at.chart("api-server")
    hpa(at, "airflow-api-server")
    spec = {"scaleTargetRef": {"name": "airflow-triggerer"}, "triggers": []}
    at.create("scaledobjects", "triggerer", spec={**spec, "maxReplicaCount": 2})
    at.create("resourcequotas", "room", spec={"hard": {"pods": "50"}})
    (pod, *_) = kube.pods(Component.SCHEDULER)
    kube.log_tail(pod, lines=10)
    kube.evict(pod, why="a test")
    assert kube.quotas()
    for one in kube.workloads():
        assert kube.refusals(one) == []
        kube.restart(one, key="run-1", why="a test")
        kube.restart(kube.workload(one.kind, one.name), key="run-1", why="a test")
        _rescale(kube, one)
    host = KubernetesHost(kube)
    process, *_ = host.processes(Component.SCHEDULER)
    host.restart(process.name, generation=process.generation)


def _rescale(kube: KubernetesNamespace, one: Workload) -> None:
    seen = kube.capacity(kube.workload(one.kind, one.name))
    kube.set_capacity(seen, minimum=2, maximum=2, why="a test")


def test_the_remediators_role_is_exactly_what_it_uses(at: Site) -> None:
    if at.fake is None:
        pytest.skip("kubelets are faked here")
    account = at.account_file("airwarden-remediator", rules("remediator"))
    seen: list[tuple[str, str]] = []
    kube = KubernetesNamespace(Watched(KubernetesApi(account), seen), at.namespace)
    every_call(at, kube)

    assert used(seen) == granted("remediator")


class Watched(KubernetesApi):
    """An API whose requests are noted."""

    def __init__(self, api: KubernetesApi, seen: list[tuple[str, str]]) -> None:
        self.__dict__.update(api.__dict__)
        self._seen = seen

    def _request(self, method: str, path: str, query: Any, *rest: Any, **named: Any) -> Any:
        self._seen.append((method, path + ("?watch=1" if "watch" in query else "")))
        return super()._request(method, path, query, *rest, **named)


def test_the_exporters_role_is_exactly_what_it_uses(at: Site) -> None:
    account = at.account_file("airwarden-exporter", rules("exporter"))
    seen: list[tuple[str, str]] = []
    at.chart("scheduler")
    at.pods("airflow-scheduler", 1)

    api = Watched(KubernetesApi(account), seen)
    host = KubernetesHost(KubernetesNamespace(api, at.namespace))
    assert len(host.processes()) == 1
    follower = KubernetesFollower(api, at.namespace)
    pods = KubernetesPodsCollector(follower, SystemClock())
    workloads = KubernetesWorkloadsCollector(follower)
    for collector in (pods, pods, workloads):
        collector.collect()

    assert used(seen) == granted("exporter")


REFUSED: dict[str, Callable[[Site, KubernetesApi], object]] = {
    "delete a pod": lambda at, they: they.delete(at.path("pods", "x")),
    "delete a workload": lambda at, they: they.delete(at.path("deployments", "airflow-scheduler")),
    "create a pod": lambda at, they: they.create(at.path("pods"), {"metadata": {"name": "x"}}),
    "read configuration": lambda at, they: they.list(at.path("configmaps")),
    "read accounts": lambda at, they: they.list(at.path("serviceaccounts")),
    "make a token": lambda at, they: they.create(
        at.path("serviceaccounts", "airwarden-remediator", "token"), {"metadata": {}, "spec": {}}
    ),
    "change a role": lambda at, they: they.patch(
        at.path("roles", "airwarden-remediator"), {"rules": []}
    ),
    "change a budget": lambda at, they: they.patch(
        at.path("poddisruptionbudgets", "x"), {"spec": {"minAvailable": 0}}
    ),
    "write a status": lambda at, they: they.patch(
        at.path("deployments", "airflow-scheduler", "status"), {"status": {}}
    ),
    "look elsewhere": lambda _, they: they.list("/api/v1/namespaces/default/pods"),
    "look everywhere": lambda _, they: they.list("/api/v1/pods"),
}


@pytest.mark.parametrize("program", ["exporter", "remediator"])
def test_everything_else_is_refused(at: Site, program: str) -> None:
    at.chart("scheduler")
    they = KubernetesApi(at.account_file(f"airwarden-{program}", rules(program)))

    for call in REFUSED.values():
        with pytest.raises(RejectedError, match="403"):
            call(at, they)


def test_a_binding_names_its_own_role_and_account() -> None:
    for program in ("exporter", "remediator"):
        documents = list(yaml.safe_load_all((RIGHTS / f"{program}.yaml").read_text()))
        (binding,) = (one for one in documents if one["kind"] == "RoleBinding")
        name = f"airwarden-{program}"
        assert binding["roleRef"]["name"] == name
        assert [one["name"] for one in binding["subjects"]] == [name]
        assert all("*" not in right for right in granted(program))
