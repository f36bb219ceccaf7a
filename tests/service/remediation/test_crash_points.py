"""Killed at every named point, the remediator goes on where it was: one effect, healed, and told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

import airwarden.remediation.crash
from airwarden.remediation.crash import CRASH_POINTS
from support.crashing import Process, make_world, read_world
from support.engine import alert, webhook
from support.eventually import eventually
from support.remediator import API_TOKEN, WEBHOOK_TOKEN


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    started: list[Process] = []
    yield started
    for process in started:
        process.stop()


def post(port: int) -> int:
    """Deliver the alert; 0 where the remediator died before it answered."""
    try:
        return httpx.post(
            f"http://127.0.0.1:{port}/api/v1/alerts",
            content=webhook(alert(starts=datetime.now(UTC))),
            headers={"Authorization": f"Bearer {WEBHOOK_TOKEN}"},
            timeout=30,
            trust_env=False,
        ).status_code
    except httpx.TransportError:
        return 0


def incidents(port: int) -> list[dict[str, object]]:
    answer = httpx.get(
        f"http://127.0.0.1:{port}/api/v1/incidents",
        headers={"Authorization": f"Bearer {API_TOKEN}"},
        timeout=30,
        trust_env=False,
    )
    found: list[dict[str, object]] = answer.json()["incidents"]
    return found


def test_every_named_point_is_in_the_code_and_no_other() -> None:
    root = Path(airwarden.remediation.crash.__file__).parent
    used = {
        name
        for file in root.rglob("*.py")
        for name in re.findall(r'crash_at\("([a-z-]+)"\)', file.read_text())
    }
    assert used == set(CRASH_POINTS)


#: Tried on every run; the others take their minutes in `make reliability`.
ALWAYS = ("after-inbox-commit", "after-intent", "after-effect", "after-result", "before-read-back")


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "point",
    [
        pytest.param(point, marks=[] if point in ALWAYS else pytest.mark.reliability)
        for point in CRASH_POINTS
    ],
)
def test_killed_at_a_point_it_ends_healed_with_one_effect(
    tmp_path: Path, processes: list[Process], point: str
) -> None:
    # A reply that is lost is the one way to the read-back without another crash.
    make_world(tmp_path, lose_reply=point == "before-read-back")
    url = f"sqlite:///{tmp_path / 'journal.db'}"
    first = Process(tmp_path, url, crash_at=point)
    processes.append(first)
    status = post(first.port)
    assert first.wait_dead(within=60) == -9
    assert status in (0, 200)

    second = Process(tmp_path, url)
    processes.append(second)
    port = second.port
    eventually(
        lambda: [one["state"] for one in incidents(port)] == ["RESOLVED"],
        within=90,
        every=0.2,
        what="the incident is resolved",
    )
    assert (tmp_path / "effects.log").read_text().splitlines() == ["restart"]
    assert read_world(tmp_path)["healthy"]

    def told() -> bool:
        sent = (tmp_path / "sent.log").read_text().splitlines()
        return {"trigger", "resolve"} <= {line.split()[0] for line in sent}

    eventually(told, within=30, what="the page and its resolution are sent")
    lines = (tmp_path / "sent.log").read_text().splitlines()
    keys = {line.split()[1] for line in lines if line.split()[0] in ("trigger", "resolve")}
    assert len(keys) == 1
