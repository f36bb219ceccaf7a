"""A Kubernetes API that is slow, overloaded, cut off or forgetful: each call says what to do next."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airwarden.adapters.kubernetes_api import ExpiredError, KubernetesApi
from airwarden.core.errors import (
    AirwardenError,
    NotFoundError,
    UnavailableError,
    UnknownOutcomeError,
    WrongInputError,
)
from support.eventually import eventually
from support.kubernetes import FakeCluster, Fault

MAPS = "/api/v1/namespaces/default/configmaps"
BODY = {"metadata": {"name": "made"}}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[FakeCluster]:
    made = FakeCluster(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def api(cluster: FakeCluster) -> KubernetesApi:
    return KubernetesApi(cluster.kubeconfig(), timeout=1.0)


def asked(cluster: FakeCluster, method: str) -> int:
    return sum(one == method for one, _ in cluster.faults.requests)


@pytest.mark.parametrize(("status", "waits"), [(429, 7), (503, None), (500, None)])
def test_an_overloaded_server_is_asked_once_and_its_wish_told(
    cluster: FakeCluster, api: KubernetesApi, status: int, waits: int | None
) -> None:
    cluster.break_with(Fault(status=status, retry_after=waits, times=9))

    with pytest.raises(UnavailableError, match=str(status)) as told:
        api.list(MAPS)

    assert told.value.retry_after == waits
    assert asked(cluster, "GET") == 1


@pytest.mark.parametrize(
    ("fault", "error", "happens"),
    [
        (Fault(status=429, retry_after=1), UnavailableError, False),
        (Fault(status=503), UnavailableError, False),
        (Fault(status=500), UnknownOutcomeError, False),
        (Fault(drop="before"), UnknownOutcomeError, False),
        (Fault(drop="after"), UnknownOutcomeError, True),
        (Fault(delay=1.5), UnknownOutcomeError, True),
    ],
    ids=["429", "503", "500", "lost-request", "lost-reply", "slow"],
)
def test_an_effect_is_sent_once_and_its_error_says_whether_to_look(
    cluster: FakeCluster,
    api: KubernetesApi,
    fault: Fault,
    error: type[AirwardenError],
    happens: bool,
) -> None:
    cluster.break_with(
        Fault("POST", fault.path, fault.status, fault.retry_after, fault.delay, fault.drop)
    )

    with pytest.raises(error):
        api.create(MAPS, BODY)

    def found() -> bool:  # what is slow is done when its delay is over
        names = [one["metadata"]["name"] for one in api.list(MAPS).items]
        assert names == (["made"] if happens else [])
        return True

    eventually(found, within=2)
    assert asked(cluster, "POST") == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda api: api.get(f"{MAPS}/x"),
        lambda api: api.list(MAPS),
        lambda api: list(api.watch(MAPS, "100", within=0.2)),
    ],
    ids=["get", "list", "watch"],
)
def test_no_read_outlasts_its_deadline(
    cluster: FakeCluster, api: KubernetesApi, call: Callable[[KubernetesApi], object]
) -> None:
    cluster.break_with(Fault(delay=8.0))
    begun = time.monotonic()

    with pytest.raises(UnavailableError):
        call(api)

    assert time.monotonic() - begun < 3.0


def test_a_server_that_is_gone_was_never_reached(cluster: FakeCluster, api: KubernetesApi) -> None:
    assert api.list(MAPS).items == ()
    cluster.stop()

    for call in (lambda: api.list(MAPS), lambda: api.create(MAPS, BODY)):
        with pytest.raises((UnavailableError, UnknownOutcomeError)):
            call()
    with pytest.raises(UnavailableError, match="cannot be reached"):
        KubernetesApi(cluster.kubeconfig()).create(MAPS, BODY)


def test_a_broken_watch_goes_on_and_misses_nothing(
    cluster: FakeCluster, api: KubernetesApi
) -> None:
    version = api.list(MAPS).version
    api.create(MAPS, {"metadata": {"name": "one"}})
    seen, broken = [], 0
    while "two" not in seen:
        try:
            for event in api.watch(MAPS, version, within=5.0):
                version = event.version
                if event.kind == "ADDED":
                    seen.append(event.thing["metadata"]["name"])
                if seen == ["one"] and not broken:
                    cluster.cut()
                    api.create(MAPS, {"metadata": {"name": "two"}})
                if "two" in seen:
                    break
        except (UnavailableError, UnknownOutcomeError):
            broken += 1

    assert (seen, broken) == (["one", "two"], 1)


def test_an_expired_watch_and_an_expired_page_are_begun_anew(
    cluster: FakeCluster, api: KubernetesApi
) -> None:
    for number in range(4):
        api.create(MAPS, {"metadata": {"name": f"n{number}"}})
    version = api.list(MAPS).version
    cluster.store.expire()
    with pytest.raises(ExpiredError):
        list(api.watch(MAPS, version, within=1.0))

    cluster.break_with(Fault("GET", "continue=", status=410))
    assert len(api.list(MAPS, page=2).items) == 4


def test_the_environments_proxy_is_not_used(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    assert KubernetesApi(cluster.kubeconfig()).list(MAPS).items == ()


def test_a_server_that_nobody_signed_for_is_not_believed(
    cluster: FakeCluster, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = FakeCluster(tmp_path / "other")
    try:
        text = cluster.kubeconfig().read_text().replace(cluster.url, other.url)
        (tmp_path / "wrong").write_text(text)
        with pytest.raises(UnavailableError, match="certificate"):
            KubernetesApi(tmp_path / "wrong").list(MAPS)
    finally:
        other.stop()


def test_what_cannot_be_a_kubeconfig_is_the_operators_to_mend(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    for path in (tmp_path / "none", tmp_path / "empty", None):
        with pytest.raises(WrongInputError):
            KubernetesApi(path).get("/version")


def test_a_log_is_text(cluster: FakeCluster, api: KubernetesApi) -> None:
    pods = "/api/v1/namespaces/default/pods"
    container = {"name": "main", "image": "pause"}
    api.create(pods, {"metadata": {"name": "p"}, "spec": {"containers": [container]}})
    cluster.api.logs["default", "p"] = "one\ntwo\n"

    assert api.text(f"{pods}/p/log", tailLines=10) == "one\ntwo\n"
    with pytest.raises(NotFoundError):
        api.text(f"{pods}/q/log")
