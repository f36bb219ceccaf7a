"""What the exporter program keeps of reported values over a reload, and what it refuses to start with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airwarden.adapters.clock import SystemClock
from airwarden.adapters.fakes import FakeClock, FakePrometheus
from airwarden.cli import composition, stated
from airwarden.cli.doctor import business
from airwarden.cli.doctor.finding import Outcome
from airwarden.cli.reporting import Reporting
from airwarden.core.errors import WrongInputError
from airwarden.core.settings import BusinessQuery, Settings, parse
from airwarden.exporters.events import EVENTS
from airwarden.exporters.server import Posted, Reply
from support.families import every

CLUSTER = 'clusters:\n  - airflow: {url: "http://127.0.0.1:1", auth: {token_file: t}}\n'
TAKEN = CLUSTER + "exporter: {events: {token_file: token}}\n"
PROMQL = """\
business:
  queries:
    - name: quality
      metric: airwarden_quality_score_ratio
      promql: avg by (dataset, dimension) (score)
"""
EVENT = {"id": "1", "kind": "quality_score", "dataset": "o", "dimension": "d", "score": 0.5}


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "token").write_text("token-of-the-senders\n")
        self.clock = FakeClock()
        self.reporting = Reporting(self.clock)

    def settings(self, text: str) -> Settings:
        return parse(text, source="airwarden.yaml", environ={}, base=self.folder)

    def renew(self, text: str) -> None:
        self.reporting.renew(self.settings(text))

    def post(self, event: object = EVENT) -> Reply:
        post = self.reporting.posts()[EVENTS]
        return post.answer(Posted(EVENTS, "", {}, json.dumps(event).encode()))

    def admits(self, token: str) -> bool:
        door = self.reporting.posts()[EVENTS].door
        assert door is not None
        return door.admits(f"Bearer {token}")

    def quality(self) -> dict[tuple[str, ...], float]:
        return every(self.reporting.values("default").families(), "quality_score_ratio")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_events_are_taken_when_they_are_configured_and_until_they_no_longer_are(
    world: World,
) -> None:
    world.renew(CLUSTER)
    assert world.post().status == 404
    assert world.admits("anything")  # so that it is told why
    world.renew(TAKEN)
    assert not world.admits("anything")
    assert world.admits("token-of-the-senders")
    assert world.post().status == 200
    assert world.quality() == {("o", "d"): 0.5}
    world.renew(TAKEN + "business: {keep: 1h}\n")
    assert world.quality() == {("o", "d"): 0.5}  # a reload forgets nothing
    world.renew(CLUSTER)
    assert world.post().status == 404
    world.reporting.close()


def test_after_a_restart_the_state_file_tells_what_was_there(world: World) -> None:
    world.renew(TAKEN)
    world.post()
    world.reporting.close()
    world.reporting = Reporting(world.clock)
    world.renew(TAKEN)
    assert world.quality() == {("o", "d"): 0.5}
    assert json.loads(world.post().body)["repeated"] == 1
    world.reporting.close()


def test_another_state_file_is_another_memory(world: World) -> None:
    world.renew(TAKEN)
    world.post()
    world.renew(TAKEN.replace("token_file: token", "token_file: token, state_file: other/e.db"))
    assert json.loads(world.post().body)["accepted"] == 1
    assert (world.folder / "other/e.db").exists()
    world.reporting.close()


def test_without_token_or_a_place_for_the_state_it_does_not_start(world: World) -> None:
    text = TAKEN.replace("token_file: token", "token_file: gone")
    with pytest.raises(WrongInputError) as caught:
        world.renew(text)
    assert caught.value.place == "exporter.events.token"
    text = TAKEN.replace("token_file: token", "token_file: token, state_file: token/e.db")
    with pytest.raises(WrongInputError) as caught:
        world.renew(text)
    assert caught.value.place == "exporter.events.state_file"
    assert [path.name for path in world.folder.iterdir()] == ["token"]


def test_what_a_query_states_no_event_gives(world: World) -> None:
    world.renew(TAKEN)
    world.post()
    world.renew(TAKEN + PROMQL)
    assert world.quality() == {}
    assert json.loads(world.post({**EVENT, "id": "2"}).body)["ignored"] == 1
    world.reporting.close()


@pytest.mark.parametrize(
    ("promql", "place"),
    [
        ("avg by (dataset) (score)", "business.queries[0].promql"),
        ("avg(", "business.queries[0].promql"),
        ("avg by (dataset, dimension) (score)", "business.queries[0].url"),  # nobody to ask
    ],
)
def test_a_query_that_cannot_work_is_named(world: World, promql: str, place: str) -> None:
    text = CLUSTER + PROMQL.replace("avg by (dataset, dimension) (score)", promql)
    with pytest.raises(WrongInputError) as caught:
        stated.queries(world.settings(text), "default")
    assert caught.value.place == place


def test_doctor_asks_each_query_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    prometheus = FakePrometheus(SystemClock())

    def build(settings: Settings, query: BusinessQuery, *, place: str) -> FakePrometheus:
        assert query in settings.business.queries
        assert place == "business.queries[0]"
        return prometheus

    monkeypatch.setattr(composition, "stated_prometheus", build)
    settings = world.settings(TAKEN + PROMQL)
    query, events = business.probe_business(settings)
    assert (query.outcome, query.subject) == (Outcome.LIMITED, "quality")
    assert events.outcome is Outcome.OK
    prometheus.put("avg by (dataset, dimension) (score)", 0.5, {"dataset": "o", "dimension": "d"})
    query, _ = business.probe_business(settings)
    assert query.sentence == "gives 1 values of airwarden_quality_score_ratio"
    prometheus.put("avg by (dataset, dimension) (score)", 50, {"dataset": "x", "dimension": "d"})
    query, _ = business.probe_business(settings)
    assert (query.outcome, "50" in query.sentence) == (Outcome.FAILED, True)
    (off,) = business.probe_business(world.settings(CLUSTER))
    assert (off.outcome, off.mend) == (Outcome.OFF, "exporter.events.token_file")
    (world.folder / "token").unlink()
    *_, gone = business.probe_business(settings)
    assert gone.outcome is Outcome.FAILED
