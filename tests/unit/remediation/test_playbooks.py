"""The shipped playbooks: all load, name what exists, and cover each alert exactly once."""

from __future__ import annotations

from importlib import resources

import pytest
import yaml

from airwarden.remediation.actions.registry import actions
from airwarden.remediation.checks.registry import checks
from airwarden.remediation.playbook import ActionStep, PageWhen, Playbook, UndoStep, WaitStep
from airwarden.rules.catalogue import ALERTS

FILES = {
    file.name.removesuffix(".yaml"): file
    for file in (resources.files("airwarden.remediation") / "playbooks").iterdir()
    if file.name.endswith(".yaml")
}
PLAYBOOKS = {
    name: Playbook.model_validate(yaml.safe_load(f.read_text())) for name, f in FILES.items()
}
#: Alertmanager pages for these itself: they say that the remediator, or its eyes, are gone.
NOT_OURS = {
    "Watchdog",
    "AirwardenRemediatorDown",
    "AirwardenAlertNotTaken",
    "AirwardenPageNotDelivered",
    "AirflowExporterDown",
}


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_a_playbooks_file_is_called_as_the_playbook(name: str) -> None:
    assert PLAYBOOKS[name].name == name
    assert PLAYBOOKS[name].title
    assert len(PLAYBOOKS[name].description) > 50


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_every_step_and_check_exists(name: str) -> None:
    playbook = PLAYBOOKS[name]
    used = [use.check for use in (playbook.confirm, playbook.verify) if use is not None]
    earlier: list[str] = []
    for step in playbook.all_steps:
        assert step.id not in earlier
        if isinstance(step, ActionStep):
            assert step.action in actions()
        elif isinstance(step, WaitStep):
            used.append(step.wait.check)
            assert step.within <= playbook.deadline
        elif isinstance(step, UndoStep):
            assert step.undo in earlier
        earlier.append(step.id)
    assert set(used) <= set(checks())


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_a_playbook_acts_with_confirmation_and_verification_or_says_why_not(name: str) -> None:
    playbook = PLAYBOOKS[name]
    if playbook.all_steps:
        assert playbook.confirm is not None
        assert playbook.confirm.times >= 2
        assert playbook.verify is not None
        assert not playbook.human_only
    else:
        assert playbook.human_only.startswith("because ")


@pytest.mark.parametrize("alert", sorted(set(ALERTS) - NOT_OURS))
def test_every_alert_has_exactly_one_playbook(alert: str) -> None:
    matching = [name for name, p in PLAYBOOKS.items() if p.matches({"alertname": alert})]
    assert len(matching) == 1, matching


def test_no_playbook_waits_for_an_alert_that_does_not_exist() -> None:
    named = {label["alertname"] for p in PLAYBOOKS.values() for label in p.alerts}
    assert named <= set(ALERTS) - NOT_OURS


#: What would stay in force if nobody took it back.
_REVERTED = (
    "backfill.pause",
    "breaker.open",
    "dag.pause",
    "pool.grow",
    "pool.hold",
    "replicas.add",
    "worker.drain",
    "workers.scale",
)


def test_what_is_undone_is_undone_in_the_same_playbook() -> None:
    """Whoever holds pools, pauses DAGs or opens a breaker gives it back, after an early end too."""
    for playbook in PLAYBOOKS.values():
        undone = {step.undo for step in playbook.all_steps if isinstance(step, UndoStep)}
        held = {
            step.id
            for step in playbook.all_steps
            if isinstance(step, ActionStep)
            # What it removed stays away; what it drained does not stay drained.
            and (step.action in _REVERTED or step.parameters.get("stage") == "drain")
        }
        assert held == undone


def test_nothing_but_a_page_follows_a_slow_database_or_a_teams_burst() -> None:
    for name in ("database-slow", "team-failure-burst"):
        assert PLAYBOOKS[name].ordered == ()
        assert PLAYBOOKS[name].page.when is PageWhen.AT_ONCE


def test_the_registries_names_are_those_of_their_members() -> None:
    assert all(action.name == name for name, action in actions().items())
    assert all(check.name == name for name, check in checks().items())
