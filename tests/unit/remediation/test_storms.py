"""A storm is one incident and one page; nothing that serves is taken down in it; then all goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from airwarden.core.alerts import Alert, AlertStatus
from airwarden.remediation.actions.base import Danger
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.states import IncidentState, Mode
from airwarden.remediation.decide.storm import FleetHealth, too_many_incidents, too_much_at_once
from airwarden.remediation.journal import incidents, tables
from airwarden.remediation.journal.incidents import Incident
from airwarden.remediation.operations import Operations
from airwarden.remediation.playbook import Playbook
from airwarden.remediation.storms import is_storm
from support.engine import Bench, alert, playbook

pytestmark = pytest.mark.thorough

Make = Callable[..., Bench]
LIMIT = Rails().storm_incidents
#: Shorter than in production, so that the virtual time of these tests is short too.
QUICK = Rails(storm_window=timedelta(minutes=1), storm_calm=timedelta(minutes=2))


@pytest.fixture
def make(memory_path: Path) -> Iterator[Make]:
    made: list[Bench] = []

    def build(books: Sequence[Playbook] = (), **options: Any) -> Bench:
        url = f"sqlite:///{memory_path / f'journal{len(made)}.db'}"
        made.append(Bench(url, books=books, **options))
        return made[-1]

    yield build
    for bench in made:
        bench.close()


def names(count: int, first: int = 0) -> list[str]:
    return [f"m{number}" for number in range(first, first + count)]


def break_all(bench: Bench, some: Sequence[str], *, severity: str = "critical") -> list[Alert]:
    """All these machines' alerts come in one delivery."""
    bench.machine.healthy = False
    fired = [alert(starts=bench.clock.now(), name=name, severity=severity) for name in some]
    bench.alertmanager.shown.extend(fired)
    bench.deliver(*fired)
    return fired


def end_all(bench: Bench, some: Sequence[Alert]) -> None:
    prints = {one.fingerprint for one in some}
    bench.alertmanager.shown = [a for a in bench.alertmanager.shown if a.fingerprint not in prints]
    ends = bench.clock.now()
    bench.deliver(*(replace(one, status=AlertStatus.RESOLVED, ends_at=ends) for one in some))


def storm(bench: Bench) -> Incident:
    (found,) = [one for one in bench.incidents() if is_storm(one)]
    return found


def own(bench: Bench) -> list[Incident]:
    return [one for one in bench.incidents() if not is_storm(one)]


def held(bench: Bench, one: Incident) -> int:
    with bench.journal.read() as tx:
        mine = tables.alert.c.incident_id == one.id
        query = select(func.count()).where(mine)
        return int(tx.connection.execute(query).scalar_one())


def explained(bench: Bench, one: Incident) -> str:
    return Operations(bench.parts, lambda: None).explain(one.id).text()


def test_many_incidents_of_one_playbook_become_one_with_one_page(make: Make) -> None:
    bench = make()
    break_all(bench, names(40))
    bench.run(60)
    assert len(own(bench)) == LIMIT
    assert storm(bench).state is IncidentState.STORM_HOLD
    assert held(bench, storm(bench)) == 40 - LIMIT
    assert {event.dedup_key for event in bench.paged()} == {storm(bench).dedup_key}
    assert bench.machine.restarts == 0
    assert "6 incidents of one playbook within 5m" in explained(bench, storm(bench))
    assert "part of a storm" in explained(bench, own(bench)[0])


def test_storms_within_a_clusters_storm_are_one_page(make: Make) -> None:
    books = [playbook(name=f"book-{n}", alerts=[{"alertname": f"Fault{n}"}]) for n in range(4)]
    bench = make(books)
    bench.machine.healthy = False
    bench.deliver(
        *(alert(f"Fault{n % 4}", name=f"m{n}", starts=bench.clock.now()) for n in range(120))
    )
    bench.run(15)
    assert len(own(bench)) == 4 * LIMIT
    whole = next(one for one in bench.incidents() if one.correlation_key == "storm/")
    assert len([one for one in bench.incidents() if is_storm(one)]) == 5
    assert {event.dedup_key for event in bench.paged()} == {whole.dedup_key}


def test_as_many_as_the_limit_are_no_storm(make: Make) -> None:
    bench = make()
    break_all(bench, names(LIMIT))
    bench.run(300)
    assert [one for one in bench.incidents() if is_storm(one)] == []
    assert bench.machine.restarts == 1  # one machine behind all of them: then it is well


@pytest.mark.reliability
def test_incidents_further_apart_are_no_storm(make: Make) -> None:
    bench = make(rails=QUICK)
    for name in names(LIMIT + 3):
        one = bench.fire(name=name)
        bench.run(40)
        bench.clear(one)
    assert [one for one in bench.incidents() if is_storm(one)] == []


