"""Events over HTTP: the exporter's real server, from the socket to `/metrics`."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from airwarden.adapters.clock import SystemClock
from airwarden.adapters.fakes import FakeEvents
from airwarden.core.errors import WrongInputError
from airwarden.core.ports import Lease
from airwarden.exporters import ClusterSources, Exporter, ExporterConfig
from airwarden.exporters.door import Door
from airwarden.exporters.events import (
    EVENTS,
    LINEAGE,
    EventDoor,
    EventIntake,
    Place,
)
from airwarden.exporters.events.http import MAX_BODY
from airwarden.exporters.reported import ReportedValues
from support.eventually import eventually

pytestmark = pytest.mark.thorough

TOKEN = "token-of-the-senders"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
EVENT = {"id": "1", "kind": "quality_score", "dataset": "o", "dimension": "d", "score": 0.5}


class Site:
    def __init__(self, lease: Lease | None = None) -> None:
        clock = SystemClock()
        values = ReportedValues(clock)
        self.readable = True
        self.intake: EventIntake | None = EventIntake(Door(self.token), FakeEvents(), clock)
        self.intake.serve({"east": Place(values)})
        door = EventDoor(lambda: self.intake)
        posts = {EVENTS: door.post(), LINEAGE: door.post()}
        settings = ExporterConfig(port=0, posts=posts, lease=lease)
        self.exporter = Exporter([ClusterSources("east", reported=values)], settings, clock)
        self.exporter.start()
        self.url = f"http://127.0.0.1:{self.exporter.port}"

    def token(self) -> str:
        if not self.readable:
            raise WrongInputError("file gone")
        return TOKEN

    def post(self, body: object, path: str = EVENTS, **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx.post(self.url + path, content=content, headers={**HEADERS, **headers})


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.exporter.stop()


def test_a_posted_event_stands_on_the_page(site: Site) -> None:
    answer = site.post(EVENT, f"{EVENTS}?cluster=east")
    assert answer.json() == {"accepted": 1, "repeated": 0, "ignored": 0}
    assert answer.headers["content-type"] == "application/json"
    line = 'airwarden_quality_score_ratio{cluster="east",dataset="o",dimension="d"} 0.5\n'
    eventually(lambda: line in httpx.get(f"{site.url}/metrics").text, within=15)


def test_without_the_token_nothing_is_taken_or_told(site: Site) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        answer = httpx.post(site.url + EVENTS, json=EVENT, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert TOKEN not in answer.text
    assert site.post(EVENT).json()["accepted"] == 1
    site.readable = False  # a file that is being renewed: the token read last stays in force
    assert site.post(EVENT).json()["repeated"] == 1
    site.readable = True
    site.intake = None
    answer = site.post(EVENT)
    assert answer.status_code == 404
    assert "exporter.events.token_file" in answer.text


def test_size_and_form_are_judged(site: Site) -> None:
    assert site.post(b"x" * (MAX_BODY + 1)).status_code == 413
    assert site.post(b"x" * MAX_BODY).status_code == 400
    compressed = {"Content-Encoding": "gzip"}
    assert site.post(EVENT, **compressed).status_code == 415
    assert site.post([EVENT, {**EVENT, "id": 2}]).status_code == 422
    assert httpx.get(site.url + EVENTS, headers=HEADERS).status_code == 404


def test_a_standby_takes_no_event_that_nobody_would_show() -> None:
    class Elsewhere:
        claimed = False

        def step(self) -> float:
            return 60.0

        def remaining(self) -> float:
            return 0.0

        def stop(self) -> None:
            """Nothing to let go of."""

    site = Site(Elsewhere())
    try:
        answer = site.post(EVENT)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert "active" in answer.text
    finally:
        site.exporter.stop()
