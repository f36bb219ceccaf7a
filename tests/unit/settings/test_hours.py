from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airwarden.core.settings import Settings, WrongSettingsError, parse

OFFICE = """
time_intervals:
  office:
    - {days: [mon, tue, wed, thu, fri], start: 08:00, end: "18:00", timezone: Europe/Berlin}
  night: {start: "00:00", end: "06:00"}
notifications: {slack: {webhook_url_file: w, mute_time_intervals: [night]}}
teams:
  growth: {active_time_intervals: [office]}
  finance: {slack_channel: "#f"}
"""


def read(text: str) -> Settings:
    return parse(text, source="airwarden.yaml", environ={})


def test_a_team_has_its_own_hours_or_the_common_ones() -> None:
    settings = read(OFFICE)
    at_four = datetime(2026, 1, 5, 4, tzinfo=UTC)
    at_noon, on_sunday = at_four.replace(hour=12), at_four.replace(day=11, hour=12)
    hours = {team: settings.hours_of(team) for team in ("growth", "finance", "unknown", "")}
    assert not hours["growth"].told(at_four)
    assert hours["growth"].told(at_noon)
    assert not hours["growth"].told(on_sunday)
    for team in ("finance", "unknown", ""):
        assert not hours[team].told(at_four)
        assert hours[team].told(on_sunday)
    assert read("").hours_of("growth").told(at_four)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("teams: {a: {active_time_intervals: [x]}}", "'x' is not one of time_intervals"),
        (
            "notifications: {slack: {webhook_url_file: w, mute_time_intervals: [x]}}",
            "'x' is not one of time_intervals",
        ),
        ("time_intervals: {x: []}", "time_intervals.x"),
        ("time_intervals: {x: {start: '18:00', end: '08:00'}}", "two entries"),
        ("time_intervals: {x: {start: '8'}}", "is not a time of day"),
        ("time_intervals: {x: {end: '24:30'}}", "is not a time of day"),
        ("time_intervals: {x: {days: [monday]}}", "days"),
        ("time_intervals: {x: {days: []}}", "days"),
        ("time_intervals: {x: {timezone: Berlin}}", "is not a time zone"),
    ],
)
def test_hours_that_cannot_be_meant_are_refused(text: str, said: str) -> None:
    with pytest.raises(WrongSettingsError) as caught:
        read(text)
    assert said in str(caught.value)
