"""The check on a metric: which limits count, and what it refuses to judge. Lies: tests/contract/test_lying_prometheus.py."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from airwarden.adapters.fakes import FakePrometheus
from airwarden.remediation.actions.registry import actions
from airwarden.remediation.checks.base import Verdict
from airwarden.remediation.checks.metrics import Metric
from airwarden.remediation.checks.registry import checks
from airwarden.remediation.playbooks_loader import load_playbooks
from airwarden.remediation.world import World
from support.repository import ROOT
from support.small_world import NOON, StillClock, subject

T, F, U = Verdict.TRUE, Verdict.FALSE, Verdict.UNKNOWN
QUERY = 'depth{queue="default"}'


@pytest.fixture
def prometheus() -> FakePrometheus:
    fake = FakePrometheus(StillClock())
    fake.put(QUERY, 50)
    fake.put(f"timestamp({QUERY})", NOON.timestamp() - 20)
    return fake


def verdict(prometheus: FakePrometheus, **parameters: Any) -> Verdict:
    world = World("lab", StillClock(), prometheus=prometheus)
    given = {"query": 'depth{queue="$queue"}', **parameters}
    return Metric().read(world, subject({"queue": "default"}), given).verdict


@pytest.mark.parametrize(
    ("limits", "wanted"),
    [
        ({"above": 49}, T),
        ({"above": 50}, F),
        ({"below": 51}, T),
        ({"below": 50}, F),
        ({"above": 60, "below": 40}, F),
        ({"above": 60, "below": 55}, T),
        ({}, U),
        ({"above": 1, "fresh": 19}, U),
        ({"above": 1, "fresh": 21}, T),
        ({"above": "many"}, U),
    ],
)
def test_beyond_a_limit(
    prometheus: FakePrometheus, limits: dict[str, Any], wanted: Verdict
) -> None:
    assert verdict(prometheus, **limits) is wanted


def test_the_playbook_of_the_how_to_page_is_one(tmp_path: Path) -> None:
    page = (ROOT / "docs/how-to/write-a-playbook.md").read_text()
    found = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert found
    (tmp_path / "own.yaml").write_text(found[1])
    loaded = load_playbooks(
        actions=actions().keys(), checks=checks().keys(), folder=tmp_path
    ).by_name["warehouse-overloaded"]
    assert loaded.playbook.confirm
    assert loaded.playbook.confirm.check == "metric"
