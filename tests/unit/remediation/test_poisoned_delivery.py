"""A delivery that cannot be worked off holds nothing else up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airwarden.core.alerts import Alert
from airwarden.core.errors import WrongInputError
from airwarden.remediation import intake
from airwarden.remediation.decide.correlate import Place, PlaybookSet, place
from airwarden.remediation.decide.states import IncidentState
from support.engine import Bench, alert, webhook

pytestmark = pytest.mark.thorough


@pytest.fixture
def bench(memory_path: Path) -> Iterator[Bench]:
    made = Bench(f"sqlite:///{memory_path / 'journal.db'}")
    yield made
    made.close()


def test_what_cannot_be_worked_off_is_set_aside_and_the_rest_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(one: Alert, playbooks: PlaybookSet) -> Place:
        if one.labels["name"] == "poison":
            raise KeyError("a fault of ours")
        return place(one, playbooks)

    monkeypatch.setattr("airwarden.remediation.triage.place", stumble)
    bench.deliver(alert(name="poison"))
    bench.fire()
    bench.run(120)
    assert bench.machine.restarts == 1
    assert bench.state() is IncidentState.RESOLVED


def test_no_alert_holds_a_character_that_the_journal_cannot_keep() -> None:
    one = alert(name="a\0b")
    (read,) = intake.parse_webhook(webhook(one)).alerts
    assert read.labels["name"] == "ab"


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
def test_a_time_out_of_range_is_refused(at: str) -> None:
    body = webhook(alert()).replace(alert().starts_at.isoformat().encode(), at.encode())
    with pytest.raises(WrongInputError, match="startsAt"):
        intake.parse_webhook(body)
