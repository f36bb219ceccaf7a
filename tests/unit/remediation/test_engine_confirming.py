"""What the engine takes for a fault: what it reads, how often, and what Alertmanager shows meanwhile."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airwarden.core.alerts import AlertStatus
from airwarden.remediation.decide.states import IncidentState
from support.engine import Bench, alert

pytestmark = pytest.mark.thorough


def test_nothing_is_done_before_the_fault_read_true_often_enough(bench: Bench) -> None:
    bench.fire()
    bench.run(9)
    assert bench.machine.restarts == 0
    bench.run(3)
    assert bench.machine.restarts == 1


def test_what_heals_before_it_is_confirmed_is_left_alone(bench: Bench) -> None:
    bench.fire()
    bench.run(5)
    bench.machine.healthy = True
    bench.run(90)
    assert bench.attempts() == []
    assert bench.state() is IncidentState.RESOLVED
    assert bench.incident.healed_by_itself


def test_alerts_that_end_before_anything_was_done_end_the_remedy(bench: Bench) -> None:
    one = bench.fire()
    bench.run(3)
    bench.machine.healthy = True
    bench.clear(one)
    bench.run(40)
    assert bench.attempts() == []
    assert bench.state() is IncidentState.RESOLVED


def test_a_fault_that_shows_only_after_the_first_looks_is_treated_without_delay(
    bench: Bench,
) -> None:
    bench.fire()
    bench.machine.healthy = True
    bench.run(25)
    assert bench.state() is IncidentState.STABILIZING
    bench.machine.healthy = False
    bench.run(60)
    assert bench.machine.restarts == 1


def test_what_cannot_be_read_is_not_acted_on_and_paged_for(bench: Bench) -> None:
    bench.machine.unreadable = True
    bench.fire()
    bench.run(120)
    assert bench.machine.restarts == 0
    assert bench.state() is IncidentState.ESCALATED
    assert len(bench.paged()) == 1


def test_an_unreadable_alertmanager_stops_effects_and_pages(bench: Bench) -> None:
    bench.fire()
    bench.run(2)
    bench.alertmanager.down = True
    bench.run(90)
    assert bench.machine.restarts == 0
    assert "unreadable" in bench.incident.reason
    assert len(bench.paged()) == 1


def test_a_silence_that_begins_later_stops_what_is_not_done_yet(bench: Bench) -> None:
    one = bench.fire()
    bench.run(5)
    bench.alertmanager.shown = [replace(one, suppressed_by=("silence-1",))]
    bench.run(400)
    assert bench.machine.restarts == 0
    assert bench.paged() == []
    assert any("silenced or inhibited" in line for line in bench.story())
    bench.alertmanager.shown = [one]
    bench.run(30)
    assert bench.machine.restarts == 1


def test_a_silenced_alert_that_only_the_poll_sees_opens_nothing(bench: Bench) -> None:
    bench.machine.healthy = False
    bench.alertmanager.shown = [replace(alert(), suppressed_by=("silence-1",))]
    bench.run(60)
    assert bench.incidents() == []


def test_the_poll_finds_what_no_webhook_delivered(bench: Bench) -> None:
    bench.machine.healthy = False
    bench.alertmanager.shown = [alert()]
    bench.run(60)
    assert bench.machine.restarts == 1
    assert bench.state() is IncidentState.RESOLVED


def test_an_alert_that_ends_unheard_is_found_to_be_over(bench: Bench) -> None:
    strange = alert("NeverSeen")
    bench.alertmanager.shown = [strange]
    bench.deliver(strange)
    bench.run(30)
    bench.alertmanager.shown = []
    bench.run(400)
    assert bench.state() is IncidentState.RESOLVED


def test_the_same_delivery_a_hundred_times_is_one_run(bench: Bench) -> None:
    one = bench.fire()
    for _ in range(100):
        bench.deliver(one)
    bench.run(60)
    for _ in range(100):
        bench.deliver(one)
    bench.run(60)
    assert len(bench.incidents()) == 1
    assert len(bench.runs()) == 1
    assert bench.machine.restarts == 1


def test_resolved_before_firing_is_not_acted_on(bench: Bench) -> None:
    bench.machine.healthy = False
    firing = alert(starts=bench.clock.now())
    bench.deliver(replace(firing, status=AlertStatus.RESOLVED, ends_at=bench.clock.now()))
    bench.deliver(firing)
    bench.run(60)
    assert bench.incidents() == []


def test_two_alerts_of_one_target_are_one_incident(bench: Bench) -> None:
    bench.fire()
    second = alert(starts=bench.clock.now(), severity="warning")
    bench.alertmanager.shown.append(second)
    bench.deliver(second)
    bench.run(60)
    assert len(bench.incidents()) == 1
    assert bench.machine.restarts == 1
