"""A person's yes: for what was shown, once, for a while, and for nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airwarden.core.errors import ConflictError
from airwarden.remediation.actions.base import Danger, Effect
from airwarden.remediation.decide.approvals import covers, difference, part_of
from airwarden.remediation.decide.calendar import Kind
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.states import IncidentState, Mode, RunState
from airwarden.remediation.decide.view import ApprovalView
from airwarden.remediation.explain import explain
from airwarden.remediation.operations import Operations
from airwarden.remediation.windowing import Windowing
from support.engine import Bench, Make, playbook
from support.many_targets import Fleet

pytestmark = pytest.mark.thorough

FLEET_BOOK = playbook(
    name="fleet-mend",
    steps=[{"id": "mend", "action": "fleet.mend"}],
    verify={"check": "well", "within": "5m", "stable": "0s"},
)


def hands(bench: Bench) -> Operations:
    return Operations(bench.parts, lambda: None)


def asked(bench: Bench) -> ApprovalView:
    found = hands(bench).incident(bench.incident.id).approval
    assert found is not None
    return found


def approve(bench: Bench, nonce: str | None = None) -> None:
    hands(bench).decide(
        bench.incident.id, decision="approved", by="ada", reason="go on", nonce=nonce
    )


def questions(bench: Bench) -> list[str]:
    return [line for line in bench.story() if "A person has to approve" in line]


def with_fleet(make: Make, fleet: Fleet, **options: Any) -> Bench:
    bench = make(books=[FLEET_BOOK], more_actions=[fleet], **options)
    bench.fire()
    bench.run(30)
    return bench


def effect(target: str = "one", generation: str = "1", **parameters: Any) -> Effect:
    return Effect("act", f"lab/{target}", parameters, {}, f"act on {target}", generation)


def test_the_difference_names_what_is_new_what_is_gone_and_what_changed() -> None:
    before = [part_of(one) for one in (effect("a"), effect("b"), effect("c", slots=1))]
    now = [part_of(one) for one in (effect("b", "2"), effect("c", slots=2), effect("d"))]
    assert difference(before, now) == (
        "changed: act on b (another incarnation of the target: 1 → 2)",
        'changed: act on c ({"slots": 1} → {"slots": 2})',
        "new: act on d",
        "no longer: act on a",
    )
    assert difference(before, before) == ()
    assert difference(before, before[::-1]) == ("the order is another one",)


def test_a_yes_covers_the_rest_of_the_same_plan_and_nothing_else() -> None:
    agreed = [part_of(one).key for one in (effect("a"), effect("b"))]
    assert covers(agreed, [part_of(effect("b"))])
    assert not covers(agreed, [part_of(effect("b", "2"))])
    assert not covers(agreed, [part_of(effect("b", slots=3))])
    assert not covers((), [part_of(effect("b"))])


def test_one_yes_is_enough_for_a_plan_of_many_effects(make: Make) -> None:
    fleet = Fleet(4)
    bench = with_fleet(make, fleet, mode=Mode.APPROVE)
    assert asked(bench).effects == ("mend u0", "mend u1", "mend u2", "mend u3")
    approve(bench)
    bench.run(90)
    assert fleet.mended == ["u0", "u1", "u2", "u3"]
    assert len(questions(bench)) == 1


def test_the_rest_of_a_half_done_plan_that_changed_is_asked_for_again(make: Make) -> None:
    fleet = Fleet(3)
    fleet.after = lambda unit: fleet.generations.update({"u1": 2} if unit == "u0" else {})
    bench = with_fleet(make, fleet, mode=Mode.APPROVE)
    approve(bench)
    bench.run(40)
    assert fleet.mended == ["u0"]
    assert bench.runs()[-1].state is RunState.WAIT_APPROVAL
    waiting = asked(bench)
    assert waiting.effects == ("mend u1", "mend u2")
    assert waiting.changed == ("changed: mend u1 (another incarnation of the target: 1 → 2)",)
    text = explain(bench.journal, bench.incident.id).text()
    assert "differs from the plan before: changed: mend u1" in text
    assert f"airwarden approve {bench.incident.id} --plan {waiting.plan}" in text
    approve(bench, waiting.nonce)
    bench.run(30)
    assert fleet.mended == ["u0", "u1", "u2"]


def test_a_mode_that_is_lowered_in_the_middle_asks_for_the_rest(make: Make) -> None:
    fleet = Fleet(3)
    bench = make(books=[FLEET_BOOK], more_actions=[fleet])
    fleet.after = lambda _unit: bench.set_mode(Mode.APPROVE)
    bench.fire()
    bench.run(60)
    assert fleet.mended == ["u0"]
    assert asked(bench).effects == ("mend u1", "mend u2")


def test_the_plan_is_made_anew_when_the_yes_comes(make: Make) -> None:
    bench = make(mode=Mode.APPROVE)
    bench.fire()
    bench.run(15)
    shown = asked(bench)
    # The stored plan is seconds old, and yet it is not what the world asks for now.
    bench.machine.generation = 7
    approve(bench, shown.nonce)
    bench.run(20)
    assert bench.machine.restarts == 0
    again = asked(bench)
    assert again.plan != shown.plan
    assert again.changed
    assert not any("conflict" in line for line in bench.story())
    approve(bench, again.nonce)
    bench.run(30)
    assert bench.machine.restarts == 1


def test_a_request_is_good_for_one_decision(make: Make) -> None:
    fleet = Fleet(2)
    fleet.after = lambda unit: fleet.generations.update({"u1": 2})
    bench = with_fleet(make, fleet, mode=Mode.APPROVE)
    first = asked(bench).nonce
    approve(bench, first)
    with pytest.raises(ConflictError, match="approved already, by ada"):
        approve(bench, first)
    bench.run(40)
    assert asked(bench).nonce != first
    with pytest.raises(ConflictError, match="approved already, by ada"):
        approve(bench, first)
    assert fleet.mended == ["u0"]


def test_a_yes_to_a_plan_that_is_no_longer_the_plan_is_refused(make: Make) -> None:
    bench = make(mode=Mode.APPROVE)
    bench.fire()
    bench.run(15)
    shown = asked(bench)
    bench.machine.generation = 7
    bench.run(90)
    with pytest.raises(ConflictError, match="another one than you were shown"):
        approve(bench, shown.nonce)
    # And back: the first request is the present one again.
    bench.machine.generation = 1
    bench.run(90)
    assert asked(bench).nonce == shown.nonce
    approve(bench, shown.nonce)
    bench.run(30)
    assert bench.machine.restarts == 1


def test_a_yes_that_could_not_be_used_within_a_minute_is_void(make: Make) -> None:
    bench = make(mode=Mode.APPROVE)
    bench.fire()
    bench.run(30)
    approve(bench)
    hands(bench).pause(by="ada", reason="wait")
    bench.run(90)
    hands(bench).resume(by="ada", reason="go on")
    bench.run(60)
    assert bench.machine.restarts == 0
    assert bench.incident.reason == "the approved plan did not start in time"


def test_a_no_says_who_and_why(make: Make) -> None:
    bench = make(mode=Mode.APPROVE)
    bench.fire()
    bench.run(30)
    hands(bench).decide(bench.incident.id, decision="denied", by="bo", reason="we deploy")
    bench.run(30)
    assert bench.incident.reason == "bo denied the plan: we deploy"
    with pytest.raises(
        ConflictError, match="waits for no decision: look again with airwarden expl"
    ):
        approve(bench)


def test_too_late_is_too_late(make: Make) -> None:
    bench = make(mode=Mode.APPROVE, rails=Rails(approval_ttl=timedelta(minutes=2)))
    bench.fire()
    bench.run(30)
    nonce = asked(bench).nonce
    bench.clock.advance(125)
    with pytest.raises(ConflictError, match="expired"):
        approve(bench, nonce)
    bench.leadership.step()
    bench.run(30)
    assert bench.machine.restarts == 0
    assert bench.state() is IncidentState.ESCALATED


def test_in_quiet_hours_danger_b_asks_and_goes_on_when_they_end(make: Make) -> None:
    bench = make()
    Windowing(bench.parts, lambda: None).begin(
        Kind.QUIET, by="ada", lasts=timedelta(minutes=3), reason="holiday"
    )
    bench.fire()
    bench.run(150)
    assert bench.machine.restarts == 0
    assert "quiet by ada: holiday" in questions(bench)[0]
    bench.run(60)
    assert bench.machine.restarts == 1


def test_in_quiet_hours_danger_a_goes_without_asking(make: Make) -> None:
    fleet = Fleet(2, danger=Danger.A)
    bench = make(books=[FLEET_BOOK], more_actions=[fleet])
    Windowing(bench.parts, lambda: None).begin(Kind.QUIET, by="ada", lasts=timedelta(hours=3))
    bench.fire()
    bench.run(60)
    assert fleet.mended == ["u0", "u1"]


def test_nobody_is_asked_for_what_another_rail_refuses(make: Make) -> None:
    bench = make(mode=Mode.APPROVE)
    bench.alertmanager.down = True
    bench.fire()
    bench.run(30)
    assert questions(bench) == []
