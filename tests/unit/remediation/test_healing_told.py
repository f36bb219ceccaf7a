"""What was healed, told so that whoever reads it in the morning understands it without the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from airwarden.remediation.actions.registry import actions
from airwarden.remediation.checks.registry import checks
from airwarden.remediation.decide.states import IncidentState
from airwarden.remediation.playbooks_loader import load_playbooks
from support.healed import QUICK, STORIES, play
from support.refusals import TOLD, told

pytestmark = pytest.mark.thorough


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.reliability)
        for name in STORIES
    ],
)
def test_it_is_healed_and_its_story_is_told(name: str, memory_path: Path) -> None:
    bench = play(name, memory_path)
    try:
        (one,) = bench.incidents()
        assert one.state is IncidentState.RESOLVED, bench.story()
        assert told(bench) == (TOLD / f"{name}.txt").read_text()
    finally:
        bench.close()


def test_every_playbook_that_acts_has_its_story() -> None:
    shipped = load_playbooks(actions=actions().keys(), checks=checks().keys()).by_name
    acting = {name for name, one in shipped.items() if one.playbook.ordered}
    told_of = {
        line.partition("playbook ")[2].partition(" (")[0]
        for name in STORIES
        for line in (TOLD / f"{name}.txt").read_text().splitlines()[1:2]
    }
    assert told_of == acting
