"""The remediator over HTTP: what it takes, what it refuses, and what it tells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from airwarden.core.catalogue.own import METRICS
from support.engine import alert, webhook
from support.eventually import eventually
from support.remediator import API_TOKEN, WEBHOOK_TOKEN, Running


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    running = Running(f"sqlite:///{tmp_path / 'journal.db'}")
    yield running
    running.stop()


def fire(running: Running) -> httpx.Response:
    running.machine.healthy = False
    one = alert(starts=running.clock.now())
    running.alertmanager.shown.append(one)
    return running.webhook(webhook(one))


def ended(running: Running) -> dict[str, object]:
    def look() -> dict[str, object] | None:
        found = running.get("/api/v1/incidents")["incidents"]
        return found[0] if found and found[0]["state"] == "RESOLVED" else None

    view = eventually(look, within=15, what="the incident is resolved")
    assert view is not None
    return view


def story(running: Running) -> str:
    if not running.get("/api/v1/incidents")["incidents"]:
        return ""
    return str(running.get("/api/v1/incidents/1/explain")["text"])


def test_an_alert_that_is_posted_ends_healed_and_is_told(running: Running) -> None:
    answer = fire(running)
    assert answer.status_code == 200
    assert answer.json() == {"alerts": 1, "new": True, "truncated": 0}
    view = ended(running)
    assert running.machine.restarts == 1
    assert [e["state"] for e in view["effects"]] == ["CONFIRMED"]  # type: ignore[attr-defined]
    text = running.get(f"/api/v1/incidents/{view['incident_id']}/explain")["text"]
    assert re.search(r"restart: restart lab/machine/one\.\n.*Done\.\n.*Healed", text)
    # One message, brought up to date; healed before the first one left, it is told at once.
    recorder = running.recorder
    eventually(
        lambda: "RESOLVED" in [*recorder.messages, *dict(recorder.updates).values()][-1].text,
        within=20,
    )
    assert len(recorder.messages) == 1
    eventually(
        lambda: (
            running.metrics()[
                'airwarden_incidents_total{cluster="lab",outcome="healed",playbook="machine-restart"}'
            ]
            == 1
        ),
        within=5,
    )


@pytest.mark.parametrize(
    ("path", "token"),
    [("/api/v1/incidents", "wrong"), ("/api/v1/status", "wrong")],
)
def test_the_operators_api_wants_its_token(running: Running, path: str, token: str) -> None:
    answer = running.http.get(path, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json"])
def test_nothing_describes_the_api_to_those_without_a_token(running: Running, path: str) -> None:
    assert running.http.get(path).status_code == 404


def test_each_token_opens_its_own_door_only(running: Running) -> None:
    assert running.webhook(webhook(alert()), token=API_TOKEN).status_code == 401
    assert running.webhook(webhook(alert()), token="").status_code == 401
    assert running.get("/api/v1/incidents")["incidents"] == []


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"not json", "body"),
        (b"{}", "version"),
        (b'{"version": "3", "alerts": []}', "version"),
        (b'{"version": "poll", "alerts": []}', "version"),
        (b'{"version": "4"}', "alerts"),
        (b'{"version": "4", "alerts": [{"status": "odd"}]}', "alerts.0.status"),
        (
            b'{"version": "4", "alerts": [{"status": "firing", "labels": {"alertname": "s3cret"},'
            b' "startsAt": "yesterday", "fingerprint": "ab"}]}',
            "alerts.0.startsAt",
        ),
    ],
)
def test_a_malformed_webhook_is_refused_by_the_field_and_polled_for(
    running: Running, body: bytes, named: str
) -> None:
    running.machine.healthy = False
    running.alertmanager.shown.append(alert(starts=running.clock.now()))
    answer = running.webhook(body)
    assert answer.status_code == 400
    assert named in answer.json()["detail"]
    assert "s3cret" not in answer.text
    # Whatever it held, the poll finds it at once, long before its next turn.
    ended(running)


def test_a_body_of_64_mb_is_refused_and_what_it_held_is_polled_for(running: Running) -> None:
    running.machine.healthy = False
    running.alertmanager.shown.append(alert(starts=running.clock.now()))
    chunk = b"x" * (1 << 20)

    def body() -> Iterator[bytes]:
        yield from (chunk for _ in range(64))

    headers = {"Authorization": f"Bearer {WEBHOOK_TOKEN}"}
    try:
        status = running.http.post("/api/v1/alerts", content=body(), headers=headers).status_code
    except httpx.TransportError:
        status = 413  # the connection was closed while we still sent
    assert status == 413
    ended(running)


def test_a_storm_of_15000_alerts_in_one_body_is_taken(running: Running) -> None:
    storm = [alert("Stormy", name=f"dag-{number}") for number in range(15_000)]
    body = webhook(*storm)
    assert len(body) > 4_000_000
    answer = running.webhook(body)
    assert answer.status_code == 200
    assert answer.json()["alerts"] == 15_000
    series = 'airwarden_remediator_alerts_taken{alertname="Stormy",cluster="lab"}'
    eventually(lambda: running.metrics().get(series) == 15_000, within=90, every=0.5)
    assert len(running.get("/api/v1/incidents")["incidents"]) == 1
    eventually(lambda: running.recorder.events, within=20)
    assert len(running.recorder.events) == 1


def test_the_same_webhook_a_hundred_times_at_once_is_one_run(running: Running) -> None:
    running.machine.healthy = False
    one = alert(starts=running.clock.now())
    running.alertmanager.shown.append(one)
    body = webhook(one)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: running.webhook(body), range(100)))
    assert {answer.status_code for answer in answers} == {200}
    assert sum(answer.json()["new"] for answer in answers) == 1
    ended(running)
    assert running.machine.restarts == 1
    assert len(running.get("/api/v1/incidents")["incidents"]) == 1


def test_pause_stops_effects_and_resume_wants_a_reason(running: Running) -> None:
    assert running.post("/api/v1/pause", {"reason": "upgrade"}).status_code == 200
    fire(running)
    eventually(lambda: "kill-switch" in story(running), within=10)
    assert running.machine.restarts == 0
    assert running.post("/api/v1/resume", {"reason": ""}).status_code == 400
    assert running.post("/api/v1/resume", {"reason": "done"}).status_code == 200
    assert running.post("/api/v1/resume", {"reason": "again"}).status_code == 409
    ended(running)
    assert running.machine.restarts == 1


def test_maintenance_is_begun_and_ended(running: Running) -> None:
    begun = running.post("/api/v1/maintenance", {"for": "30m", "reason": "deploy"})
    assert begun.json()["begun"][0]["set_by"] == "ada"
    assert running.get("/api/v1/status")["windows"][0]["reason"] == "deploy"
    fire(running)
    eventually(lambda: "maintenance" in story(running), within=10)
    assert len(running.post("/api/v1/maintenance", {"end": True}).json()["ended"]) == 1
    assert running.get("/api/v1/windows")["windows"] == []
    ended(running)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/v1/incidents/77/approve", {}, 404),
        ("/api/v1/incidents/77/deny", {}, 404),
        ("/api/v1/pause", {}, 400),
        ("/api/v1/pause", {"reason": "x", "cluster": "elsewhere"}, 404),
        ("/api/v1/pause", {"reasn": "x"}, 422),
        ("/api/v1/maintenance", {"reason": "x", "for": "soon"}, 422),
        ("/api/v1/maintenance", {"reason": "x", "for": "400d"}, 400),
        ("/api/v1/maintenance", {"end": True}, 409),
        ("/-/reload", {}, 400),
    ],
)
def test_an_order_that_cannot_be_followed_says_why(
    running: Running, path: str, body: dict[str, object], status: int
) -> None:
    answer = running.post(path, body)
    assert answer.status_code == status
    assert answer.json()["detail"]


def test_an_order_is_never_larger_than_an_order_is(running: Running) -> None:
    large = b'{"reason": "' + b"x" * 70_000 + b'"}'
    assert running.http.post("/api/v1/pause", content=large).status_code == 413
    chunked = running.http.post("/api/v1/pause", content=iter([large, large]))
    assert chunked.status_code in (400, 401, 413)


def test_its_metrics_are_those_of_the_catalogue(running: Running) -> None:
    fire(running)
    ended(running)
    expected = {metric.name: metric for metric in METRICS if "remediator" in metric.source}
    text = running.http.get("/metrics").text
    seen = set()
    for family in text_string_to_metric_families(text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        seen.add(name)
        assert family.type == expected[name].type
        for sample in family.samples:
            labels = set(sample.labels) - {"le"}
            assert labels == {"cluster", *expected[name].labels}, sample
    assert seen == set(expected)


def test_health_and_readiness_tell_the_truth(running: Running) -> None:
    assert running.http.get("/healthz").text == "ok"
    eventually(lambda: running.http.get("/readyz").status_code == 200, within=10)
