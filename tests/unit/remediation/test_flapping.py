"""What comes and goes is handed to a person, once, and left alone for hours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airwarden.core.alerts import AlertStatus
from airwarden.remediation.decide.flapping import History, flapping, sampled
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.states import IncidentState
from airwarden.remediation.operations import Operations
from support.engine import START, Bench, alert

pytestmark = pytest.mark.thorough

Make = Callable[..., Bench]
RAILS = Rails()


@pytest.fixture
def make(memory_path: Path) -> Iterator[Make]:
    made: list[Bench] = []

    def build(**options: Any) -> Bench:
        made.append(Bench(f"sqlite:///{memory_path / 'journal.db'}", **options))
        return made[-1]

    yield build
    for bench in made:
        bench.close()


def come_and_go(bench: Bench, times: int, *, on: float, off: float) -> None:
    """The alert fires and ends, and the machine with it, whatever is done."""
    for _ in range(times):
        one = bench.fire()
        bench.run(on)
        bench.machine.healthy = True
        bench.clear(one)
        bench.run(off)


def test_after_three_times_within_the_hour_a_person_is_called(make: Make) -> None:
    bench = make(rails=Rails(target_per_hour=50, cool_down=timedelta(0)))
    come_and_go(bench, 3, on=60, off=240)
    done = bench.machine.restarts
    assert done == 3
    assert bench.paged() == []
    bench.fire()
    bench.run(300)
    assert bench.machine.restarts == done
    assert bench.state() is IncidentState.ESCALATED
    assert "MachineDown fired and ended 3 times within 1h" in bench.incident.reason
    assert "nothing is done by itself before" in bench.incident.reason
    assert len(bench.paged()) == 1


def test_twice_is_not_flapping(make: Make) -> None:
    bench = make(rails=Rails(target_per_hour=50, cool_down=timedelta(0)))
    come_and_go(bench, 2, on=60, off=240)
    bench.fire()
    bench.run(60)
    assert bench.machine.restarts == 3


@pytest.mark.reliability
def test_it_is_left_alone_for_hours_and_then_treated_again(make: Make) -> None:
    hold = timedelta(hours=2)
    bench = make(
        rails=Rails(
            target_per_hour=50,
            cool_down=timedelta(0),
            flap_hold=hold,
            flap_quiet=timedelta(minutes=2),
        )
    )
    come_and_go(bench, 4, on=60, off=240)
    assert bench.state() is IncidentState.RESOLVED
    bench.run(4000)  # a new incident by now, and no flapping by the count
    one = bench.fire()
    bench.run(120)
    assert len(bench.incidents()) == 2
    assert bench.state() is IncidentState.ESCALATED
    assert bench.machine.restarts == 3
    bench.machine.healthy = True
    bench.clear(one)
    bench.run(4500)
    bench.fire()
    bench.run(120)
    assert bench.machine.restarts == 4


def test_who_closes_it_lifts_the_hold(make: Make) -> None:
    bench = make(rails=Rails(target_per_hour=50, target_per_day=50, cool_down=timedelta(0)))
    come_and_go(bench, 4, on=60, off=240)
    held, done = bench.incident, bench.machine.restarts
    assert held.state is IncidentState.ESCALATED
    view = Operations(bench.parts, lambda: None).close(held.id, by="ada", reason="a loose cable")
    assert "hold for flapping is lifted" in view.reason
    come_and_go(bench, 2, on=60, off=240)
    assert bench.machine.restarts == done + 2
    assert bench.state() is IncidentState.RESOLVED
    # What comes and goes afterwards flaps by the same numbers as ever.
    come_and_go(bench, 2, on=60, off=240)
    assert bench.state() is IncidentState.ESCALATED
    assert bench.machine.restarts == done + 3


def test_flapping_every_second_is_one_incident_one_page_and_few_words(make: Make) -> None:
    # Every look at it may fall into a second in which nothing fires: that is no quiet either.
    flap_every_second(make(rails=Rails(flap_quiet=timedelta(minutes=1))), minutes=3)


@pytest.mark.reliability
@pytest.mark.timeout(900)
def test_flapping_every_second_for_an_hour(make: Make) -> None:
    flap_every_second(make(), minutes=60)


def flap_every_second(bench: Bench, *, minutes: int) -> None:
    one = alert(starts=bench.clock.now())
    bench.alertmanager.shown.append(one)
    for second in range(60 * minutes):
        bench.machine.healthy = second % 2 == 1
        fires = replace(alert(starts=bench.clock.now()), fingerprint=one.fingerprint)
        bench.deliver(fires)
        if second % 2:
            ended = replace(fires, status=AlertStatus.RESOLVED, ends_at=bench.clock.now())
            bench.deliver(ended)
        bench.turn()
        bench.clock.advance(1)
    assert len(bench.incidents()) == 1
    assert bench.state() is IncidentState.ESCALATED
    assert len(bench.paged()) == 1
    assert bench.machine.restarts == 0
    assert len(bench.story()) < 40
    assert len(bench.recorder.messages) == 1
    assert len(bench.recorder.updates) < 40


@pytest.mark.reliability
def test_a_flapping_incident_stays_open_over_its_pauses(make: Make) -> None:
    bench = make(rails=Rails(target_per_hour=50, cool_down=timedelta(0)))
    come_and_go(bench, 4, on=60, off=240)
    assert bench.state() is IncidentState.ESCALATED
    bench.run(RAILS.flap_quiet.total_seconds())
    assert bench.state() is IncidentState.RESOLVED
    assert [event.action for event in bench.recorder.events] == ["trigger", "resolve"]


# --- the decision ---------------------------------------------------------------------------------


def test_three_in_an_hour_flap_and_two_do_not() -> None:
    assert flapping([History("A", 2)], START, RAILS) == ""
    assert flapping([History("A", 3)], START, RAILS) == "A fired and ended 3 times within 1h"
    assert flapping([History("A", 3)], START, replace(RAILS, flap_cycles=0)) == ""


@pytest.mark.parametrize(("changed", "flaps"), [(10, False), (11, True), (20, True)])
def test_more_than_half_of_the_samples_changed(changed: int, flaps: bool) -> None:
    """21 samples have 20 steps between them."""
    changes = [START - n * RAILS.flap_every for n in range(changed)]
    assert bool(flapping([History("A", 0, changes)], START, RAILS)) is flaps


def test_several_changes_between_two_samples_are_one() -> None:
    changes = [START - timedelta(milliseconds=n) for n in range(5000)]
    assert sampled(changes, START, RAILS) == 5


@given(st.lists(st.floats(-1e6, 1e6), max_size=60), st.integers(0, 40))
def test_the_share_is_a_share(ages: list[float], samples: int) -> None:
    rails = replace(RAILS, flap_samples=samples)
    share = sampled([START - timedelta(seconds=age) for age in ages], START, rails)
    assert 0 <= share <= 100
