"""Hours in which a team hears of warnings, in a real Alertmanager: told, not told, and never a page less."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from airwarden.cli.outputs import rule_config
from airwarden.core.settings import parse
from airwarden.rules.build import build
from airwarden.rules.catalogue import resolve
from airwarden.rules.config import RuleConfig
from airwarden.rules.render_alertmanager import alertmanager_document
from airwarden.rules.subtree import merged, subtree
from support import monitoring
from support.eventually import eventually
from support.monitoring import Scripted

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def now_and_never() -> str:
    """Intervals that hold now, in another time zone too, and one that does not."""
    other = [day for day in DAYS if day not in _around_now()]
    return f"""
time_intervals:
  now: {{days: [{", ".join(_around_now())}], timezone: Pacific/Auckland}}
  never: {{days: [{", ".join(other)}], timezone: Pacific/Auckland}}
"""


def _around_now() -> list[str]:
    """Today, yesterday and tomorrow: whatever the time zone."""
    today = datetime.now(UTC)
    return [DAYS[(today + timedelta(days=n)).weekday()] for n in (-1, 0, 1)]


SETTINGS = """
notifications:
  slack: {webhook_url_file: slack, mute_time_intervals: [never]}
  pagerduty: {routing_key_file: pagerduty}
teams:
  awake: {slack_channel: "#awake", active_time_intervals: [now]}
  asleep: {slack_channel: "#asleep", active_time_intervals: [never]}
  muted: {mute_time_intervals: [now]}
  common: {slack_channel: "#common"}
alertmanager: {group_wait: 1s}
"""


def config(folder: Path) -> RuleConfig:
    return rule_config(parse(now_and_never() + SETTINGS, source="x", environ={}, base=folder))


@pytest.fixture
def slack(tmp_path: Path) -> Iterator[list[str]]:
    """The channels that were told something, and `page` for a page."""
    told: list[str] = []

    def answer(_: str, path: str, __: object, body: bytes) -> tuple[int, str]:
        said = json.loads(body)
        told.append(said["channel"] if path == "/chat" else "page")
        return (200, "ok") if path == "/chat" else (202, '{"status": "success"}')

    server = Scripted(answer)
    (tmp_path / "slack").write_text(f"http://{server.address}/chat")
    (tmp_path / "pagerduty").write_text("k" * 32)
    (tmp_path / "address").write_text(server.address)
    yield told
    server.stop()


def test_who_sleeps_is_told_of_no_warning_and_paged_all_the_same(
    tmp_path: Path, slack: list[str]
) -> None:
    made = config(tmp_path)
    assert made.pagerduty is not None
    address = (tmp_path / "address").read_text()
    made = replace(
        made,
        pagerduty=replace(made.pagerduty, events_url=f"http://{address}/page"),
        timing=replace(made.timing, pager_group_wait=timedelta(seconds=1)),
    )
    text = build(made)["alertmanager/alertmanager.yml"]
    server = monitoring.Alertmanager(tmp_path / "alertmanager", text)
    try:
        teams = ("awake", "asleep", "muted", "common", "unknown")
        server.post(
            {"alertname": f"Late-{team}", "severity": "warning", "team": team} for team in teams
        )
        server.post([{"alertname": "Broken", "severity": "critical", "team": "asleep"}])
        expected = ["#airflow-alerts", "#awake", "#common", "page"]
        eventually(lambda: sorted(slack) == expected, within=20, what="those who are awake hear")
        # What is flushed after them has been decided on, too.
        server.post([{"alertname": "Later", "severity": "warning", "team": "awake"}])
        eventually(lambda: slack.count("#awake") == 2, within=20, what="a later one is told")
        assert sorted(slack) == sorted([*expected, "#awake"])
    finally:
        server.stop()


def test_only_what_is_named_is_written_and_a_shared_alertmanager_keeps_its_own(
    tmp_path: Path,
) -> None:
    made = replace(config(tmp_path), teams=config(tmp_path).teams[:1])
    rules = resolve(made)
    document = alertmanager_document(rules)
    assert [one["name"] for one in document["time_intervals"]] == ["never", "now"]
    theirs = {
        "route": {"receiver": "x", "routes": [{"mute_time_intervals": ["now"]}]},
        "receivers": [{"name": "x"}],
        "time_intervals": [{"name": "now", "time_intervals": [{"weekdays": ["sunday"]}]}],
    }
    whole = merged(merged(theirs, subtree(rules)), subtree(rules))
    names = [one["name"] for one in whole["time_intervals"]]
    assert names == ["now", "airwarden-never", "airwarden-now"]
    server = monitoring.Alertmanager(tmp_path / "alertmanager", yaml.safe_dump(whole))
    server.stop()
    assert "time_intervals" not in alertmanager_document(resolve(RuleConfig()))
