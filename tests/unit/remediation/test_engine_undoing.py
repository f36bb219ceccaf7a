"""Steps that wait, and the way back from what was done."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airwarden.remediation.decide.calendar import Kind, Window
from airwarden.remediation.decide.states import IncidentState
from airwarden.remediation.journal import rails, windows
from support.engine import Make, playbook

pytestmark = pytest.mark.thorough


def test_a_hold_waits_for_the_world_and_is_taken_back(make: Make) -> None:
    steps = [
        {"id": "hold", "action": "number.hold", "with": {"value": 1}},
        {"id": "gone", "wait": {"check": "flag"}, "within": "10m", "stable": "10s"},
        {"id": "release", "undo": "hold"},
        {"id": "tell", "human": "Ask the owner."},
        {"id": "restart", "action": "machine.restart"},
    ]
    bench = make(books=[playbook(steps=steps)])
    bench.fire()
    bench.run(60)
    assert bench.hold.value == 1
    bench.machine.extra["flag"] = True
    bench.run(90)
    assert bench.hold.value == 10
    assert bench.machine.restarts == 1
    assert bench.incident.human_steps == ("Ask the owner.",)
    assert bench.state() is IncidentState.RESOLVED
    # What a person has to do is paged for, and healing does not do it for them.
    assert len(bench.paged()) == 1
    assert bench.paged("resolve") == []


@pytest.mark.parametrize(("value", "asked"), [(1, ("Ask the owner.",)), (10, ())])
def test_nobody_is_asked_about_what_was_not_done(
    make: Make, value: int, asked: tuple[str, ...]
) -> None:
    steps = [
        {"id": "hold", "action": "number.hold", "with": {"value": value}},
        {"id": "tell", "human": "Ask the owner.", "about": ["hold"]},
        {"id": "restart", "action": "machine.restart"},
    ]
    bench = make(books=[playbook(steps=steps)])
    bench.fire()
    bench.run(150)
    assert bench.hold.value == value
    assert bench.incident.human_steps == asked
    assert len(bench.paged()) == len(asked)
    assert bench.state() is IncidentState.RESOLVED


def test_a_target_stays_locked_while_people_hold_its_remedy_up(make: Make) -> None:
    steps = [
        {"id": "hold", "action": "number.hold", "with": {"value": 1}},
        {"id": "gone", "wait": {"check": "flag"}, "within": "1m"},
        {"id": "release", "undo": "hold"},
    ]
    bench = make(books=[playbook(steps=steps, deadline="2m")])
    bench.fire()
    bench.run(60)
    assert bench.hold.value == 1
    upgrade = Window(
        Kind.MAINTENANCE,
        bench.clock.now().replace(tzinfo=None),
        timedelta(minutes=5),
        reason="an upgrade",
    )
    with bench.journal.write() as tx:
        windows.add(tx, upgrade)
    bench.machine.extra["flag"] = True
    bench.run(280, poll_every=60)
    with bench.journal.read() as tx:
        assert rails.lock_holder(tx, "lab/number/n") is not None
    bench.run(60, poll_every=60)
    assert bench.hold.value == 10


def test_a_wait_that_is_not_met_in_time_calls_a_human(make: Make) -> None:
    steps = [
        {"id": "hold", "action": "number.hold", "with": {"value": 1}},
        {"id": "gone", "wait": {"check": "flag"}, "within": "2m"},
        {"id": "release", "undo": "hold"},
    ]
    bench = make(books=[playbook(steps=steps)])
    bench.fire()
    bench.run(200)
    assert bench.state() is IncidentState.ESCALATED
    assert bench.hold.value == 1
    assert len(bench.paged()) == 1


def test_what_a_remedy_left_in_force_is_taken_back_once_all_is_well(make: Make) -> None:
    steps = [
        {"id": "hold", "action": "number.hold", "with": {"value": 1}},
        {"id": "gone", "wait": {"check": "flag"}, "within": "1m"},
        {"id": "release", "undo": "hold"},
    ]
    bench = make(books=[playbook(steps=steps)])
    one = bench.fire()
    bench.run(120)
    assert bench.state() is IncidentState.ESCALATED
    assert bench.incident.evidence["still in force"] == "number 10 → 1"
    bench.machine.healthy = True
    bench.clear(one)
    bench.run(120)
    assert bench.hold.value == 10
    assert bench.state() is IncidentState.RESOLVED
    assert len(bench.paged("resolve")) == 1


def test_what_people_changed_meanwhile_is_not_taken_back(make: Make) -> None:
    steps = [
        {"id": "hold", "action": "number.hold", "with": {"value": 1}},
        {"id": "gone", "wait": {"check": "flag"}, "within": "1m"},
        {"id": "release", "undo": "hold"},
    ]
    bench = make(books=[playbook(steps=steps)])
    one = bench.fire()
    bench.run(120)
    bench.hold.value = 5
    bench.machine.healthy = True
    bench.clear(one)
    bench.run(120)
    assert bench.hold.value == 5
    assert bench.state() is IncidentState.RESOLVED
