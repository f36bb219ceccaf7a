"""When people hear of an incident, when not, and what counts as decided on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from airwarden.core.errors import UnavailableError
from airwarden.remediation.decide.states import IncidentState, Mode, RunState
from airwarden.remediation.operations import Operations
from support.engine import Bench, Make, alert, playbook

pytestmark = pytest.mark.thorough


def test_an_incident_is_one_message_that_is_updated(bench: Bench) -> None:
    bench.fire()
    bench.run(60)
    assert len(bench.recorder.messages) == 1
    reference, last = bench.recorder.updates[-1]
    assert reference == "ts-1"
    assert "RESOLVED" in last.text


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
