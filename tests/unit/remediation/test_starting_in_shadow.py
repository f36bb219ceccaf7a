"""Raising the ceiling lets nothing act that nobody named."""

from __future__ import annotations

import pytest

from airwarden.remediation.actions.registry import actions
from airwarden.remediation.checks.registry import checks
from airwarden.remediation.decide.states import Mode
from airwarden.remediation.playbooks_loader import PlaybookChange, load_playbooks


@pytest.mark.parametrize(
    ("ceiling", "own", "effective"),
    [
        (Mode.SHADOW, None, Mode.SHADOW),
        (Mode.AUTO, None, Mode.SHADOW),
        (Mode.AUTO, Mode.APPROVE, Mode.APPROVE),
        (Mode.APPROVE, Mode.AUTO, Mode.APPROVE),
        (Mode.SHADOW, Mode.AUTO, Mode.SHADOW),
        (Mode.AUTO, Mode.OFF, Mode.OFF),
    ],
)
def test_a_playbook_does_what_it_was_named_for_and_the_others_stay_in_shadow(
    ceiling: Mode, own: Mode | None, effective: Mode
) -> None:
    changes = {"scheduler-restart": PlaybookChange(mode=own)} if own else {}
    loaded = load_playbooks(
        actions=actions().keys(), checks=checks().keys(), changes=changes, ceiling=ceiling
    ).by_name
    assert loaded["scheduler-restart"].mode is effective
    assert {one.mode for name, one in loaded.items() if name != "scheduler-restart"} == {
        Mode.SHADOW
    }
