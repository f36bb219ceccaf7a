"""A wall clock that steps by an hour, either way: no cool-down is lost, and nothing stands still."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from airwarden.remediation.decide.states import IncidentState
from support.engine import Bench

pytestmark = pytest.mark.thorough


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(f"sqlite:///{tmp_path / 'journal.db'}")
    yield made
    made.close()


def healed_once(bench: Bench) -> None:
    one = bench.fire()
    bench.run(90)
    assert bench.state() is IncidentState.RESOLVED
    bench.clear(one)
    bench.run(30)
    assert bench.machine.restarts == 1


def test_a_clock_set_ahead_ends_no_cool_down(bench: Bench) -> None:
    healed_once(bench)
    bench.clock.offset = timedelta(hours=1)
    bench.fire()
    bench.run(120)
    assert bench.machine.restarts == 1
    assert any("Guard cool-down" in line for line in bench.story())


def test_a_clock_set_back_holds_nothing_up(bench: Bench) -> None:
    healed_once(bench)
    bench.run(660)
    # Prometheus' clock is right: its alert begins now.
    one = bench.fire()
    bench.clock.offset = -timedelta(hours=1)
    bench.run(120)
    assert one.starts_at > bench.clock.now()
    assert bench.machine.restarts == 2
    assert bench.state() is IncidentState.RESOLVED


@pytest.mark.parametrize("hours", [1, -1])
def test_a_step_in_the_middle_of_a_run_changes_nothing_about_it(bench: Bench, hours: int) -> None:
    bench.fire()
    bench.run(5)
    bench.clock.offset = timedelta(hours=hours)
    bench.run(120)
    assert bench.machine.restarts == 1
    assert bench.state() is IncidentState.RESOLVED


def test_a_clock_that_swings_every_few_seconds_changes_nothing(bench: Bench) -> None:
    bench.fire()
    for turn in range(16):
        bench.clock.offset = timedelta(seconds=30 if turn % 2 else -30)
        bench.run(8)
    assert bench.machine.restarts == 1
    assert bench.state() is IncidentState.RESOLVED
