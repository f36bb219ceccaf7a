"""What the contract suites on Kubernetes share: namespaces, and the list of behaviours at a run's end."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.eventually import eventually
from support.kubernetes.resources import Json
from support.kubernetes.site import PATIENCE, Site, site

STRATEGIC, JSON_PATCH = "application/strategic-merge-patch+json", "application/json-patch+json"
RESTARTED = "kubectl.kubernetes.io/restartedAt"


def _tell(request: pytest.FixtureRequest, at: Site, subject: str) -> None:
    """Let the run's end list the test, by its name, as a behaviour of the subject."""
    words = request.node.name.removeprefix("test_").replace("_", " ")
    where = "the fake" if at.fake else "a real cluster"
    request.node.user_properties.append(("behaviour", f"{subject} on {where}: {words}"))


@pytest.fixture
def at(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    """A namespace of the test's own, for a file that says what its `SUBJECT` is."""
    with site(tmp_path) as made:
        _tell(request, made, request.module.SUBJECT)
        yield made


@pytest.fixture(scope="module")
def shared_at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A namespace that all tests of a file share."""
    with site(tmp_path_factory.mktemp("kubernetes")) as made:
        yield made


@pytest.fixture(autouse=True)
def behaviour(request: pytest.FixtureRequest, at: Site) -> None:
    """List the test as a behaviour of the API."""
    _tell(request, at, "Kubernetes API")


@pytest.fixture
def name() -> str:
    """A name that nothing in a shared namespace has."""
    return f"x{secrets.token_hex(3)}"


def eventually_at(at: Site, plural: str, name: str, **status: object) -> Json:
    """Wait until an object's status has these values."""

    def look() -> Json:
        found = at.get(plural, name)
        for key, value in status.items():
            assert found["status"].get(key) == value, found["status"]
        return found

    return eventually(look, within=PATIENCE)


def evict(at: Site, pod: Json, uid: str = "") -> Json:
    """Ask for a pod's eviction, bound to an incarnation if one is given."""
    meta = pod["metadata"]
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": meta["name"], "namespace": at.namespace},
        "deleteOptions": {"preconditions": {"uid": uid or meta["uid"]}},
    }
    return at.api.create(at.path("pods", meta["name"], "eviction"), body)


def autoscaler(at: Site, name: str, low: int, high: int) -> Json:
    """Create an autoscaler of a Deployment."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    spec = {"scaleTargetRef": target, "minReplicas": low, "maxReplicas": high}
    return at.create("horizontalpodautoscalers", name, spec=spec)