def test_what_was_held_is_taken_up_a_few_at_a_time_once_it_is_calm(make: Make) -> None:
    bench = make(rails=replace(QUICK, target_per_hour=50, playbook_per_hour=50))
    fired = break_all(bench, names(12))
    bench.machine.healthy = True
    bench.run(30)
    assert len(own(bench)) == LIMIT
    # The first ones end by themselves; what is held goes on firing.
    end_all(bench, fired[:LIMIT])
    bench.run(120)
    assert storm(bench).state is IncidentState.STORM_HOLD
    assert len(own(bench)) == LIMIT
    bench.run(60)
    assert LIMIT < len(own(bench)) <= 2 * LIMIT
    bench.run(120)
    assert len(own(bench)) == 12
    end_all(bench, fired[LIMIT:])
    bench.run(180)
    assert {one.state for one in bench.incidents()} == {IncidentState.RESOLVED}
    assert {event.dedup_key for event in bench.paged("resolve")} >= {storm(bench).dedup_key}


def test_a_storm_is_over_when_its_alerts_are(make: Make) -> None:
    bench = make(rails=QUICK)
    fired = break_all(bench, names(30))
    bench.run(30)
    bench.machine.healthy = True
    end_all(bench, fired)
    bench.run(240)
    assert {one.state for one in bench.incidents()} == {IncidentState.RESOLVED}
    assert [event.action for event in bench.recorder.events].count("resolve") == 1


@pytest.mark.reliability
def test_a_storm_that_goes_on_is_not_released(make: Make) -> None:
    bench = make(rails=QUICK)
    for turn in range(8):
        break_all(bench, names(7, first=7 * turn))
        bench.run(30)
    assert len(own(bench)) == LIMIT
    assert {event.dedup_key for event in bench.paged()} == {storm(bench).dedup_key}


@pytest.mark.reliability
def test_a_storm_comes_back_as_the_same_incident(make: Make) -> None:
    bench = make(rails=QUICK)
    for turn in range(2):
        fired = break_all(bench, names(30, first=100 * turn))
        bench.run(30)
        bench.machine.healthy = True
        end_all(bench, fired)
        bench.run(240)
    assert storm(bench).recurrence == 1
    assert [event.action for event in bench.recorder.events].count("trigger") >= 2


def test_a_new_process_finds_the_storm_in_the_journal(make: Make, memory_path: Path) -> None:
    bench = make()
    break_all(bench, names(30))
    bench.run(30)
    bench.leadership.stop()
    successor = Bench(f"sqlite:///{memory_path / 'journal0.db'}")
    successor.clock.advance(bench.clock.elapsed())
    successor.alertmanager.shown = list(bench.alertmanager.shown)
    successor.machine.healthy = False
    break_all(successor, names(5, first=1000))
    successor.run(60)
    assert len(own(successor)) == LIMIT
    assert held(successor, storm(successor)) == 30
    assert successor.machine.restarts == 0
    successor.close()


def test_people_alone_keep_a_storm_as_one_incident(make: Make) -> None:
    book = playbook(steps=[], confirm=None, verify=None, **{"human-only": "for people"})
    bench = make([book], rails=QUICK)
    fired = break_all(bench, names(30))
    bench.run(240)
    assert storm(bench).state is IncidentState.ESCALATED
    assert len(own(bench)) == LIMIT
    end_all(bench, fired)
    bench.run(180)
    assert storm(bench).state is IncidentState.RESOLVED


def test_a_storm_of_warnings_that_nothing_would_be_done_about_pages_nobody(make: Make) -> None:
    book = playbook(steps=[], confirm=None, verify=None, **{"human-only": "for people"})
    bench = make([book])
    break_all(bench, names(30), severity="warning")
    bench.run(60)
    assert bench.paged() == []
    bench.run(1)
    break_all(bench, names(1, first=99))
    bench.run(60)
    assert held(bench, storm(bench)) == 26
    assert storm(bench).severity == "critical"
    assert len(bench.paged()) == 1


def test_alerts_without_a_playbook_are_one_storm_too(make: Make) -> None:
    bench = make()
    for number in range(12):
        bench.deliver(alert(f"Unknown{number}", starts=bench.clock.now()))
    bench.run(30)
    assert storm(bench).title == "Storm: alerts without a playbook"
    assert held(bench, storm(bench)) == 12 - LIMIT


# --- a cluster's storm --------------------------------------------------------------------------


def crowd(bench: Bench, count: int) -> list[Alert]:
    """Many alerts of one incident."""
    bench.machine.healthy = False
    fired = [
        replace(alert(starts=bench.clock.now()), fingerprint=f"f{number:015d}")
        for number in range(count)
    ]
    bench.alertmanager.shown.extend(fired)
    bench.deliver(*fired)
    return fired


