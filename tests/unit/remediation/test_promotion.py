"""Modes at run time, and what a playbook has to earn before one is raised."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airwarden.core.errors import ConflictError, NotFoundError, RejectedError, WrongInputError
from airwarden.remediation.decide.correlate import PlaybookSet
from airwarden.remediation.decide.promotion import Firing, Judgement, Tally, earned
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.states import IncidentState, Mode
from airwarden.remediation.operations import Operations
from airwarden.remediation.promotion import NewMode, Promotion, Scorecard
from support.engine import START, Bench, Make, playbook

pytestmark = pytest.mark.thorough

DAY = timedelta(days=1)
NOW = START + 30 * DAY
READY = Tally(since=START, fired=25, right=20, wrong=1)


@pytest.mark.parametrize(
    ("changes", "mode", "missing"),
    [
        ({}, Mode.APPROVE, "10 more approved runs"),
        ({"since": None, "fired": 0, "right": 0, "wrong": 0}, Mode.SHADOW, "not fired in shadow"),
        ({"since": NOW - 13 * DAY}, Mode.SHADOW, "1 more day(s) in shadow (of 14d)"),
        ({"since": NOW - 14 * DAY}, Mode.APPROVE, "approved runs"),
        ({"right": 19, "wrong": 0}, Mode.SHADOW, "1 more judged firings (19 of 25 judged)"),
        ({"right": 20, "wrong": 2}, Mode.SHADOW, "91 % judged right, 95 % are needed"),
        ({"right": 24, "harmful": 1}, Mode.SHADOW, "1 judged harmful"),
        ({"approved_runs": 9}, Mode.APPROVE, "1 more approved runs"),
        ({"approved_runs": 10}, Mode.AUTO, ""),
        ({"approved_runs": 10, "harmful": 1}, Mode.SHADOW, "harmful"),
    ],
)
def test_what_is_earned_and_what_is_missing(
    changes: dict[str, Any], mode: Mode, missing: str
) -> None:
    from dataclasses import replace

    has = earned(replace(READY, **changes), Rails(), NOW)
    assert has.mode is mode
    assert missing in "; ".join(has.missing)
    assert bool(has.missing) is (mode is not Mode.AUTO)


def desk(bench: Bench) -> Promotion:
    return Promotion(bench.parts, lambda: None)


def yes() -> None:
    pass


def no() -> None:
    raise RejectedError("you may not")


def set_mode(bench: Bench, mode: Mode | None, **options: Any) -> Scorecard:
    order = NewMode("machine-restart", mode, "because", **options)
    return desk(bench).set_mode(order, by="ada", may_raise=yes, may_override=yes)[0]


def card(bench: Bench) -> Scorecard:
    return desk(bench).scorecards(playbook="machine-restart", firings=True)[0]


def replayed(
    count: int, *, days: int = 20, said: Judgement | None = Judgement.RIGHT
) -> list[Firing]:
    return [
        Firing(
            0,
            START - days * DAY + timedelta(hours=number),
            ("restart lab/machine/one",),
            judgement=said,
            replayed=True,
        )
        for number in range(count)
    ]


def replay(bench: Bench, firings: list[Firing]) -> int:
    return desk(bench).replay("machine-restart", "lab", firings, by="ada", reference="march")


def test_a_firing_in_shadow_is_kept_judged_and_counted(make: Make) -> None:
    bench = make(mode=Mode.SHADOW)
    one = bench.fire()
    bench.run(30)
    assert bench.state() is IncidentState.ESCALATED
    bench.machine.healthy = True
    bench.clear(one)
    bench.run(120)
    (firing,) = card(bench).firings
    assert firing.would_do == ("restart lab/machine/one",)
    assert firing.cleared_at is not None
    assert firing.judgement is None
    said = desk(bench).judge(
        bench.incident.id, Judgement.RIGHT, by="ada", reason="so would I", reference="OPS-1"
    )
    assert said.judgement is Judgement.RIGHT
    assert card(bench).tally.right == 1
    assert "ada judges it right: so would I." in bench.story()
    # A later word replaces an earlier one.
    desk(bench).judge(bench.incident.id, Judgement.HARMFUL, by="bo", reason="it was busy")
    assert (card(bench).tally.right, card(bench).tally.harmful) == (0, 1)
    assert bench.machine.restarts == 0


def test_what_a_person_repaired_ended_without_us_too(make: Make) -> None:
    bench = make(mode=Mode.SHADOW)
    one = bench.fire()
    bench.run(30)
    Operations(bench.parts, lambda: None).acknowledge(bench.incident.id, by="ada", reason="")
    bench.machine.healthy = True
    bench.clear(one)
    bench.run(120)
    assert bench.state() is IncidentState.RESOLVED
    assert not bench.incident.healed_by_itself
    assert card(bench).firings[0].cleared_at is not None


def test_only_what_was_planned_can_be_judged(bench: Bench) -> None:
    bench.machine.refuse = "no"
    bench.fire()
    bench.run(60)
    with pytest.raises(ConflictError, match="nothing to judge"):
        desk(bench).judge(bench.incident.id, Judgement.RIGHT, by="ada", reason="")
    with pytest.raises(NotFoundError):
        desk(bench).judge(99, Judgement.RIGHT, by="ada", reason="")


def test_promotion_is_refused_until_it_is_earned_and_then_is_not(make: Make) -> None:
    bench = make(mode=Mode.AUTO)
    set_mode(bench, Mode.SHADOW)
    with pytest.raises(ConflictError, match="not fired in shadow yet"):
        set_mode(bench, Mode.APPROVE)
    assert replay(bench, replayed(19)) == 19
    with pytest.raises(ConflictError, match="1 more judged firings"):
        set_mode(bench, Mode.APPROVE)
    # The same replay again counts once.
    assert replay(bench, replayed(20)) == 1
    assert card(bench).tally.replayed == 20
    assert set_mode(bench, Mode.APPROVE).mode is Mode.APPROVE
    with pytest.raises(ConflictError, match="10 more approved runs"):
        set_mode(bench, Mode.AUTO)
    with pytest.raises(ConflictError, match="10 more approved runs"):
        set_mode(bench, None)
    assert card(bench).mode is Mode.APPROVE


@pytest.mark.reliability
def test_approved_runs_that_heal_earn_auto(make: Make) -> None:
    rails = Rails(promotion_approved_runs=2, cool_down=timedelta(0), target_per_hour=9)
    bench = make(mode=Mode.AUTO, rails=rails)
    replay(bench, replayed(20))
    set_mode(bench, Mode.APPROVE)
    for _ in range(2):
        one = bench.fire()
        bench.run(30)
        hands = Operations(bench.parts, lambda: None)
        hands.decide(bench.incident.id, decision="approved", by="ada", reason="")
        bench.run(60)
        bench.clear(one)
        bench.run(4000)
    assert bench.machine.restarts == 2
    assert card(bench).tally.approved_runs == 2
    assert card(bench).earned is Mode.AUTO
    assert set_mode(bench, Mode.AUTO).mode is Mode.AUTO


def test_an_admin_overrides_with_a_recorded_reason_and_others_do_not(make: Make) -> None:
    bench = make(mode=Mode.AUTO)
    set_mode(bench, Mode.SHADOW)
    order = NewMode("machine-restart", Mode.AUTO, "", override="tried for a year elsewhere")
    with pytest.raises(RejectedError):
        desk(bench).set_mode(order, by="bo", may_raise=yes, may_override=no)
    with pytest.raises(RejectedError):
        desk(bench).set_mode(order, by="bo", may_raise=no, may_override=yes)
    assert card(bench).mode is Mode.SHADOW
    desk(bench).set_mode(order, by="ada", may_raise=yes, may_override=yes)
    assert card(bench).mode is Mode.AUTO
    assert card(bench).override == "ada: tried for a year elsewhere"
    assert any(
        "ada overrides what is not earned: tried for a year elsewhere" in line
        for line in bench.story()
    )


def test_what_the_settings_do_not_allow_no_switch_does(make: Make) -> None:
    bench = make(mode=Mode.SHADOW)
    with pytest.raises(
        ConflictError, match="the settings let machine-restart do no more than shad"
    ):
        set_mode(bench, Mode.APPROVE, override="please")


def test_a_mode_for_a_while_falls_back_to_what_lasts(make: Make) -> None:
    bench = make(mode=Mode.AUTO)
    set_mode(bench, Mode.APPROVE)
    assert set_mode(bench, Mode.OFF, lasts=timedelta(hours=1)).mode is Mode.OFF
    bench.clock.advance(3601)
    # Not what the settings say: the lasting switch is in force again.
    assert card(bench).mode is Mode.APPROVE
    bench.fire()
    bench.run(60)
    assert bench.machine.restarts == 0


def test_a_mode_for_a_while_can_be_ended_by_a_person_and_not_by_others(make: Make) -> None:
    bench = make(mode=Mode.AUTO)
    set_mode(bench, Mode.OFF, lasts=timedelta(hours=1))
    back = NewMode("machine-restart", None, "over")
    with pytest.raises(RejectedError):
        desk(bench).set_mode(back, by="pipeline", may_raise=no, may_override=no)
    assert desk(bench).set_mode(back, by="ada", may_raise=yes, may_override=no)[0].mode is Mode.AUTO
    with pytest.raises(ConflictError, match="no such switch"):
        set_mode(bench, None)


def test_lowering_takes_effect_in_the_middle_of_an_incident(make: Make) -> None:
    bench = make(mode=Mode.AUTO)
    bench.fire()
    bench.run(2)
    order = NewMode("machine-restart", Mode.OFF, "odd")
    desk(bench).set_mode(order, by="pipeline", may_raise=no, may_override=no)
    bench.run(60)
    assert bench.machine.restarts == 0
    assert "switched off" in bench.incident.reason


def test_all_playbooks_and_single_clusters(make: Make) -> None:
    second = playbook(name="other-book", alerts=[{"alertname": "Other"}])
    bench = make(books=[playbook(), second], clusters=("lab", "prod"), mode=Mode.AUTO)
    order = NewMode("*", Mode.SHADOW, "first weeks", cluster="prod")
    found = desk(bench).set_mode(order, by="ada", may_raise=no, may_override=no)
    assert {(one.playbook, one.cluster, one.mode) for one in found} == {
        ("machine-restart", "prod", Mode.SHADOW),
        ("other-book", "prod", Mode.SHADOW),
    }
    assert card(bench).cluster == "lab"
    assert card(bench).mode is Mode.AUTO
    with pytest.raises(ConflictError, match="other-book in cluster prod"):
        desk(bench).set_mode(
            NewMode("*", None, "enough", cluster="prod"), by="ada", may_raise=yes, may_override=yes
        )


@pytest.mark.parametrize(
    ("order", "error"),
    [
        (NewMode("machine-restart", Mode.OFF, " "), WrongInputError),
        (NewMode("machine-restat", Mode.OFF, "x"), NotFoundError),
        (NewMode("machine-restart", Mode.OFF, "x", cluster="nowhere"), NotFoundError),
        (NewMode("machine-restart", Mode.OFF, "x", lasts=timedelta(0)), WrongInputError),
        (NewMode("machine-restart", Mode.OFF, "x", lasts=timedelta(days=40)), WrongInputError),
    ],
)
def test_an_order_that_cannot_be_meant_is_refused(
    bench: Bench, order: NewMode, error: type[Exception]
) -> None:
    with pytest.raises(error):
        desk(bench).set_mode(order, by="ada", may_raise=yes, may_override=yes)


def test_settings_that_let_it_act_unearned_are_an_override_that_is_recorded_once(
    make: Make,
) -> None:
    from dataclasses import replace

    bench = make(mode=Mode.AUTO)
    bench.run(10)
    assert card(bench).override == "the settings: no reason given (override_reason)"
    loaded = replace(
        bench.playbooks.by_name["machine-restart"], override_reason="proved on the old platform"
    )
    for _ in range(3):
        # Each is a reload; only the first changes anything.
        bench.playbooks = PlaybookSet({"machine-restart": loaded}, bench.playbooks.rails)
        bench.run(5)
    said = [line for line in bench.story() if "because the settings say so" in line]
    assert len(said) == 2
    assert "proved on the old platform" in said[1]
    assert card(bench).override == "the settings: proved on the old platform"
    bench.set_mode(Mode.SHADOW)
    bench.run(5)
    assert "no longer acts in cluster lab without having earned it" in bench.story()[-1]


def test_a_playbook_that_does_something_else_begins_anew(make: Make) -> None:
    bench = make(mode=Mode.AUTO)
    replay(bench, replayed(20))
    assert card(bench).earned is Mode.APPROVE
    rails = bench.playbooks.rails
    patient = playbook(page={"when": "unhealed", "after": "20m"})
    other = playbook(steps=[{"id": "hold", "action": "number.hold", "with": {"value": 1}}])
    made = make(books=[patient], url=bench.url, mode=Mode.AUTO, rails=rails)
    assert card(made).tally.fired == 20
    made = make(books=[other], url=bench.url, mode=Mode.AUTO, rails=rails)
    assert card(made).tally.fired == 0


def test_replayed_firings_are_no_incidents_to_look_after(make: Make) -> None:
    bench = make(mode=Mode.SHADOW)
    replay(bench, replayed(3, said=None))
    bench.run(60)
    assert {one.state for one in bench.incidents()} == {IncidentState.CLOSED}
    assert bench.paged() == []
    with pytest.raises(WrongInputError, match="future"):
        replay(bench, [Firing(0, START + 90 * DAY, ())])
