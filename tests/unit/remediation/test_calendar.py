"""Windows in time: on the wall clock of a time zone, through the nights on which clocks are moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airwarden.core.errors import WrongInputError
from airwarden.remediation.decide.calendar import (
    Kind,
    OpenWindows,
    Window,
    check,
    following,
    open_at,
    open_now,
)

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)


def window(starts: str, hours: float, rule: str = "", tz: str = "Europe/Berlin") -> Window:
    return check(
        Window(Kind.QUIET, datetime.fromisoformat(starts), hours * HOUR, tz=tz, rrule=rule)
    )


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


NIGHTS = window("2026-01-01 22:00", 8, "FREQ=DAILY")


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-01-10 20:59:59", False),
        ("2026-01-10 21:00", True),
        ("2026-01-11 04:59:59", True),
        ("2026-01-11 05:00", False),
        # The night of 29 March is an hour shorter, and ends at six by the clock all the same.
        ("2026-03-28 21:00", True),
        ("2026-03-29 03:59:59", True),
        ("2026-03-29 04:00", False),
        ("2026-03-29 20:00", True),
        # The night of 25 October is an hour longer.
        ("2026-10-24 20:00", True),
        ("2026-10-25 04:59:59", True),
        ("2026-10-25 05:00", False),
    ],
)
def test_a_nightly_window_keeps_to_the_wall_clock(moment: str, is_open: bool) -> None:
    assert (open_at(NIGHTS, utc(moment)) is not None) is is_open


def test_where_the_clock_is_set_back_it_covers_both_hours() -> None:
    one = window("2026-10-25 02:15", 0.5)
    found = open_at(one, utc("2026-10-25 00:20"))
    assert found is not None
    assert found.ends - found.begins == timedelta(minutes=90)
    assert open_at(one, utc("2026-10-25 01:44")) is not None
    assert open_at(one, utc("2026-10-25 01:45")) is None


def test_a_local_time_that_is_skipped_still_has_its_window() -> None:
    one = window("2026-03-29 02:30", 1)
    found = following(one, utc("2026-03-28 12:00"))
    assert found is not None
    assert (found.begins, found.ends) == (utc("2026-03-29 00:30"), utc("2026-03-29 01:30"))


@pytest.mark.parametrize(
    ("rule", "starts", "moment"),
    [
        ("FREQ=WEEKLY;BYDAY=FR", "2026-01-02 18:00", "2026-06-12 17:00"),
        ("RRULE:FREQ=MONTHLY;BYMONTHDAY=-1", "2026-01-31 18:00", "2026-02-28 17:30"),
        ("freq=yearly", "2024-12-24 18:00", "2026-12-24 17:30"),
        ("FREQ=MONTHLY;BYDAY=2TU", "2026-01-13 18:00", "2026-07-14 16:30"),
        ("FREQ=DAILY;UNTIL=20260301T000000", "2026-01-01 18:00", "2026-02-28 17:30"),
        ("FREQ=DAILY;COUNT=3", "2026-01-01 18:00", "2026-01-03 17:30"),
    ],
)
def test_rules_of_the_calendar(rule: str, starts: str, moment: str) -> None:
    one = window(starts, 2, rule)
    assert open_at(one, utc(moment)) is not None
    assert open_at(one, utc(moment) + timedelta(days=1, hours=3)) is None or "DAILY" in rule


def test_a_series_ends_where_it_says() -> None:
    one = window("2026-01-01 18:00", 2, "FREQ=DAILY;COUNT=3")
    assert following(one, utc("2026-01-02 20:00")) is not None
    assert following(one, utc("2026-01-03 20:00")) is None
    assert open_at(one, utc("2026-01-04 17:30")) is None


def test_what_is_ended_is_over_at_once() -> None:
    from dataclasses import replace

    now = utc("2026-01-10 23:00")
    assert open_at(replace(NIGHTS, until=now), now) is None
    assert following(replace(NIGHTS, until=now), now) is None


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("FREQ=HOURLY", "at most daily"),
        ("FREQ=DAILY;BYHOUR=1,2", "at most daily"),
        ("FREQ=SOMETIMES", "no recurrence rule"),
        ("every friday", "no recurrence rule"),
        ("DTSTART:20260101T000000", "without DTSTART"),
        ("FREQ=DAILY\nFREQ=WEEKLY", "one rule"),
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "does not come true"),
        ("FREQ=DAILY;UNTIL=20270101T000000Z", "UNTIL"),
    ],
)
def test_a_rule_that_is_none_is_refused_with_the_mend(rule: str, said: str) -> None:
    with pytest.raises(WrongInputError, match="repeats: ") as caught:
        window("2026-01-01 18:00", 2, rule)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("starts", "hours", "tz", "place"),
    [
        ("2026-01-01 18:00+01:00", 1, "UTC", "starts"),
        ("1026-01-01 18:00", 1, "UTC", "starts"),
        ("2026-01-01 18:00", 0, "UTC", "lasts"),
        ("2026-01-01 18:00", 24 * 40, "UTC", "lasts"),
        ("2026-01-01 18:00", 1, "Mars/Olympus", "timezone"),
        ("2026-01-01 18:00", 1, "../../etc/passwd", "timezone"),
        ("2026-01-01 18:00", 1, "Europe", "timezone"),
    ],
)
def test_a_window_that_cannot_be_meant_is_refused(
    starts: str, hours: float, tz: str, place: str
) -> None:
    with pytest.raises(WrongInputError, match=f"^{place}: "):
        window(starts, hours, tz=tz)


@given(
    st.datetimes(datetime.fromisoformat("2026-01-01"), datetime.fromisoformat("2027-12-31")),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
    st.integers(1, 20),
)
def test_a_daily_window_is_open_exactly_when_the_wall_clock_says_so(
    moment: datetime, tz: str, hours: int
) -> None:
    one = window("2025-12-01 06:00", hours, "FREQ=DAILY", tz)
    now = moment.replace(tzinfo=UTC)
    here = now.astimezone(ZoneInfo(tz))
    begun = here.replace(tzinfo=None) - timedelta(hours=6)
    expected = begun - begun.replace(hour=0, minute=0, second=0, microsecond=0) < hours * HOUR
    moved = abs(
        (here + timedelta(days=1)).utcoffset() - (here - timedelta(days=1)).utcoffset()  # type: ignore[operator]
    )
    found = open_at(one, now)
    if not moved:
        assert (found is not None) is expected
    if found is not None:
        assert found.begins <= now < found.ends


def test_only_what_it_is_about_is_held() -> None:
    from dataclasses import replace

    mine = replace(NIGHTS, cluster="prod", playbooks=("pool-hold",))
    found = open_now([mine], utc("2026-01-10 23:00"))
    assert OpenWindows.of(found, "prod", "pool-hold").quiet
    assert not OpenWindows.of(found, "prod", "other").quiet
    assert not OpenWindows.of(found, "lab", "pool-hold").quiet
    assert not OpenWindows.of(found, "prod", "pool-hold").freeze


def test_the_sentence_tells_who_and_until_when_on_the_local_clock() -> None:
    (found,) = open_now([NIGHTS], utc("2026-07-10 23:00"))
    assert found.sentence == "quiet by the settings, until 2026-07-11 06:00:00 CEST"
