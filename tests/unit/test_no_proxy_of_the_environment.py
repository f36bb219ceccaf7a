"""What an adapter reaches is written in airwarden.yaml alone: the environment's proxy is not used."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from airwarden.adapters.airflow import AirflowRest
from airwarden.adapters.airflow_auth import PasswordToken
from airwarden.adapters.alertmanager import AlertmanagerApi
from airwarden.adapters.pagerduty import PagerDutyEvents
from airwarden.adapters.pagerduty_rest import PagerDutyRest
from airwarden.adapters.probes import HttpProbe
from airwarden.adapters.prometheus import PrometheusApi
from airwarden.adapters.slack import SlackChat
from airwarden.core.platform import ChatMessage, PagerEvent
from support.monitoring import Scripted

ANSWERS = {
    "/auth/token": (201, {"access_token": "t"}),
    "/api/v2/version": (200, {"version": "3.3.2", "git_version": None}),
    "/api/v2/alerts": (200, []),
    "/api/v1/query": (200, {"status": "success", "data": {"resultType": "vector", "result": []}}),
    "/": (200, {}),
    "/api/chat.postMessage": (200, {"ok": True, "channel": "C1", "ts": "1.2"}),
    "/v2/enqueue": (202, {}),
    "/incidents": (200, {"incidents": []}),
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


MESSAGE = ChatMessage("#c", "hello")
EVENT = PagerEvent("acknowledge", "d", "k" * 32, summary="s")

CALLS: dict[str, Callable[[str], object]] = {
    "airflow": lambda url: airflow(url).version(),
    "prometheus": lambda url: PrometheusApi(url).query("up"),
    "alertmanager": lambda url: AlertmanagerApi(url).alerts(),
    "probe": lambda url: HttpProbe(f"{url}/").check(),
    "slack": lambda url: SlackChat("xoxb-t", base_url=f"{url}/api/").post(MESSAGE),
    "pagerduty": lambda url: PagerDutyEvents(url=f"{url}/v2/enqueue").send(EVENT),
    "pages": lambda url: PagerDutyRest(lambda: "k", url=url).acknowledgements("d"),
}


@pytest.mark.parametrize(
    ("adapter", "expected"),
    [
        ("airflow", "3.3.2"),
        ("prometheus", []),
        ("alertmanager", []),
        ("probe", True),
        ("slack", "C1:1.2"),
        ("pagerduty", None),
        ("pages", []),
    ],
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
