"""Reading playbooks: what is wrong is refused with its file, its key and the nearest known name."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from airwarden.core.errors import WrongInputError
from airwarden.remediation.actions.registry import actions
from airwarden.remediation.checks.registry import checks
from airwarden.remediation.decide.correlate import PlaybookSet
from airwarden.remediation.decide.states import Mode
from airwarden.remediation.playbook import ActionStep, WaitStep
from airwarden.remediation.playbooks_loader import PlaybookChange, load_playbooks

OWN: dict[str, Any] = {
    "name": "own-book",
    "title": "Ours",
    "description": "For tests.",
    "alerts": [{"alertname": "Ours"}],
    "confirm": {"check": "component-late"},
    "steps": [{"id": "restart", "action": "process.restart"}],
    "verify": {"check": "component-healthy"},
}


def load(folder: Path | None = None, **options: Any) -> PlaybookSet:
    return load_playbooks(actions=actions(), checks=checks(), folder=folder, **options)


def write(folder: Path, body: dict[str, Any] | str, name: str = "own.yaml") -> None:
    text = body if isinstance(body, str) else yaml.safe_dump(body)
    (folder / name).write_text(text)


def test_a_fresh_install_acts_on_nothing() -> None:
    assert {one.mode for one in load().by_name.values()} == {Mode.SHADOW}


def test_no_playbook_may_do_more_than_the_ceiling() -> None:
    changes = {"scheduler-restart": PlaybookChange(mode=Mode.AUTO)}
    assert load(changes=changes).by_name["scheduler-restart"].mode is Mode.SHADOW
    raised = load(changes=changes, ceiling=Mode.AUTO)
    assert raised.by_name["scheduler-restart"].mode is Mode.AUTO


def test_an_operators_playbook_shadows_ours_by_name(tmp_path: Path) -> None:
    write(tmp_path, {**OWN, "name": "scheduler-restart", "alerts": [{"alertname": "Mine"}]})
    found = load(tmp_path).by_name["scheduler-restart"]
    assert found.playbook.title == "Ours"
    assert str(tmp_path) in found.source


def test_settings_change_single_keys_and_keep_the_others() -> None:
    changes = {
        "scheduler-restart": PlaybookChange(
            changes={"verify": {"within": "1m"}, "attempts": 1}, rails={"cool_down": "1m"}
        )
    }
    before, after = load(), load(changes=changes, rails={"target_per_hour": 9})
    old, new = (one.by_name["scheduler-restart"] for one in (before, after))
    assert new.playbook.verify is not None
    assert old.playbook.verify is not None
    assert new.playbook.verify.within == timedelta(minutes=1)
    assert new.playbook.verify.check == old.playbook.verify.check
    assert new.playbook.verify.stable == old.playbook.verify.stable
    assert new.playbook.attempts == 1
    assert new.rails.cool_down == timedelta(minutes=1)
    assert new.rails.target_per_hour == 9
    assert after.by_name["broker-out"].rails.cool_down == timedelta(minutes=10)
    assert new.playbook.sha256 != old.playbook.sha256


def test_settings_change_what_the_checks_of_a_playbook_ask() -> None:
    changes = {
        "lost-tasks": PlaybookChange(
            changes={
                "confirm": {"parameters": {"older": 20}},
                "verify": {"parameters": {"older": 30}, "within": "1m"},
                "steps": {
                    "answers": {"parameters": {"attempts": 2}, "stable": "3s"},
                    "requeue": {"parameters": {"hung": 10}},
                },
            }
        )
    }
    book = load(changes=changes).by_name["lost-tasks"].playbook
    assert book.confirm is not None
    assert book.verify is not None
    assert (book.confirm.check, book.confirm.parameters) == ("queued-tasks-lost", {"older": 20})
    assert book.confirm.times == 3
    assert (book.verify.check, book.verify.parameters) == ("queued-tasks-young", {"older": 30})
    assert book.verify.within == timedelta(minutes=1)
    waits, requeues = book.steps
    assert isinstance(waits, WaitStep)
    assert (waits.wait.check, waits.wait.parameters) == ("broker-answers", {"attempts": 2})
    assert waits.stable == timedelta(seconds=3)
    assert isinstance(requeues, ActionStep)
    assert requeues.parameters["hung"] == 10
    assert requeues.parameters["batch"] == 20


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"stepz": []}, "stepz.*did you mean 'steps'"),
        ({"steps": [{"id": "a", "action": "process.restrat"}]}, "did you mean 'process.restart'"),
        ({"verify": {"check": "component-helthy"}}, "did you mean 'component-healthy'"),
        ({"confirm": {"check": "component-late", "every": "soon"}}, "own.yaml: confirm.every"),
        ({"verify": None}, "`verify` is missing"),
        ({"steps": []}, "`human-only` is missing"),
        ({"steps": [{"id": "u", "undo": "hold"}]}, "undoes 'hold', which is no earlier step"),
        (
            {"steps": [{"id": "h", "human": "Ask.", "about": ["hold"]}]},
            "asks about 'hold', which is no earlier step",
        ),
        ({"steps": [OWN["steps"][0], OWN["steps"][0]]}, "'restart' is there twice"),
        ({"if-over": "restrat"}, "own.yaml: if-over: .*did you mean 'restart'"),
        ({"alerts": []}, "own.yaml: alerts"),
        ({"alerts": [{"alertname": "AirflowWorkerSilent"}]}, "same alerts as"),
        ({"name": "Not A Name"}, "own.yaml: name"),
    ],
)
def test_a_wrong_playbook_is_refused_by_its_key(
    tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    write(tmp_path, {**OWN, **change})
    with pytest.raises(WrongInputError, match=told) as caught:
        load(tmp_path)
    assert "own.yaml" in str(caught.value) or "worker-silent.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"), [("a: [", "own.yaml:1: is not YAML"), ("- a", "a mapping with a name")]
)
def test_what_is_no_playbook_at_all_is_refused(tmp_path: Path, text: str, told: str) -> None:
    write(tmp_path, text)
    with pytest.raises(WrongInputError, match=told):
        load(tmp_path)


def test_two_files_with_one_name_are_refused(tmp_path: Path) -> None:
    write(tmp_path, OWN, "a.yaml")
    write(tmp_path, OWN, "b.yaml")
    with pytest.raises(WrongInputError, match=r"twice.*a\.yaml"):
        load(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongInputError, match=r"remediator\.playbooks_dir"):
        load(tmp_path / "missing")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"changes": {"scheduler-restrat": PlaybookChange()}}, "did you mean 'scheduler-restart'"),
        ({"rails": {"cool_dwn": "1m"}}, "remediator.rails.*did you mean 'cool_down'"),
        ({"rails": {"cool_down": "soon"}}, r"remediator\.rails\.cool_down"),
        ({"rails": {"target_per_hour": "many"}}, r"remediator\.rails\.target_per_hour"),
        ({"rails": {"target_per_hour": -1}}, "must not be negative"),
    ],
)
def test_wrong_settings_are_refused_by_their_key(options: dict[str, Any], told: str) -> None:
    with pytest.raises(WrongInputError, match=told):
        load(**options)
