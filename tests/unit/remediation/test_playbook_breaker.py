"""A playbook that acted in vain several times in a row rests, over all targets; one run tries it again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.states import IncidentState
from airwarden.remediation.journal.memory import JournalBreakers
from airwarden.remediation.world import BreakerState
from support.engine import Bench, playbook

pytestmark = pytest.mark.thorough

HOUR = 3600.0
NAME = "lab/playbook/machine-restart"
#: Two runs in vain open it; budgets and cool-down are not what these tests are about.
RAILS = Rails(playbook_failures=2, target_per_hour=99, target_per_day=99, playbook_per_hour=99)


@pytest.fixture
def bench(memory_path: Path) -> Iterator[Bench]:
    one = playbook(attempts=1)
    bench = Bench(f"sqlite:///{memory_path / 'journal.db'}", books=[one], rails=RAILS)
    bench.machine.heals = False
    yield bench
    bench.close()


def in_vain(bench: Bench, name: str) -> None:
    """One incident on a target of its own, whose remedy does not help."""
    fired = bench.fire(name=name)
    bench.run(180)
    bench.machine.healthy = True
    bench.clear(fired)
    bench.run(180)


def state(bench: Bench) -> BreakerState:
    return JournalBreakers(bench.journal).load(NAME).state


@pytest.fixture(autouse=True)
def each_name_is_a_target(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the cool-down of the one target would answer first."""
    plan = bench.restart.plan
    monkeypatch.setattr(
        bench.restart, "plan", lambda world, about, given: plan(world, about, dict(about.labels))
    )


def test_after_so_many_runs_in_vain_nothing_is_done_and_a_person_hears_why(bench: Bench) -> None:
    in_vain(bench, "one")
    assert state(bench) is BreakerState.CLOSED
    in_vain(bench, "two")
    assert state(bench) is BreakerState.OPEN
    assert bench.machine.restarts == 2
    bench.fire(name="three")
    bench.run(60)
    assert bench.machine.restarts == 2
    assert bench.state() is IncidentState.ESCALATED
    assert "playbook-breaker" in bench.incident.reason
    assert "rests for" in bench.incident.reason


def test_a_run_that_helps_begins_the_count_anew(bench: Bench) -> None:
    in_vain(bench, "one")
    bench.machine.heals = True
    fired = bench.fire(name="two")
    bench.run(120)
    bench.clear(fired)
    bench.machine.heals = False
    in_vain(bench, "three")
    assert state(bench) is BreakerState.CLOSED


def test_after_its_rest_one_run_tries_and_closes_it(bench: Bench) -> None:
    in_vain(bench, "one")
    in_vain(bench, "two")
    bench.run(HOUR)
    bench.machine.heals = True
    bench.fire(name="three")
    bench.run(20)
    assert state(bench) is BreakerState.HALF_OPEN
    assert bench.machine.restarts == 3
    bench.run(120)
    assert state(bench) is BreakerState.CLOSED


@pytest.mark.reliability
def test_a_try_in_vain_lets_it_rest_again(bench: Bench) -> None:
    in_vain(bench, "one")
    in_vain(bench, "two")
    bench.run(HOUR)
    in_vain(bench, "three")
    assert bench.machine.restarts == 3
    assert state(bench) is BreakerState.OPEN
    in_vain(bench, "four")
    assert bench.machine.restarts == 3


def test_its_changes_are_in_the_audit(bench: Bench) -> None:
    in_vain(bench, "one")
    in_vain(bench, "two")
    assert f"Breaker {NAME}: closed → open." in bench.story()


def test_without_a_number_of_failures_there_is_no_breaker(memory_path: Path) -> None:
    rails = Rails(playbook_failures=0)
    path = memory_path / "other.db"
    bench = Bench(f"sqlite:///{path}", books=[playbook(attempts=1)], rails=rails)
    bench.machine.heals = False
    bench.fire()
    bench.run(180)
    assert JournalBreakers(bench.journal).load(NAME).rev == 0
    bench.close()
