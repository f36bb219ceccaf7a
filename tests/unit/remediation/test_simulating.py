"""A recorded history through the real engine on paper: what would have been done, and why not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from airwarden.core.alerts import Alert, AlertStatus
from airwarden.remediation.decide.calendar import Kind, Window
from airwarden.remediation.decide.correlate import LoadedPlaybook, PlaybookSet
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.states import Mode
from airwarden.remediation.playbook import Playbook
from airwarden.remediation.simulating import Simulated, Simulation
from support.engine import START, Hold, Machine, Restart, alert, playbook

pytestmark = pytest.mark.thorough

ACTIONS = {one.name: one for one in (Restart(Machine()), Hold())}


def past(
    minute: float, lasts: float | None = 10, alertname: str = "MachineDown", name: str = "one"
) -> Alert:
    starts = START + timedelta(minutes=minute)
    ends = None if lasts is None else starts + timedelta(minutes=lasts)
    status = AlertStatus.FIRING if ends is None else AlertStatus.RESOLVED
    return alert(alertname, name=name, starts=starts, ends=ends, status=status)


def simulate(
    *history: Alert,
    books: Sequence[Playbook] = (),
    mode: Mode | None = Mode.AUTO,
    configured: Mode = Mode.SHADOW,
    rails: Rails | None = None,
    windows: Sequence[Window] = (),
) -> list[Simulated]:
    numbers = rails or Rails()
    loaded = {b.name: LoadedPlaybook(b, configured, numbers) for b in books or [playbook()]}
    return Simulation(PlaybookSet(loaded, numbers), ACTIONS, windows, mode=mode).run(history)


def at(minute: float) -> datetime:
    return START + timedelta(minutes=minute)


def test_nothing_of_nothing() -> None:
    assert simulate() == []


def test_a_fault_is_treated_after_its_confirmation_and_its_remedy_is_assumed_to_help() -> None:
    (one,) = simulate(past(3, lasts=None))
    assert one.at == at(3)
    ((when, what),) = one.did
    assert timedelta(seconds=10) <= when - at(3) <= timedelta(seconds=20)
    assert what == "machine.restart on name=one"
    assert one.why_not == ""
    assert one.paged_at is None
    assert one.ended_at is not None
    assert one.ended_at < at(6)


def test_what_ended_before_it_was_confirmed_is_left_alone() -> None:
    (one,) = simulate(past(0, lasts=0.1))
    assert one.did == ()
    assert one.why_not


def test_what_no_playbook_knows_is_paged() -> None:
    (one,) = simulate(past(0, alertname="Strange"))
    assert (one.playbook, one.did) == ("", ())
    assert one.why_not == "no playbook matches this alert"
    assert one.paged_at == at(0)


def test_two_targets_are_two_incidents_and_one_target_one() -> None:
    history = [past(0), past(1, name="two"), past(0.2)]
    assert [one.title for one in simulate(*history)] == [
        "The machine is sick (name=one)",
        "The machine is sick (name=two)",
    ]


def test_budgets_hold_as_they_would_have() -> None:
    rails = Rails().with_overrides({"target_per_hour": 1, "recurrence_window": timedelta(0)})
    first, second = simulate(past(0), past(30), rails=rails)
    assert len(first.did) == 1
    assert second.did == ()
    assert second.why_not.startswith("guard ")
    assert second.paged_at is not None


def test_a_window_holds_it_back() -> None:
    window = Window(
        kind=Kind.MAINTENANCE, starts=at(-5), lasts=timedelta(hours=2), reason="upgrade"
    )
    (one,) = simulate(past(0, lasts=20), windows=[window])
    assert one.did == ()


@pytest.mark.parametrize(
    ("mode", "configured", "said"),
    [(None, Mode.SHADOW, "in shadow mode"), (Mode.AUTO, Mode.OFF, "switched off")],
)
def test_modes_of_the_settings_hold(mode: Mode | None, configured: Mode, said: str) -> None:
    (one,) = simulate(past(0), mode=mode, configured=configured)
    assert one.did == ()
    assert said in one.why_not


def test_a_flapping_alert_is_left_to_people() -> None:
    found = simulate(*(past(5 * n, lasts=1) for n in range(8)))
    assert any("fired and ended" in one.why_not for one in found)
    assert 0 < sum(len(one.did) for one in found) < 8


def test_the_same_history_tells_the_same_story() -> None:
    history = [past(n, name=f"m{n % 3}") for n in range(0, 60, 7)]
    assert simulate(*history) == simulate(*history)
