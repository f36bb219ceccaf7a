"""A playbook run by hand: shown first, then exactly that, under the same guards as with an alert."""

from __future__ import annotations

import pytest

from airwarden.core.alerts import Severity
from airwarden.core.errors import ConflictError, NotFoundError, WrongInputError
from airwarden.remediation.actions.base import Danger
from airwarden.remediation.by_hand import ByHand, Order
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.states import IncidentState, Mode
from airwarden.remediation.operations import Operations
from support.engine import Bench, Make, playbook

pytestmark = pytest.mark.thorough

ORDER = Order("machine-restart", {"name": "one"})


def hands(bench: Bench) -> ByHand:
    return ByHand(bench.parts, lambda: None)


def begin(bench: Bench, order: Order = ORDER, *, reason: str = "it hangs") -> str:
    shown = hands(bench).rehearse(order)
    return hands(bench).begin(order, plan=shown.plan, by="ada", reason=reason).incident_id


@pytest.mark.parametrize("mode", [Mode.SHADOW, Mode.APPROVE, Mode.AUTO])
def test_what_was_shown_is_done_without_an_alert_in_every_mode(make: Make, mode: Mode) -> None:
    bench = make(mode=mode)
    bench.machine.healthy = False
    shown = hands(bench).rehearse(ORDER)
    assert shown.confirmed is True
    assert [step.effects for step in shown.steps] == [("restart lab/machine/one",)]
    assert not shown.stopped
    assert not shown.steps[0].refusal
    assert bench.machine.restarts == 0
    assert bench.incidents() == []
    begin(bench)
    bench.run(90)
    assert bench.machine.restarts == 1
    assert bench.state() is IncidentState.RESOLVED
    assert bench.incident.severity is Severity.WARNING
    assert bench.incident.evidence["run by hand"] == "ada: it hangs"
    assert bench.paged() == []
    assert any("ada runs playbook machine-restart by hand: it hangs" in s for s in bench.story())


def test_danger_c_is_done_on_the_order_alone(make: Make) -> None:
    bench = make(danger=Danger.C)
    bench.machine.healthy = False
    begin(bench)
    bench.run(90)
    assert bench.machine.restarts == 1


def test_another_target_than_was_shown_is_asked_for(make: Make) -> None:
    bench = make()
    bench.machine.healthy = False
    begin(bench)
    bench.machine.generation += 1
    bench.run(60)
    assert bench.machine.restarts == 0
    view = Operations(bench.parts, lambda: None).incident(bench.incident.id)
    assert view.approval is not None
    assert view.approval.effects == ("restart lab/machine/one",)


def test_a_plan_that_changed_before_the_order_is_refused(make: Make) -> None:
    bench = make()
    bench.machine.healthy = False
    shown = hands(bench).rehearse(ORDER)
    bench.machine.generation += 1
    with pytest.raises(ConflictError, match="another one than you were shown"):
        hands(bench).begin(ORDER, plan=shown.plan, by="ada", reason="why")
    assert bench.incidents() == []


def test_what_is_not_broken_is_left_alone(make: Make) -> None:
    bench = make()
    shown = hands(bench).rehearse(ORDER)
    assert shown.confirmed is False
    assert shown.effects == 0
    begin(bench)
    bench.run(120)
    assert bench.machine.restarts == 0
    assert bench.state() is IncidentState.RESOLVED


def test_a_remedy_that_does_not_help_is_not_repeated(make: Make) -> None:
    bench = make()
    bench.machine.healthy, bench.machine.heals = False, False
    begin(bench)
    bench.run(600)
    assert bench.machine.restarts == 1
    assert bench.state() is IncidentState.ESCALATED
    assert len(bench.paged()) == 1


def test_the_kill_switch_stops_it_too_and_the_dry_run_says_so(make: Make) -> None:
    bench = make()
    bench.machine.healthy = False
    Operations(bench.parts, lambda: None).pause(by="bo", reason="drill")
    assert "stopped by bo: drill" in hands(bench).rehearse(ORDER).stopped
    with pytest.raises(ConflictError, match="stopped by bo"):
        begin(bench)


def test_a_playbook_that_is_off_stays_off(make: Make) -> None:
    bench = make(mode=Mode.OFF)
    bench.machine.healthy = False
    assert "switched off" in hands(bench).rehearse(ORDER).stopped


def test_a_guards_refusal_is_shown_and_holds(make: Make) -> None:
    bench = make(rails=Rails().with_overrides({"target_per_hour": 1}))
    bench.machine.healthy = False
    begin(bench)
    bench.run(90)
    assert bench.machine.restarts == 1
    bench.machine.healthy = False
    shown = hands(bench).rehearse(ORDER)
    assert shown.steps[0].refusal.startswith("guard ")
    begin(bench)
    bench.run(120)
    assert bench.machine.restarts == 1


def test_a_target_that_is_being_treated_is_refused(make: Make) -> None:
    bench = make(mode=Mode.AUTO)
    bench.fire()
    bench.run(5)
    with pytest.raises(ConflictError, match="treats it already"):
        begin(bench)


def test_two_orders_for_one_target_are_one_run(make: Make) -> None:
    bench = make()
    bench.machine.healthy = False
    begin(bench)
    with pytest.raises(ConflictError, match="incident 1 treats it already"):
        begin(bench)


def test_unreadable_is_told_and_does_nothing(make: Make) -> None:
    bench = make()
    bench.machine.healthy = False
    bench.machine.unreadable = True
    shown = hands(bench).rehearse(ORDER)
    assert shown.confirmed is None
    assert "cannot be read" in shown.steps[0].refusal


def test_wrong_orders_name_the_mend(make: Make) -> None:
    human = playbook(
        name="people",
        alerts=[{"alertname": "Other"}],
        correlate=[],
        steps=[],
        confirm=None,
        verify=None,
        **{"human-only": "because it is"},
    )
    bench = make(books=[playbook(), human], clusters=("lab", "two"))
    hand = hands(bench)
    with pytest.raises(NotFoundError, match="did you mean 'machine-restart'"):
        hand.rehearse(Order("machine-restar", {"name": "one"}, "lab"))
    with pytest.raises(WrongInputError, match="--target name="):
        hand.rehearse(Order("machine-restart", {}, "lab"))
    with pytest.raises(WrongInputError, match=r"several clusters \(lab, two\)"):
        hand.rehearse(ORDER)
    with pytest.raises(WrongInputError, match="for people only, because it is"):
        hand.rehearse(Order("people", {}, "lab"))
    with pytest.raises(WrongInputError, match="a reason is required"):
        hand.begin(ORDER, plan="x", by="ada", reason=" ")
    with pytest.raises(WrongInputError, match="plan: is missing"):
        hand.begin(ORDER, plan="", by="ada", reason="why")
    assert hand.named("machine-restart", {}, "one") == {"name": "one"}
    with pytest.raises(WrongInputError, match="LABEL=VALUE"):
        hand.named("people", {}, "one")
