"""A person has an incident: nothing more is done about it, until they give it back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from airwarden.core.errors import ConflictError
from airwarden.core.platform import Acknowledgement
from airwarden.remediation.decide.states import AttemptState, IncidentState, Mode, RunState
from airwarden.remediation.explain import explain
from airwarden.remediation.operations import Operations
from support.engine import Bench, Make, playbook
from support.many_targets import Fleet

pytestmark = pytest.mark.thorough

HELD = playbook(
    name="held",
    confirm={"check": "sick", "times": 1, "every": "5s"},
    steps=[
        {"id": "hold", "action": "number.hold", "parameters": {"value": 5}},
        {"id": "wait", "wait": {"check": "flag"}, "every": "5s", "within": "30m"},
        {"id": "back", "undo": "hold"},
    ],
    verify={"check": "well", "within": "60s", "stable": "0s"},
)


def hands(bench: Bench) -> Operations:
    return Operations(bench.parts, lambda: None)


def take(bench: Bench) -> None:
    hands(bench).acknowledge(bench.incident.id, by="ada", reason="I look")


def acknowledgement(bench: Bench, **changes: Any) -> Acknowledgement:
    fields = {
        "dedup_key": bench.incident.dedup_key,
        "who": "Grace Hopper",
        "at": bench.clock.now(),
        "person": True,
    }
    return Acknowledgement(**{**fields, **changes})


def test_what_a_person_has_is_left_alone_until_they_give_it_back(make: Make) -> None:
    bench = make(books=[HELD])
    bench.fire()
    bench.run(20)
    assert bench.hold.value == 5
    take(bench)
    bench.machine.extra["flag"] = True
    bench.machine.healthy = True
    bench.run(20 * 60)
    assert bench.hold.value == 5
    assert bench.state() is IncidentState.HUMAN_OWNED
    assert bench.paged() == []
    text = explain(bench.journal, bench.incident.id).text()
    assert "still in force: number 10 → 5" in text
    assert "The run ends: ada has the incident." in text
    assert f"airwarden release {bench.incident.id}" in text

    bench.machine.healthy = False
    hands(bench).release(bench.incident.id, by="ada", reason="over to you")
    bench.run(60)
    assert bench.hold.value == 10
    assert any("ada gives it back: over to you." in line for line in bench.story())


def test_given_back_without_alerts_what_was_left_is_taken_back_and_it_ends(make: Make) -> None:
    bench = make(books=[HELD])
    one = bench.fire()
    bench.run(20)
    take(bench)
    bench.machine.healthy = True
    bench.clear(one)
    bench.run(10 * 60)
    assert (bench.hold.value, bench.state()) == (5, IncidentState.HUMAN_OWNED)
    hands(bench).release(bench.incident.id, by="ada", reason="")
    bench.run(120)
    assert (bench.hold.value, bench.state()) == (10, IncidentState.RESOLVED)


def test_an_effect_that_is_about_to_begin_is_not_sent(make: Make) -> None:
    """The person comes between the guards and the call, and between two effects of one plan."""
    fleet = Fleet(3)
    book = playbook(
        name="fleet-mend",
        steps=[{"id": "mend", "action": "fleet.mend"}],
        verify={"check": "well", "within": "5m", "stable": "0s"},
    )
    bench = make(books=[book], more_actions=[fleet])
    fleet.after = lambda unit: take(bench) if unit == "u0" else None
    bench.fire()
    bench.run(120)
    assert fleet.mended == ["u0"]
    assert bench.runs()[-1].state is RunState.ABORTED
    assert bench.attempts()[-1].state is AttemptState.CONFIRMED


def test_a_person_who_comes_in_the_instant_of_the_intent_wins(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make()
    planned = bench.restart.plan

    def slow(*arguments: Any) -> Any:
        outcome = planned(*arguments)
        if bench.incident.state is IncidentState.REMEDIATING:
            take(bench)
        return outcome

    monkeypatch.setattr(bench.restart, "plan", slow)
    bench.fire()
    bench.run(120)
    assert bench.machine.restarts == 0
    assert bench.state() is IncidentState.HUMAN_OWNED


def test_between_intent_and_call_a_person_still_wins(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make()
    monkeypatch.setattr(
        "airwarden.remediation.effects.crash_at",
        lambda point: take(bench) if point == "after-intent" else None,
    )
    bench.fire()
    bench.run(120)
    assert bench.machine.restarts == 0
    assert [attempt.state for attempt in bench.attempts()] == [AttemptState.NOT_DONE]


def test_a_plan_that_waits_is_dropped_and_nobody_can_agree_to_it(make: Make) -> None:
    bench = make(mode=Mode.APPROVE)
    bench.fire()
    bench.run(20)
    asked = hands(bench).incident(bench.incident.id).approval
    assert asked is not None
    take(bench)
    assert hands(bench).incident(bench.incident.id).approval is None
    with pytest.raises(ConflictError, match="ada has incident"):
        hands(bench).decide(
            bench.incident.id, decision="approved", by="bo", reason="", nonce=asked.nonce
        )
    bench.run(60)
    assert bench.machine.restarts == 0


def test_only_one_can_have_it_and_only_what_is_taken_is_given_back(make: Make) -> None:
    bench = make()
    bench.machine.refuse = "no"
    bench.fire()
    bench.run(60)
    with pytest.raises(ConflictError, match="only one that a person has taken"):
        hands(bench).release(bench.incident.id, by="bo", reason="")
    take(bench)
    with pytest.raises(ConflictError, match="ada has it"):
        hands(bench).acknowledge(bench.incident.id, by="bo", reason="")


def paged(make: Make) -> Bench:
    """One that has been paged for and is still being remedied."""
    bench = make(books=[playbook(page={"when": "at-once"}, verify={"check": "flag"})])
    bench.fire()
    bench.run(20)
    assert len(bench.paged()) == 1
    assert bench.state() is IncidentState.REMEDIATING
    return bench


def test_a_page_that_a_person_acknowledges_is_theirs(make: Make) -> None:
    bench = paged(make)
    said = hands(bench).acknowledged(acknowledgement(bench))
    assert said == f"Grace Hopper has incident {bench.incident.id}"
    assert (bench.incident.owner, bench.state()) == ("Grace Hopper", IncidentState.HUMAN_OWNED)
    bench.run(5)
    # PagerDuty knows already: telling it again would be an acknowledgement of ours.
    assert bench.paged("acknowledge") == []
    assert any("Grace Hopper takes it: acknowledged in PagerDuty" in one for one in bench.story())


def test_what_airwarden_acknowledged_itself_makes_nobody_the_owner(make: Make) -> None:
    """A person takes it here, we acknowledge the page, they give it back, and PagerDuty tells us late."""
    bench = paged(make)
    take(bench)
    bench.run(5)
    (ours,) = bench.paged("acknowledge")
    hands(bench).release(bench.incident.id, by="ada", reason="")
    told = acknowledgement(bench, dedup_key=ours.dedup_key, who="Airwarden", person=False)
    assert hands(bench).acknowledged(told) == "no person acknowledged it"
    assert bench.state() is not IncidentState.HUMAN_OWNED


@pytest.mark.parametrize("late", [timedelta(minutes=-1), timedelta(milliseconds=-1), timedelta(0)])
def test_an_acknowledgement_from_before_it_was_given_back_counts_no_more(
    make: Make, late: timedelta
) -> None:
    bench = paged(make)
    first = acknowledgement(bench)
    hands(bench).acknowledged(first)
    bench.run(60)
    bench.clock.advance(0.5)
    hands(bench).release(bench.incident.id, by="ada", reason="")
    again = acknowledgement(bench, at=bench.clock.now() + late)
    assert "older than" in hands(bench).acknowledged(again)
    assert "older than" in hands(bench).acknowledged(first)
    assert bench.state() is not IncidentState.HUMAN_OWNED
    bench.run(5)
    assert "has incident" in hands(bench).acknowledged(acknowledgement(bench))


def test_an_acknowledgement_of_another_page_changes_nothing(make: Make) -> None:
    bench = paged(make)
    assert hands(bench).acknowledged(acknowledgement(bench, dedup_key="foreign")) == (
        "no open incident of ours"
    )
    old = acknowledgement(bench, at=datetime.fromisoformat("2020-01-01T00:00:00+00:00"))
    assert "older than" in hands(bench).acknowledged(old)
    assert bench.state() is IncidentState.REMEDIATING
