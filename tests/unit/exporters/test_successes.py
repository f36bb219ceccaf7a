"""A DAG's last success is read once, and noted from then on, as long as somebody follows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airwarden.adapters.fakes import FakeClock
from airwarden.exporters.successes import STALE, Successes

T0 = datetime(2026, 1, 5, tzinfo=UTC)


def test_what_was_read_before_anybody_followed_is_not_enough() -> None:
    clock = FakeClock()
    successes = Successes(clock)
    before = clock.elapsed()
    unknown = successes.since
    assert unknown is None
    clock.advance(1)
    successes.note(())
    since = successes.since
    assert since is not None
    assert before < since <= clock.elapsed()


def test_a_follower_that_stopped_looking_is_not_believed() -> None:
    clock = FakeClock()
    successes = Successes(clock)
    successes.note(())
    began = clock.elapsed()
    clock.advance(STALE)
    unknown = successes.since
    assert unknown is None
    successes.note(())
    assert successes.since == began


def test_the_later_of_read_and_noted_counts() -> None:
    successes = Successes(FakeClock())
    later = T0 + timedelta(hours=1)
    successes.note([("a", later), ("a", T0)])
    assert successes.latest("a", T0) == later
    assert successes.latest("a", later + timedelta(hours=1)) == later + timedelta(hours=1)
    assert successes.latest("a", None) == later
    assert successes.latest("b", None) is None
