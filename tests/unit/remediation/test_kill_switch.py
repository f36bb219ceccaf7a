"""The kill switch: at once, in the middle of everything, and only a person takes it back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from airwarden.core.errors import ConflictError, NotFoundError
from airwarden.remediation.decide.calendar import Kind
from airwarden.remediation.operations import Operations
from airwarden.remediation.switches import file_says, latch
from airwarden.remediation.windowing import Windowing
from support.engine import START, Bench, Make, alert, playbook
from support.many_targets import Fleet

pytestmark = pytest.mark.thorough

FLEET_BOOK = playbook(name="fleet-mend", steps=[{"id": "mend", "action": "fleet.mend"}])


def hands(bench: Bench) -> Operations:
    return Operations(bench.parts, lambda: None)


@pytest.mark.parametrize("way", ["api", "file", "cluster", "playbook"])
def test_thrown_in_the_middle_of_many_effects_it_stops_the_rest(
    make: Make, tmp_path: Path, way: str
) -> None:
    fleet = Fleet(20)
    bench = make(
        books=[FLEET_BOOK], more_actions=[fleet], kill_switch_file=tmp_path / "stop-everything"
    )
    ways: dict[str, Callable[[], object]] = {
        "api": lambda: hands(bench).pause(by="ada", reason="strange"),
        "file": (tmp_path / "stop-everything").touch,
        "cluster": lambda: hands(bench).pause(by="ada", reason="strange", cluster="lab"),
        "playbook": lambda: hands(bench).pause(by="ada", reason="odd", playbook="fleet-mend"),
    }

    def throw(unit: str) -> None:
        if unit == "u4":
            ways[way]()

    fleet.after = throw
    bench.fire()
    bench.run(120)
    assert len(fleet.mended) == 5
    assert any("Guard kill-switch" in line for line in bench.story())


def test_between_intent_and_effect_it_still_stops(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make()

    def throw(name: str) -> None:
        if name == "after-intent":
            hands(bench).pause(by="ada", reason="now")

    monkeypatch.setattr("airwarden.remediation.effects.crash_at", throw)
    bench.fire()
    bench.run(30)
    assert bench.machine.restarts == 0


def test_configuration_management_arms_nothing(make: Make, tmp_path: Path) -> None:
    file = tmp_path / "stop"
    bench = make(kill_switch_file=file)
    file.touch()
    bench.fire()
    bench.run(30)
    # Removed, written anew with other words, removed again.
    file.unlink()
    bench.run(20)
    file.write_text("managed by the configuration\n")
    bench.run(20)
    file.unlink()
    bench.run(20)
    assert bench.machine.restarts == 0
    assert any("is stopped: the kill switch file" in line for line in bench.story())
    # A restart forgets nothing either.
    bench.leadership.stop()
    again = make(kill_switch_file=file, url=str(bench.url))
    again.machine.healthy = False
    again.clock.advance(bench.clock.elapsed())
    again.alertmanager.shown.extend(bench.alertmanager.shown)
    again.run(60)
    assert again.machine.restarts == 0
    hands(again).resume(by="ada", reason="checked")
    again.fire()
    again.run(60)
    assert again.machine.restarts == 1


def test_a_standby_remembers_the_file_on_its_machine(make: Make, tmp_path: Path) -> None:
    bench = make(kill_switch_file=tmp_path / "stop")
    (tmp_path / "stop").touch()
    assert not bench.engine.tick()
    (tmp_path / "stop").unlink()
    bench.fire()
    bench.run(60)
    assert bench.machine.restarts == 0


def test_a_file_that_cannot_be_seen_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", refuse)
    assert "cannot be seen: Permission denied" in file_says(tmp_path / "stop")


def test_it_is_remembered_once(make: Make, tmp_path: Path) -> None:
    bench = make(kill_switch_file=tmp_path / "stop")
    (tmp_path / "stop").touch()
    for _ in range(3):
        latch(bench.journal, tmp_path / "stop")
    assert len([line for line in bench.story() if "is stopped" in line]) == 1


def test_resume_wants_the_file_gone_and_names_what_is_stopped(make: Make, tmp_path: Path) -> None:
    file = tmp_path / "stop"
    bench = make(kill_switch_file=file)
    file.touch()
    bench.run(2)
    with pytest.raises(ConflictError, match="remove it first"):
        hands(bench).resume(by="ada", reason="checked")
    file.unlink()
    with pytest.raises(ConflictError, match=r"stopped: all playbooks \(everywhere\)"):
        hands(bench).resume(by="ada", reason="checked", cluster="lab")
    with pytest.raises(NotFoundError, match="did you mean 'machine-restart'"):
        hands(bench).pause(by="ada", reason="odd", playbook="machine-restat")
    hands(bench).resume(by="ada", reason="checked")


def test_a_cluster_or_a_playbook_that_is_stopped_stops_no_other(make: Make) -> None:
    second = playbook(name="other-book", alerts=[{"alertname": "Other"}])
    bench = make(books=[playbook(), second], clusters=("lab", "prod"))
    hands(bench).pause(by="ada", reason="odd", playbook="other-book")
    hands(bench).pause(by="ada", reason="odd", cluster="prod")
    bench.machine.healthy = False
    for one in (alert("Other"), alert(cluster="prod"), alert(starts=START)):
        bench.alertmanager.shown.append(one)
        bench.deliver(one)
    bench.run(30)
    assert bench.machine.restarts == 1
    done = {one.cluster: one.playbook for one in bench.incidents() if one.state == "RESOLVED"}
    assert set(done) <= {"lab"}


def test_a_freeze_holds_what_takes_back_our_own_change_too_and_pages_as_ever(make: Make) -> None:
    bench = make()
    Windowing(bench.parts, lambda: None).begin(
        Kind.FREEZE, by="ada", lasts=timedelta(hours=2), reason="year end"
    )
    bench.fire()
    bench.run(900)
    assert bench.machine.restarts == 0
    assert len(bench.paged()) == 1
    assert any("Guard freeze: freeze by ada: year end" in line for line in bench.story())
