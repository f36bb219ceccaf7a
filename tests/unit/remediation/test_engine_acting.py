"""What the engine does about a fault: one effect, verified, within its rails, and its result read back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from airwarden.core.errors import (
    ConflictError,
    RejectedError,
    UnavailableError,
    UnknownOutcomeError,
)
from airwarden.remediation.actions.base import Danger
from airwarden.remediation.decide.calendar import Kind
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.states import AttemptState, IncidentState, Mode, RunState
from airwarden.remediation.journal import rails
from airwarden.remediation.journal.store import Fence
from airwarden.remediation.operations import Operations
from airwarden.remediation.windowing import Windowing
from support.engine import Bench, Make, alert, playbook

pytestmark = pytest.mark.thorough


def test_a_sick_machine_is_restarted_once_and_verified(bench: Bench) -> None:
    bench.fire()
    bench.run(60)
    assert bench.machine.restarts == 1
    assert bench.state() is IncidentState.RESOLVED
    assert not bench.incident.healed_by_itself
    assert [a.state for a in bench.attempts()] == [AttemptState.CONFIRMED]
    assert bench.paged() == []


def test_a_target_stays_locked_until_it_is_known_what_became_of_it(bench: Bench) -> None:
    bench.machine.errors = [UnknownOutcomeError("the reply was lost")]
    bench.fire()
    bench.turn()
    while [a.state for a in bench.attempts()] != [AttemptState.UNKNOWN]:
        bench.clock.advance(1)
        bench.turn()
    bench.clock.advance(5 * 3600)
    target = bench.attempts()[0].target
    with bench.journal.read() as tx:
        assert rails.lock_holder(tx, target) == 1
    with bench.journal.write() as tx:
        soon = tx.now + timedelta(hours=1)
        mine = replace(tx, fence=Fence("me", 1))
        assert not rails.lock(mine, target=target, cluster="lab", run_id=2, until=soon)


def test_resolved_does_not_mean_healed(bench: Bench) -> None:
    """The exporter died and resolved the alert; the machine is still sick."""
    one = bench.fire()
    bench.run(3)
    bench.clear(one)
    bench.run(60)
    assert bench.state() is not IncidentState.RESOLVED


def test_a_relapse_within_the_stable_time_is_not_healed(bench: Bench) -> None:
    bench.fire()
    bench.run(25)
    assert bench.state() is IncidentState.STABILIZING
    bench.machine.healthy = False
    bench.run(150)
    assert bench.machine.restarts == 2
    assert bench.state() is IncidentState.RESOLVED


def test_a_fault_that_comes_back_within_the_hour_is_the_same_incident(make: Make) -> None:
    bench = make(rails=Rails(cool_down=timedelta(minutes=1)))
    one = bench.fire()
    bench.run(60)
    bench.clear(one)
    bench.run(300)
    bench.fire()
    bench.run(120)
    assert len(bench.incidents()) == 1
    assert bench.incident.recurrence == 1
    assert bench.machine.restarts == 2
    assert bench.state() is IncidentState.RESOLVED


def test_a_target_that_was_just_treated_is_left_alone_and_paged_for(bench: Bench) -> None:
    one = bench.fire()
    bench.run(60)
    bench.clear(one)
    bench.run(30)
    bench.fire()
    bench.run(60)
    assert bench.machine.restarts == 1
    assert bench.state() is IncidentState.ESCALATED
    assert "cool-down" in bench.incident.reason
    assert len(bench.paged()) == 1


def test_shadow_records_what_it_would_do_and_does_nothing(make: Make) -> None:
    bench = make(mode=Mode.SHADOW)
    bench.fire()
    bench.run(60)
    assert bench.machine.restarts == 0
    assert bench.attempts() == []
    assert bench.runs()[0].state is RunState.SHADOW_DONE
    assert "would have done: restart lab/machine/one" in bench.incident.reason
    assert bench.paged() == []
    bench.run(300)
    assert len(bench.paged()) == 1


def test_a_switched_off_playbook_leaves_it_to_people(make: Make) -> None:
    bench = make(mode=Mode.OFF)
    bench.fire()
    bench.run(400)
    assert bench.runs() == []
    assert bench.state() is IncidentState.ESCALATED
    assert len(bench.paged()) == 1


def test_a_refusal_calls_a_human_with_its_cause(bench: Bench) -> None:
    bench.machine.refuse = "all schedulers are late and the database is slow"
    bench.fire()
    bench.run(60)
    assert bench.machine.restarts == 0
    assert bench.incident.cause == "something else"
    assert len(bench.paged()) == 1
    bench.run(600)
    assert len(bench.paged()) == 1


def test_a_refusal_is_asked_again_before_anybody_is_called(bench: Bench) -> None:
    bench.machine.refuse = "every scheduler is late, none is proved dead"
    bench.fire()
    bench.run(20)
    assert any("refuses: every scheduler is late" in line for line in bench.story())
    assert bench.paged() == []
    bench.machine.refuse, bench.machine.healthy = "", True
    bench.run(60)
    assert bench.machine.restarts == 0
    assert bench.paged() == []


def test_a_lost_reply_is_read_back_and_not_repeated(bench: Bench) -> None:
    bench.machine.lose_reply = True
    bench.fire()
    bench.run(60)
    assert bench.machine.restarts == 1
    assert bench.state() is IncidentState.RESOLVED
    assert any("Read back: restart lab/machine/one has happened" in s for s in bench.story())


def test_an_effect_proved_not_to_have_happened_is_tried_again(bench: Bench) -> None:
    bench.machine.errors = [UnavailableError("connection reset")]
    bench.fire()
    bench.run(60)
    assert bench.machine.restarts == 1
    states = [a.state for a in bench.attempts()]
    assert states == [AttemptState.NOT_DONE, AttemptState.CONFIRMED]


def test_an_effect_that_never_happens_ends_with_a_human(bench: Bench) -> None:
    bench.machine.errors = [UnavailableError("connection reset")] * 9
    bench.fire()
    bench.run(120)
    assert bench.machine.restarts == 0
    assert bench.state() is IncidentState.ESCALATED
    assert len(bench.attempts()) == 2
    assert len(bench.paged()) == 1


def test_what_cannot_be_read_back_is_undecidable_and_paged_for(bench: Bench) -> None:
    bench.machine.lose_reply = True
    bench.fire()
    bench.run(11)
    bench.machine.unreadable = True
    bench.run(300)
    assert bench.machine.restarts == 1
    assert bench.attempts()[0].state is AttemptState.UNDECIDABLE
    assert bench.runs()[0].state is RunState.UNKNOWN
    assert len(bench.paged()) == 1


def test_a_time_in_which_health_cannot_be_read_is_no_healthy_time(bench: Bench) -> None:
    bench.fire()
    bench.run(16)
    assert bench.state() is IncidentState.STABILIZING
    bench.machine.unreadable = True
    bench.run(25)
    bench.machine.unreadable = False
    bench.run(6)
    assert bench.state() is IncidentState.STABILIZING
    bench.run(20)
    assert bench.state() is IncidentState.RESOLVED


def test_a_rejected_effect_is_not_repeated(bench: Bench) -> None:
    bench.machine.errors = [RejectedError("403 forbidden")]
    bench.fire()
    bench.run(120)
    assert bench.machine.restarts == 0
    assert len(bench.attempts()) == 1
    assert "403 forbidden" in bench.incident.reason


def test_a_target_that_changed_meanwhile_is_planned_anew(bench: Bench) -> None:
    bench.machine.errors = [ConflictError("another incarnation")]
    bench.fire()
    bench.run(60)
    assert bench.machine.restarts == 1
    assert [a.state for a in bench.attempts()] == [AttemptState.FAILED, AttemptState.CONFIRMED]


def test_the_kill_switch_holds_everything_until_a_person_lets_go(bench: Bench) -> None:
    hands = Operations(bench.parts, lambda: None)
    bench.fire()
    bench.run(2)
    hands.pause(by="ada", reason="migration")
    bench.run(60)
    assert bench.machine.restarts == 0
    hands.resume(by="ada", reason="done")
    bench.run(30)
    assert bench.machine.restarts == 1


def test_removing_the_kill_switch_file_arms_nothing(make: Make, tmp_path: Path) -> None:
    file = tmp_path / "stop"
    bench = make(kill_switch_file=file)
    hands = Operations(bench.parts, lambda: None)
    file.touch()
    bench.fire()
    bench.run(30)
    file.unlink()
    bench.run(60)
    assert bench.machine.restarts == 0
    hands.resume(by="ada", reason="checked")
    bench.run(30)
    assert bench.machine.restarts == 1


def test_a_maintenance_window_holds_effects_while_it_lasts(bench: Bench) -> None:
    Windowing(bench.parts, lambda: None).begin(
        Kind.MAINTENANCE, by="ada", reason="upgrade", lasts=timedelta(minutes=2)
    )
    bench.fire()
    bench.run(115)
    assert bench.machine.restarts == 0
    bench.run(30)
    assert bench.machine.restarts == 1


def test_the_budget_of_a_target_is_never_exceeded(make: Make) -> None:
    verify = {"check": "well", "within": "10s", "stable": "5s"}
    bench = make(
        books=[playbook(attempts=5, verify=verify)], rails=Rails(backoff_base=timedelta(seconds=5))
    )
    bench.machine.heals = False
    bench.fire()
    bench.run(200)
    assert bench.machine.restarts == Rails().target_per_hour
    assert "budget" in bench.incident.reason
    with bench.journal.read() as tx:
        spent = rails.exhausted(
            tx, [rails.BudgetUse("target/lab/machine/one/hour", "lab", 3600, 2)]
        )
    assert len(spent) == 1


def test_a_target_that_another_run_works_on_is_left_alone(make: Make) -> None:
    second = playbook(name="other-book", alerts=[{"alertname": "Other"}])
    bench = make(books=[playbook(), second])
    bench.machine.heals = False
    bench.fire()
    bench.run(12)
    assert bench.machine.restarts == 1
    other = alert("Other", starts=bench.clock.now())
    bench.alertmanager.shown.append(other)
    bench.deliver(other)
    bench.run(30)
    assert bench.machine.restarts == 1
    assert any("Guard target-lock" in line for line in bench.story())


def test_approve_waits_for_a_person_and_acts_on_a_yes(make: Make) -> None:
    bench = make(mode=Mode.APPROVE)
    hands = Operations(bench.parts, lambda: None)
    bench.fire()
    bench.run(120)
    assert bench.machine.restarts == 0
    assert bench.runs()[0].state is RunState.WAIT_APPROVAL
    hands.decide(bench.incident.id, decision="approved", by="ada", reason="go on")
    bench.run(60)
    assert bench.machine.restarts == 1
    assert bench.state() is IncidentState.RESOLVED


def test_a_changed_plan_is_asked_for_again(make: Make) -> None:
    bench = make(mode=Mode.APPROVE)
    hands = Operations(bench.parts, lambda: None)
    bench.fire()
    bench.run(30)
    bench.machine.generation = 7
    bench.run(61)
    hands.decide(bench.incident.id, decision="approved", by="ada", reason="go on")
    bench.run(30)
    assert bench.machine.generation == 8
    assert sum("A person has to approve" in line for line in bench.story()) == 2


@pytest.mark.parametrize("decision", ["denied", "expired"])
def test_no_approval_means_no_effect_and_a_page(make: Make, decision: str) -> None:
    bench = make(mode=Mode.APPROVE, rails=Rails(approval_ttl=timedelta(minutes=2)))
    bench.fire()
    bench.run(30)
    if decision == "denied":
        Operations(bench.parts, lambda: None).decide(
            bench.incident.id, decision="denied", by="ada", reason="not now"
        )
    bench.run(150)
    assert bench.machine.restarts == 0
    assert bench.state() is IncidentState.ESCALATED
    assert len(bench.paged()) == 1


def test_danger_c_is_never_done_without_a_person_even_in_auto(make: Make) -> None:
    bench = make(danger=Danger.C)
    bench.fire()
    bench.run(60)
    assert bench.machine.restarts == 0
    assert bench.runs()[0].state is RunState.WAIT_APPROVAL


def test_two_clusters_with_equal_names_do_not_touch_each_other(make: Make) -> None:
    bench = make(clusters=("lab", "prod"))
    bench.fire()
    bench.run(60)
    elsewhere = alert(starts=bench.clock.now(), cluster="prod")
    bench.machine.healthy = False
    bench.alertmanager.shown.append(elsewhere)
    bench.deliver(elsewhere)
    bench.run(60)
    assert bench.machine.restarts == 2
    assert [one.cluster for one in bench.incidents()] == ["prod", "lab"]
    assert {one.recurrence for one in bench.incidents()} == {0}
