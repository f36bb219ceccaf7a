"""What an adapter reaches is written in airwarden.yaml alone: the environment's proxy is not used."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from airwarden.adapters.airflow import AirflowRest
from airwarden.adapters.airflow_auth import PasswordToken
from airwarden.adapters.alertmanager import AlertmanagerApi
from airwarden.adapters.probes import HttpProbe
from airwarden.adapters.prometheus import PrometheusApi
from support.monitoring import Scripted

ANSWERS = {
    "/auth/token": (201, {"access_token": "t"}),
    "/api/v2/version": (200, {"version": "3.3.2", "git_version": None}),
    "/api/v2/alerts": (200, []),
    "/api/v1/query": (200, {"status": "success", "data": {"resultType": "vector", "result": []}}),
    "/": (200, {}),
}


def answer(_: str, path: str, *__: object) -> tuple[int, str]:
    status, body = ANSWERS.get(path.partition("?")[0], (404, {}))
    return status, json.dumps(body)


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = Scripted(answer, content_type="application/json")
    yield f"http://{server.address}"
    server.stop()


def airflow(url: str, proxy: str = "") -> AirflowRest:
    tokens = PasswordToken(url, "svc", lambda: "p", proxy=proxy)
    return AirflowRest(url, tokens, proxy=proxy)


CALLS: dict[str, Callable[[str], object]] = {
    "airflow": lambda url: airflow(url).version(),
    "prometheus": lambda url: PrometheusApi(url).query("up"),
    "alertmanager": lambda url: AlertmanagerApi(url).alerts(),
    "probe": lambda url: HttpProbe(f"{url}/").check(),
}


@pytest.mark.parametrize(
    ("adapter", "expected"),
    [("airflow", "3.3.2"), ("prometheus", []), ("alertmanager", []), ("probe", True)],
)
def test_the_environments_proxy_is_not_used(adapter: str, expected: object, url: str) -> None:
    assert CALLS[adapter](url) == expected


def test_the_proxy_of_our_file_is(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    # The scripted server as the proxy: it is asked by absolute address, and knows the path's end.
    seen: list[str] = []

    def as_proxy(_: str, path: str, *__: object) -> tuple[int, str]:
        seen.append(path)
        return answer("", "/" + path.split("/", 3)[3])

    proxy = Scripted(as_proxy, content_type="application/json")
    try:
        version = airflow("http://airflow.invalid", f"http://{proxy.address}").version()
    finally:
        proxy.stop()
    assert version == "3.3.2"
    assert seen == ["http://airflow.invalid/auth/token", "http://airflow.invalid/api/v2/version"]
