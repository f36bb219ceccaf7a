"""Reading deliveries: whatever comes, it is a delivery or a refusal that names the field."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airwarden.core.alerts import AlertStatus
from airwarden.core.errors import UnavailableError, WrongInputError
from airwarden.remediation import intake
from airwarden.remediation.api import intake_gate
from airwarden.remediation.api.intake_gate import IntakeGate, TooLargeError
from airwarden.remediation.journal import inbox
from airwarden.remediation.journal.inbox import Backlog, Delivery, InboxWriter
from airwarden.remediation.journal.store import open_journal
from support.engine import START, VirtualClock, alert, webhook


def payload(**changes: Any) -> dict[str, Any]:
    """A webhook as Alertmanager 0.25 posts it."""
    one = {
        "status": "firing",
        "labels": {"alertname": "ToyHigh", "cluster": "lab", "severity": "critical"},
        "annotations": {"summary": "it is high"},
        "startsAt": "2026-11-22T09:57:27.122987654Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus.example:9090/graph",
        "fingerprint": "2c9cea8813e6cca1",
    }
    return {
        "receiver": "all",
        "status": "firing",
        "alerts": [{**one, **changes}],
        "groupLabels": {"alertname": "ToyHigh"},
        "version": "4",
        "groupKey": "{}",
        "truncatedAlerts": 0,
    }


def read(body: dict[str, Any]) -> intake.Parsed:
    return intake.parse_webhook(json.dumps(body).encode())


def test_a_real_firing_webhook_is_read() -> None:
    (one,) = read(payload()).alerts
    assert one.name == "ToyHigh"
    assert one.status is AlertStatus.FIRING
    assert one.starts_at == datetime(2026, 11, 22, 9, 57, 27, 122000, UTC)
    assert one.ends_at is None


def test_a_real_resolved_webhook_is_read() -> None:
    body = payload(status="resolved", endsAt="2026-11-22T10:01:27.122Z")
    (one,) = read(body).alerts
    assert one.status is AlertStatus.RESOLVED
    assert one.ends_at == datetime(2026, 11, 22, 10, 1, 27, 122000, UTC)


def test_webhook_and_poll_give_the_same_event() -> None:
    """The API cuts to milliseconds what the webhook carries in nanoseconds."""
    precise = payload(startsAt="2026-11-22T09:57:27.122987654Z")
    coarse = payload(startsAt="2026-11-22T09:57:27.122Z")
    keys = {read(body).alerts[0].event_key("a") for body in (precise, coarse)}
    assert len(keys) == 1


def test_what_a_poll_found_is_read_back_as_it_was() -> None:
    ended = alert("Other", status=AlertStatus.RESOLVED, ends=START + timedelta(minutes=1))
    found = intake.parse(intake.poll_delivery([alert(), ended], START).body)
    assert found.polled
    assert [one.event_key("a") for one in found.alerts] == [
        alert().event_key("a"),
        ended.event_key("a"),
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.sampled_from([*payload(), *payload()["alerts"][0]]), JSON)
def test_a_mutated_payload_is_read_or_refused_by_its_field(key: str, value: Any) -> None:
    body = payload()
    place = body if key in body and key != "status" else body["alerts"][0]
    place[key] = value
    refused = ""
    try:
        taken = len(read(body).alerts)
    except WrongInputError as error:
        taken, refused = 0, str(error)
    assert taken <= 3
    assert not refused or refused.startswith("webhook: ")


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with pytest.raises(WrongInputError):
        intake.parse_webhook(body)


def test_a_refusal_repeats_no_value() -> None:
    body = payload(startsAt="hunter2")
    with pytest.raises(WrongInputError) as caught:
        read(body)
    assert "alerts.0.startsAt" in str(caught.value)
    assert "hunter2" not in str(caught.value)


class Gate:
    """A gate on a journal in a file, and what it asked for."""

    def __init__(self, folder: Path) -> None:
        self.backlog = Backlog()
        self.polls = 0
        self.wakes = 0
        self.truncated: list[int] = []
        self.journal = open_journal(f"sqlite:///{folder / 'journal.db'}", VirtualClock())
        self.writer = InboxWriter(self.journal)
        self.gate = IntakeGate(
            self.writer, lambda: self.backlog, self._poll, self._wake, self.truncated.append
        )

    def _poll(self) -> None:
        self.polls += 1

    def _wake(self) -> None:
        self.wakes += 1

    def take(self, *bodies: bytes) -> list[Any]:
        """Deliver bodies at once; returns for each what was answered, or its refusal."""

        async def all_at_once() -> list[Any]:
            takes = [self.gate.take(_stream(body, 1), len(body)) for body in bodies]
            return await asyncio.gather(*takes, return_exceptions=True)

        return asyncio.run(all_at_once())

    def stored(self) -> Backlog:
        with self.journal.read() as tx:
            return inbox.backlog(tx)


@pytest.fixture
def gate(memory_path: Path) -> Any:
    made = Gate(memory_path)
    yield made
    made.journal.close()


def test_an_overloaded_gate_asks_to_come_back_and_polls(gate: Gate) -> None:
    gate.backlog = Backlog(deliveries=3, alerts=intake_gate.MAX_PENDING + 1)
    (refused,) = gate.take(webhook(alert()))
    assert isinstance(refused, UnavailableError)
    assert (gate.polls, gate.stored().deliveries) == (1, 0)


def test_what_came_since_the_last_look_counts_as_waiting(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_gate, "MAX_PENDING", 3)
    bodies = [webhook(alert(name=f"{n}")) for n in range(6)]
    refused = [isinstance(gate.take(body)[0], UnavailableError) for body in bodies]
    assert refused == [False] * 4 + [True] * 2
    gate.backlog = Backlog()  # worked off meanwhile
    assert gate.take(bodies[-1])[0]["new"] is True


def test_a_truncated_delivery_is_taken_counted_and_polled_for(gate: Gate) -> None:
    (taken,) = gate.take(webhook(alert(), truncated=14_950))
    assert taken == {"alerts": 1, "new": True, "truncated": 14_950}
    assert (gate.polls, gate.wakes, gate.truncated) == (1, 1, [14_950])


def test_a_malformed_delivery_is_refused_and_polled_for(gate: Gate) -> None:
    (refused,) = gate.take(b"{}")
    assert isinstance(refused, WrongInputError)
    assert (gate.polls, gate.stored().deliveries) == (1, 0)


def test_a_journal_that_is_gone_refuses_with_try_again(gate: Gate) -> None:
    file = gate.journal.file
    assert file is not None
    gate.journal.close()
    for one in file.parent.glob("journal.db*"):
        one.unlink()
    file.mkdir()
    (refused,) = gate.take(webhook(alert()))
    assert isinstance(refused, UnavailableError)
    assert (gate.polls, gate.wakes) == (1, 0)


def test_deliveries_that_come_together_are_flushed_together(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits: list[int] = []
    put_all = gate.writer.put_all

    def counted(deliveries: Sequence[Delivery]) -> list[bool]:
        commits.append(len(deliveries))
        return put_all(deliveries)

    monkeypatch.setattr(gate.writer, "put_all", counted)
    answers = gate.take(*(webhook(alert(name=f"{n % 50}")) for n in range(100)))
    assert sum(answer["new"] for answer in answers) == 50
    assert len(commits) <= 3
    assert gate.stored().alerts == 50


def _stream(chunk: bytes, times: int) -> AsyncIterator[bytes]:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(times):
            yield chunk

    return chunks()


def test_a_body_is_read_no_further_than_its_bound(gate: Gate) -> None:
    megabyte = b"x" * (1 << 20)
    with pytest.raises(WrongInputError):  # read as a whole, and found to be no delivery
        asyncio.run(gate.gate.take(_stream(megabyte, 3), None))
    with pytest.raises(TooLargeError):
        asyncio.run(gate.gate.take(_stream(megabyte, 64), None))
    with pytest.raises(TooLargeError):
        asyncio.run(gate.gate.take(_stream(megabyte, 0), 65 << 20))
    assert gate.polls == 3


def test_bodies_are_bounded_together_until_they_are_stored(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = webhook(alert(name="x" * 2000))
    monkeypatch.setattr(intake_gate, "MAX_BUFFERED", 2 * len(body) + 10)
    answers = gate.take(body, body, body)
    assert [isinstance(one, UnavailableError) for one in answers] == [False, False, True]
    # What was stored or refused holds nothing any more.
    assert isinstance(gate.take(body, body)[1], dict)
