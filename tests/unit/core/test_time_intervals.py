from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airwarden.core.time_intervals import TellingHours, WeeklyTime

EVERY_DAY = tuple(range(7))
OFFICE = WeeklyTime((0, 1, 2, 3, 4), 8 * 60, 18 * 60, "Europe/Berlin")
#: Saturday.
WEEKEND = datetime(2026, 1, 10, 12, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        ("2026-01-05 06:59", False),  # Monday, 07:59 in Berlin
        ("2026-01-05 07:00", True),
        ("2026-01-05 16:59", True),
        ("2026-01-05 17:00", False),  # the end is no part of it
        ("2026-01-10 12:00", False),  # Saturday
        ("2026-07-06 06:00", True),  # 08:00 in summer
    ],
)
def test_it_is_the_wall_clock_of_its_time_zone(moment: str, told: bool) -> None:
    assert OFFICE.contains(at(moment)) is told
    assert TellingHours(active=(OFFICE,)).told(at(moment)) is told
    assert TellingHours(mute=(OFFICE,)).told(at(moment)) is not told


def test_nothing_named_is_always_and_muted_wins() -> None:
    assert TellingHours().told(WEEKEND)
    assert TellingHours().opens(WEEKEND) is None
    lunch = WeeklyTime(EVERY_DAY, 12 * 60, 13 * 60, "Europe/Berlin")
    hours = TellingHours(active=(OFFICE,), mute=(lunch,))
    assert not hours.told(at("2026-01-05 11:30"))
    assert hours.opens(at("2026-01-05 11:30")) == at("2026-01-05 12:00")


def test_it_opens_at_the_next_edge_also_after_the_clock_was_moved() -> None:
    hours = TellingHours(active=(OFFICE,))
    assert hours.opens(WEEKEND) == at("2026-01-12 07:00")
    # Saturday before summer time begins: on Monday 08:00 is 06:00 in UTC.
    assert hours.opens(at("2026-03-28 12:00")) == at("2026-03-30 06:00")
    night = WeeklyTime((6,), 0, 24 * 60)
    assert TellingHours(mute=(night,)).opens(at("2026-01-11 05:00")) == at("2026-01-12 00:00")


def test_where_nobody_is_ever_told_it_is_looked_at_again_in_a_week() -> None:
    always = WeeklyTime(EVERY_DAY, 0, 24 * 60)
    assert TellingHours(mute=(always,)).opens(WEEKEND) == WEEKEND + timedelta(days=7)


_WEEKLY = st.builds(
    lambda days, one, other, zone: WeeklyTime(tuple(days), min(one, other), max(one, other), zone),
    st.sets(st.integers(0, 6), min_size=1),
    st.integers(0, 24 * 60),
    st.integers(0, 24 * 60),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"]),
)


@given(
    active=st.lists(_WEEKLY, max_size=2),
    mute=st.lists(_WEEKLY, max_size=2),
    moment=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001
)
def test_it_opens_at_the_first_minute_in_which_it_is_told(
    active: list[WeeklyTime], mute: list[WeeklyTime], moment: datetime
) -> None:
    now = moment.replace(second=0, microsecond=0, tzinfo=UTC)
    hours = TellingHours(tuple(active), tuple(mute))
    opens = hours.opens(now)
    if opens is None:
        assert hours.told(now)
        return
    assert now < opens <= now + timedelta(days=8)
    before = [now + timedelta(minutes=n) for n in range(int((opens - now).total_seconds() // 60))]
    assert not any(hours.told(one) for one in before[:: max(1, len(before) // 20)])
    assert hours.told(opens) or opens == now + timedelta(days=7)