def test_too_many_alerts_hold_what_serves_and_page_once(make: Make) -> None:
    bench = make(rails=QUICK)
    crowd(bench, 51)
    bench.run(60)
    assert len(own(bench)) == 1  # opened as ever
    assert bench.machine.restarts == 0
    assert "51 alerts within a minute" in storm(bench).reason
    assert {event.dedup_key for event in bench.paged()} == {storm(bench).dedup_key}
    bench.run(240)
    assert storm(bench).state is IncidentState.RESOLVED
    assert bench.machine.restarts == 1


def test_fifty_alerts_are_no_storm(make: Make) -> None:
    bench = make()
    crowd(bench, 50)
    bench.run(120)
    assert bench.machine.restarts == 1


def test_adding_capacity_is_allowed_in_a_storm(make: Make) -> None:
    bench = make(danger=Danger.A)
    crowd(bench, 60)
    bench.run(120)
    assert storm(bench).state is IncidentState.STORM_HOLD
    assert bench.machine.restarts == 1


def test_a_fleet_mostly_unhealthy_is_a_storm(make: Make) -> None:
    bench = make()
    with bench.journal.write() as tx:
        row = {"cluster": "lab", "fleet": "workers", "in_repair": 0, "taken_at": tx.now}
        tx.connection.execute(insert(tables.fleet_snapshot).values(total=10, healthy=5, **row))
    bench.fire()
    bench.run(60)
    assert "5 of 10 workers are unhealthy" in storm(bench).reason
    assert bench.machine.restarts == 0


@pytest.mark.reliability
def test_an_incident_that_outlasts_the_storm_is_paged_by_itself(make: Make) -> None:
    bench = make(rails=QUICK)
    bench.machine.heals = False
    crowd(bench, 51)
    bench.run(1200)
    keys = {event.dedup_key for event in bench.paged()}
    assert keys == {storm(bench).dedup_key, own(bench)[0].dedup_key}


def test_storms_of_one_cluster_do_not_hold_another(make: Make) -> None:
    bench = make(clusters=("lab", "prod"))
    crowd(bench, 60)
    there = alert(cluster="prod", starts=bench.clock.now())
    bench.alertmanager.shown.append(there)
    bench.deliver(there)
    bench.run(120)
    assert bench.machine.restarts == 1
    assert storm(bench).cluster == "lab"


# --- people ---------------------------------------------------------------------------------------


def test_a_person_takes_a_storm_and_nothing_is_released_meanwhile(make: Make) -> None:
    bench = make(rails=QUICK)
    break_all(bench, names(30))
    bench.run(30)
    do = Operations(bench.parts, lambda: None)
    do.acknowledge(storm(bench).id, by="ada", reason="on it")
    assert storm(bench).state is IncidentState.HUMAN_OWNED
    bench.run(200)
    assert len(own(bench)) == LIMIT
    do.close(storm(bench).id, by="ada", reason="it was the network")
    assert storm(bench).state is IncidentState.RESOLVED


def test_a_storm_is_closed_by_a_person_with_a_reason(make: Make) -> None:
    bench = make()
    break_all(bench, names(30))
    bench.run(60)
    Operations(bench.parts, lambda: None).close(storm(bench).id, by="ada", reason="a drill")
    assert storm(bench).state is IncidentState.RESOLVED
    assert "ada: a drill" in storm(bench).reason


def test_in_shadow_a_storm_is_one_message_too(make: Make) -> None:
    bench = make(mode=Mode.SHADOW)
    break_all(bench, names(45))
    bench.run(60)
    assert len(own(bench)) == LIMIT
    assert len(bench.recorder.messages) <= LIMIT + 2


# --- the limits ----------------------------------------------------------------------------------


def test_limits_are_exceeded_not_reached() -> None:
    rails = Rails()
    assert too_many_incidents(5, rails) == ""
    assert too_many_incidents(6, rails)
    assert too_much_at_once(50, [], rails) == ""
    assert too_much_at_once(0, [FleetHealth("workers", 10, 6)], rails) == ""
    assert too_much_at_once(0, [FleetHealth("workers", 10, 5)], rails)
    assert too_much_at_once(0, [FleetHealth("workers", 4, 0)], rails) == ""


def test_no_alert_of_a_storm_is_lost_to_a_crash_in_between(make: Make) -> None:
    """A part of a delivery is taken in, then the process dies: the rest is taken on the next try."""
    bench = make()
    fence_lost = RuntimeError("killed")
    triage = bench.engine._triage
    take_in, calls = triage._take_in, 0

    def dying(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise fence_lost
        return take_in(*arguments)  # type: ignore[arg-type]

    triage._take_in = dying  # type: ignore[assignment, method-assign]
    break_all(bench, names(120))
    bench.run(30)
    with bench.journal.read() as tx:
        everyone = incidents.select_where(tx)
        query = select(func.count()).where(tables.alert.c.incident_id.is_not(None))
        assert tx.connection.execute(query).scalar_one() == 120
    assert calls > 3
    assert len([one for one in everyone if not is_storm(one)]) == LIMIT
