"""An hour of quiet about an incident: no wider than it, by who may, in the audit before it happens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airwarden.core.errors import ConflictError, NotFoundError, UnavailableError, WrongInputError
from airwarden.remediation import records
from airwarden.remediation.calls import InlineCalls
from airwarden.remediation.chat_orders import ChatOrders
from airwarden.remediation.decide.buttons import Button
from airwarden.remediation.decide.states import Mode
from airwarden.remediation.journal import incidents
from airwarden.remediation.operations import Operations
from airwarden.remediation.operators import Operator, Operators, Role
from airwarden.remediation.silencing import Silencing
from support.engine import START, Bench, Make


def silencing(bench: Bench, **changes: Any) -> Silencing:
    found = {"alertmanager": lambda: bench.alertmanager, **changes}
    return Silencing(bench.journal, found["alertmanager"], InlineCalls(), lambda: None)


@pytest.fixture
def bench(make: Make) -> Bench:
    bench = make(mode=Mode.APPROVE)
    bench.fire()
    bench.run(60)
    return bench


def story(bench: Bench) -> list[str]:
    with bench.journal.read() as tx:
        return [entry.sentence for entry in records.view(tx, incidents.get(tx, 1)).timeline]


def test_it_silences_what_the_alerts_share_and_no_more(bench: Bench) -> None:
    silencing(bench).silence(1, by="ada", reason="I look")
    ((made, by),) = bench.alertmanager.made
    assert by == "ada"
    assert ("alertname", "MachineDown", False, True) in made.matchers
    assert ("cluster", "lab", False, True) in made.matchers
    assert ("name", "one", False, True) in made.matchers
    assert made.ends_at - made.starts_at == timedelta(hours=1)
    assert made.starts_at >= START
    assert "Airwarden incident 1: " in made.comment
    said = "\n".join(story(bench))
    assert "ada silences its alerts for 1h, until" in said
    assert "They are silenced: silence-1." in said


def test_what_alertmanager_does_not_take_is_told_and_in_the_audit(bench: Bench) -> None:
    bench.alertmanager.down = True
    with pytest.raises(UnavailableError):
        silencing(bench).silence(1, by="ada", reason="")
    assert "Alertmanager did not take the silence" in story(bench)[-1]
    assert any("ada silences its alerts" in line for line in story(bench))


def test_what_cannot_be_silenced_is_refused(bench: Bench) -> None:
    quiet = silencing(bench)
    with pytest.raises(NotFoundError):
        quiet.silence(7, by="ada", reason="")
    for lasts in (timedelta(0), timedelta(hours=25)):
        with pytest.raises(WrongInputError, match="between 1m and 24h"):
            quiet.silence(1, by="ada", reason="", lasts=lasts)
    with pytest.raises(ConflictError, match="no Alertmanager"):
        silencing(bench, alertmanager=lambda: None).silence(1, by="ada", reason="")
    assert bench.alertmanager.made == []


@pytest.mark.parametrize(("role", "made"), [(Role.VIEWER, 0), (Role.OPERATOR, 1)])
def test_the_button_takes_the_role_of_an_operator(bench: Bench, role: Role, made: int) -> None:
    people = Operators(by_chat={"U1": Operator("ada", role=role)})
    orders = ChatOrders(Operations(bench.parts, lambda: None), silencing(bench), lambda: people)
    whisper = orders.follow(
        {
            "type": "block_actions",
            "user": {"id": "U1"},
            "channel": {"id": "C1"},
            "actions": [{"action_id": Button.SILENCE.value, "value": "1"}],
        }
    )
    assert len(bench.alertmanager.made) == made
    assert (whisper is None) is bool(made)
    if whisper is not None:
        assert "may only look" in whisper.text
