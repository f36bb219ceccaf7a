"""What a collector does wrong stays its own, shows in its status, and ages its values."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from airwarden.adapters.clock import SystemClock
from airwarden.adapters.fakes import FakeClock
from airwarden.core.errors import UnavailableError
from airwarden.exporters.app import phase
from airwarden.exporters.collector import CollectorRunner, PartialCollectError, Timing
from airwarden.exporters.families import Family, gauge
from airwarden.exporters.snapshot import Snapshot
from support.eventually import eventually

UP = gauge("airwarden_db_up", 1)
DOWN = gauge("airwarden_db_up", 0)


class Scripted:
    """A collector that takes `takes` seconds and returns or raises `answer`."""

    name = "scripted"
    interval = 5.0
    timeout = 10.0

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.takes = 0.0
        self.answer: Sequence[Family] | Exception = [UP]

    def collect(self) -> Sequence[Family]:
        self.clock.advance(self.takes)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def scripted() -> tuple[Scripted, CollectorRunner, list[Sequence[Family]], FakeClock]:
    clock = FakeClock()
    collector = Scripted(clock)
    published: list[Sequence[Family]] = []
    return collector, CollectorRunner(collector, published.append, clock), published, clock


def test_a_success_is_published_with_its_duration() -> None:
    collector, runner, published, clock = scripted()
    assert not runner.status().ran
    collector.takes = 2.0
    runner.run_once()
    status = runner.status()
    assert published == [[UP]]
    assert (status.success, status.duration, status.timeouts, status.ran) == (True, 2.0, 0, True)
    assert status.last_success == clock.now().timestamp()


def test_a_failure_keeps_the_last_values_for_a_while_and_then_drops_them() -> None:
    collector, runner, published, clock = scripted()
    runner.run_once()
    collector.answer = UnavailableError("gone")
    clock.advance(110)
    runner.run_once()
    assert (published, runner.status().success) == ([[UP]], False)
    clock.advance(11)
    runner.run_once()
    assert published == [[UP], ()]


def test_a_failure_of_any_kind_does_not_leave_the_runner() -> None:
    collector, runner, _, _ = scripted()
    collector.answer = ZeroDivisionError("a mistake of ours")
    runner.run_once()
    assert not runner.status().success
    collector.answer = [UP]
    runner.run_once()
    assert runner.status().success


def test_what_cannot_be_shown_fails_and_does_not_leave_the_runner() -> None:
    clock = FakeClock()
    collector = Scripted(clock)
    snapshot = Snapshot()
    runner = CollectorRunner(
        collector, lambda families: snapshot.publish("a", "scripted", families), clock
    )
    nameless: Sequence[Family] = [gauge("airwarden_dependency_up", {(None,): 1})]  # type: ignore[dict-item]
    collector.answer = nameless
    runner.run_once()
    status = runner.status()
    assert (status.success, status.ran, status.last_success, status.age) == (False, True, 0.0, None)
    collector.answer = [UP]
    runner.run_once()
    assert runner.status().success
    assert [block.lines for block in snapshot.blocks()] == ['airwarden_db_up{cluster="a"} 1\n']


def test_a_partial_failure_says_what_it_knows() -> None:
    collector, runner, published, _ = scripted()
    collector.answer = PartialCollectError([DOWN], UnavailableError("gone"))
    runner.run_once()
    assert published == [(DOWN,)]
    assert not runner.status().success


def test_a_late_collect_counts_as_a_timeout_once() -> None:
    collector, runner, published, _ = scripted()
    collector.takes = 11.0
    runner.run_once()
    status = runner.status()
    assert (status.success, status.timeouts, published) == (False, 1, [[UP]])
    collector.takes = 1.0
    runner.run_once()
    assert (runner.status().success, runner.status().timeouts) == (True, 1)


def test_an_overdue_collect_shows_while_it_still_hangs() -> None:
    clock = FakeClock()
    hangs, let_go = threading.Event(), threading.Event()

    class Hanging(Scripted):
        def collect(self) -> Sequence[Family]:
            if runner.status().ran:
                hangs.set()
                let_go.wait(30)
            return [UP]

    runner = CollectorRunner(Hanging(clock), lambda _: None, clock)
    runner.run_once()
    assert runner.status().success
    thread = threading.Thread(target=runner.run_once, daemon=True)
    thread.start()
    assert hangs.wait(10)
    clock.advance(9.0)
    assert runner.status().timeouts == 0
    clock.advance(2.0)
    for _ in range(2):
        status = runner.status()
        assert (status.success, status.timeouts, status.duration, status.ran) == (
            False,
            1,
            11,
            True,
        )
    let_go.set()
    thread.join(10)
    assert runner.status().timeouts == 1


def test_the_operators_timing_wins() -> None:
    clock = FakeClock()
    runner = CollectorRunner(Scripted(clock), lambda _: None, clock, timing=Timing(1.0, 2.0))
    assert (runner.interval, runner.timeout) == (1.0, 2.0)


def test_the_second_collect_comes_at_its_place_in_the_interval() -> None:
    published: list[Sequence[Family]] = []
    runner = CollectorRunner(
        Scripted(FakeClock()),
        published.append,
        SystemClock(),
        timing=Timing(interval=60),
        phase=0.001,
    )
    runner.start("east")
    eventually(lambda: len(published) == 2, within=10)
    runner.stop(5)
    assert len(published) == 2


@pytest.mark.parametrize("number", [5, 12, 30])
def test_however_many_collectors_there_are_they_are_spread(number: int) -> None:
    places = sorted(phase(one) for one in range(number))
    assert places[-1] == 1.0, "the first one keeps its interval"
    gaps = [later - earlier for earlier, later in zip([0.0, *places], places, strict=False)]
    assert max(gaps) < 2 / number
    assert min(gaps) > 0.3 / number


def test_the_thread_collects_again_and_stops_at_once() -> None:
    clock = SystemClock()
    published: list[Sequence[Family]] = []
    runner = CollectorRunner(
        Scripted(FakeClock()), published.append, clock, timing=Timing(interval=0.05)
    )
    runner.start("east")
    eventually(lambda: len(published) >= 3, within=10)
    runner.stop(5)
    seen = len(published)
    assert runner._thread is not None
    assert not runner._thread.is_alive()
    runner.run_once()
    assert len(published) == seen, "a stopped runner publishes nothing more"
