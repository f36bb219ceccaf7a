"""The remediator over HTTP: what it takes, what it refuses, and what it tells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.engine import alert, webhook
from support.eventually import eventually
from support.remediator import API_TOKEN, Running


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


def test_an_alert_that_is_posted_ends_healed_and_is_told(running: Running) -> None:
    answer = fire(running)
    assert answer.status_code == 200
    assert answer.json() == {"alerts": 1, "new": True, "truncated": 0}
    view = ended(running)
    assert running.machine.restarts == 1
    assert [e["state"] for e in view["effects"]] == ["CONFIRMED"]  # type: ignore[attr-defined]
    text = running.get(f"/api/v1/incidents/{view['incident_id']}/explain")["text"]
    assert "Done: restart lab/machine/one." in text
    assert eventually(lambda: running.recorder.updates, within=5)
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


def test_each_token_opens_its_own_door_only(running: Running) -> None:
    assert running.webhook(webhook(alert()), token=API_TOKEN).status_code == 401
    assert running.webhook(webhook(alert()), token="").status_code == 401
    assert running.get("/api/v1/incidents")["incidents"] == []
