"""What the engine does for its users, on a real journal file and virtual time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from airwarden.core.alerts import AlertStatus
from airwarden.core.errors import ConflictError, RejectedError, UnavailableError
from airwarden.remediation.actions.base import Danger
from airwarden.remediation.decide.calendar import Kind
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.states import AttemptState, IncidentState, Mode, RunState
from airwarden.remediation.journal import rails
from airwarden.remediation.operations import Operations
from airwarden.remediation.windowing import Windowing
from support.engine import Bench, Make, alert, playbook


def test_a_sick_machine_is_restarted_once_and_verified(bench: Bench) -> None:
    bench.fire()
    bench.run(60)
    assert bench.machine.restarts == 1
    assert bench.state() is IncidentState.RESOLVED
    assert not bench.incident.healed_by_itself
    assert [a.state for a in bench.attempts()] == [AttemptState.CONFIRMED]
    assert bench.paged() == []


def test_an_incident_is_one_message_that_is_updated(bench: Bench) -> None:
    bench.fire()
    bench.run(60)
    assert len(bench.recorder.messages) == 1
    reference, last = bench.recorder.updates[-1]
    assert reference == "ts-1"
    assert "RESOLVED" in last.text


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


def test_resolved_does_not_mean_healed(bench: Bench) -> None:
    """The exporter died and resolved the alert; the machine is still sick."""
    one = bench.fire()
    bench.run(3)
    bench.clear(one)
    bench.run(60)
    assert bench.state() is not IncidentState.RESOLVED


def test_a_remedy_that_does_not_help_is_tried_twice_then_paged_for_once(bench: Bench) -> None:
    bench.machine.heals = False
    bench.fire()
    bench.run(400)
    assert bench.machine.restarts == 2
    assert [run.state for run in bench.runs()] == [RunState.FAILED, RunState.FAILED]
    assert bench.state() is IncidentState.ESCALATED
    assert len(bench.paged()) == 1
    first, second = bench.runs()
    assert second.started_at >= first.started_at + timedelta(seconds=60)


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


def test_in_shadow_what_heals_by_itself_is_not_paged_for(make: Make) -> None:
    bench = make(mode=Mode.SHADOW)
    one = bench.fire()
    bench.run(60)
    bench.machine.healthy = True
    bench.clear(one)
    bench.run(400)
    assert bench.state() is IncidentState.RESOLVED
    assert bench.incident.healed_by_itself
    assert bench.paged() == []


def test_a_warning_in_shadow_never_pages(make: Make) -> None:
    bench = make(mode=Mode.SHADOW)
    bench.fire(severity="warning")
    bench.run(900)
    assert bench.paged() == []
    assert bench.state() is IncidentState.ESCALATED


def test_a_switched_off_playbook_leaves_it_to_people(make: Make) -> None:
    bench = make(mode=Mode.OFF)
    bench.fire()
    bench.run(400)
    assert bench.runs() == []
    assert bench.state() is IncidentState.ESCALATED
    assert len(bench.paged()) == 1


def test_at_once_pages_at_once_and_resolves_once(make: Make) -> None:
    bench = make(books=[playbook(page={"when": "at-once"})])
    bench.fire()
    bench.run(2)
    assert len(bench.paged()) == 1
    bench.run(60)
    assert bench.state() is IncidentState.RESOLVED
    resolved = bench.paged("resolve")
    assert [event.dedup_key for event in resolved] == [bench.paged()[0].dedup_key]
    assert len(bench.paged()) == 1


def test_an_alert_without_a_playbook_is_paged_for_at_once(bench: Bench) -> None:
    strange = alert("NeverSeen")
    bench.alertmanager.shown.append(strange)
    bench.deliver(strange)
    bench.run(3)
    assert bench.incident.playbook == ""
    assert bench.state() is IncidentState.ESCALATED
    assert len(bench.paged()) == 1
    bench.clear(strange)
    bench.run(120)
    assert bench.state() is IncidentState.RESOLVED
    assert len(bench.paged("resolve")) == 1


def test_an_alert_of_an_unknown_cluster_is_never_acted_on(bench: Bench) -> None:
    foreign = alert(cluster="elsewhere")
    bench.machine.healthy = False
    bench.deliver(foreign)
    bench.run(60)
    assert bench.machine.restarts == 0
    assert "'elsewhere' is not configured" in bench.incident.reason


def test_a_refusal_calls_a_human_with_its_cause(bench: Bench) -> None:
    bench.machine.refuse = "all schedulers are late and the database is slow"
    bench.fire()
    bench.run(60)
    assert bench.machine.restarts == 0
    assert bench.incident.cause == "something else"
    assert len(bench.paged()) == 1
    bench.run(600)
    assert len(bench.paged()) == 1


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


def test_an_alert_that_fires_on_although_it_reads_healthy_reopens_the_incident(
    bench: Bench,
) -> None:
    bench.fire()
    bench.run(60)
    assert bench.state() is IncidentState.RESOLVED
    bench.run(660)
    assert bench.incident.recurrence == 1


def taken(bench: Bench) -> dict[tuple[str, str], int]:
    bench.engine.look()
    return dict(bench.telemetry.snapshot.taken)


def test_a_silenced_alert_counts_as_decided_on_until_its_silence_ends(bench: Bench) -> None:
    """Else the alert that watches the remediator would page for what somebody silenced."""
    bench.machine.healthy = False
    one = alert(starts=bench.clock.now())
    bench.alertmanager.shown = [replace(one, suppressed_by=("silence-1",))]
    bench.run(60)
    assert taken(bench) == {("lab", "MachineDown"): 1}
    assert bench.incidents() == []

    # The poll that first sees it without its silence no longer vouches for it, and gives it to triage.
    bench.alertmanager.shown = [one]
    bench.poller.poll(bench.leadership.fence)
    assert taken(bench) == {}
    bench.turn()
    assert taken(bench) == {("lab", "MachineDown"): 1}
    bench.run(60)
    assert bench.machine.restarts == 1


def test_a_silenced_alert_that_ends_is_no_longer_counted(bench: Bench) -> None:
    bench.alertmanager.shown = [replace(alert(), suppressed_by=("silence-1",))]
    bench.run(20)
    bench.alertmanager.shown = []
    bench.run(20)
    assert taken(bench) == {}


def test_an_alert_with_an_incident_is_counted_once_when_it_is_silenced(bench: Bench) -> None:
    one = bench.fire()
    bench.run(5)
    bench.alertmanager.shown = [replace(one, suppressed_by=("silence-1",))]
    bench.run(20)
    assert taken(bench) == {("lab", "MachineDown"): 1}


def test_who_has_not_asked_alertmanager_lately_does_not_vouch_for_silences(bench: Bench) -> None:
    """A replica that no longer leads, or has lost Alertmanager: the silence may be over by now."""
    bench.alertmanager.shown = [replace(alert(), suppressed_by=("silence-1",))]
    bench.run(20)
    bench.alertmanager.down = True
    bench.run(90)
    assert taken(bench) == {("lab", "MachineDown"): 1}
    bench.run(40)
    assert taken(bench) == {}


def test_a_person_who_acknowledges_owns_it(bench: Bench) -> None:
    hands = Operations(bench.parts, lambda: None)
    bench.machine.refuse = "not by me"
    bench.fire()
    bench.run(60)
    hands.acknowledge(bench.incident.id, by="ada", reason="")
    bench.run(5)
    assert bench.state() is IncidentState.HUMAN_OWNED
    assert len(bench.paged("acknowledge")) == 1
    hands.close(bench.incident.id, by="ada", reason="replaced the machine")
    bench.run(5)
    assert bench.state() is IncidentState.RESOLVED
    assert len(bench.paged("resolve")) == 1


def test_a_pager_that_is_down_gets_the_page_later(bench: Bench) -> None:
    bench.recorder.failures = [UnavailableError("502")] * 4
    bench.machine.refuse = "no"
    bench.fire()
    bench.run(120)
    assert len(bench.paged()) == 1


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
