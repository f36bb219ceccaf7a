"""Calls with a deadline, and work that fails: late threads are counted, errors rest, bugs end."""

from __future__ import annotations

import sys
import threading

import pytest

from airwarden.core.errors import UnavailableError
from airwarden.remediation import calls
from airwarden.remediation.calls import OverdueError, ThreadedCalls
from airwarden.remediation.journal.store import FencedError
from airwarden.remediation.work import GIVE_UP, InlineCrew, ThreadedCrew
from support.engine import VirtualClock
from support.eventually import eventually


def test_a_call_returns_its_value_or_raises_its_error() -> None:
    made = ThreadedCalls()
    assert made.run(lambda: 7, deadline=5) == 7
    with pytest.raises(UnavailableError, match="gone"):
        made.run(_fail, deadline=5)
    assert made.overdue == 0


def _fail() -> int:
    raise UnavailableError("gone")


def test_a_call_that_would_end_the_program_ends_with_an_error_of_its_own() -> None:
    with pytest.raises(RuntimeError, match="SystemExit"):
        ThreadedCalls().run(lambda: sys.exit(3), deadline=5)


def test_a_late_call_is_counted_until_it_comes_back() -> None:
    made = ThreadedCalls()
    release = threading.Event()
    with pytest.raises(OverdueError):
        made.run(release.wait, deadline=0.05, key="attempt 1")
    assert made.overdue == 1
    assert made.running("attempt 1")
    assert not made.running("attempt 2")
    release.set()
    eventually(lambda: made.overdue == 0, within=5)
    assert not made.running("attempt 1")


def test_too_many_late_calls_stop_further_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "MAX_OVERDUE", 1)
    made = ThreadedCalls()
    release = threading.Event()
    with pytest.raises(OverdueError):
        made.run(release.wait, deadline=0.05)
    with pytest.raises(UnavailableError, match="overdue"):
        made.run(lambda: 7, deadline=5)
    release.set()
    eventually(lambda: made.overdue == 0, within=5)


class Failing:
    def __init__(self, error: Exception) -> None:
        self.error = error
        self.calls = 0
        self.given_up: list[str] = []

    def __call__(self) -> None:
        self.calls += 1
        raise self.error


def pursue(error: Exception, seconds: int) -> Failing:
    clock = VirtualClock()
    crew, work = InlineCrew(clock), Failing(error)
    for _ in range(seconds):
        crew.do("run/1", work, work.given_up.append)
        clock.advance(1)
    return work


def test_a_bug_rests_longer_each_time_and_is_given_up() -> None:
    work = pursue(ValueError("oops"), 20)
    assert work.calls == GIVE_UP
    assert work.given_up == ["ValueError: oops"]


def test_a_journal_that_is_away_is_tried_again_and_never_given_up() -> None:
    work = pursue(UnavailableError("away"), 20)
    assert work.calls == 10
    assert work.given_up == []


def test_lost_leadership_drops_the_work_without_a_rest() -> None:
    work = pursue(FencedError("another leads"), 5)
    assert work.calls == 5
    assert work.given_up == []


def test_a_crew_outlives_pieces_that_would_end_its_threads() -> None:
    crew = ThreadedCrew(VirtualClock(), lambda: None, threads=2)
    done: list[str] = []
    for number in range(4):
        crew.do(f"run/{number}", lambda: sys.exit(3), done.append)
    crew.do("run/5", lambda: done.append("run/5"), done.append)
    eventually(lambda: done == ["run/5"], within=5)
    assert crew.stop(within=10) == []


def test_a_crew_that_is_stopped_names_what_hangs_and_begins_nothing_more() -> None:
    crew = ThreadedCrew(VirtualClock(), lambda: None, threads=1)
    begun, release = threading.Event(), threading.Event()
    done: list[str] = []

    def hang() -> None:
        begun.set()
        release.wait(30)

    crew.do("run/1", hang, done.append)
    assert begun.wait(10)
    crew.do("run/2", lambda: done.append("run/2"), done.append)
    assert crew.stop(within=0.05) == ["run/1", "run/2"]
    release.set()
    crew.do("run/3", lambda: done.append("run/3"), done.append)
    assert crew.stop(within=10) == []
    assert done == []
