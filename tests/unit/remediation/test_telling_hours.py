"""Warnings at night: who wants to hear of them in the morning does, and only of what is still there."""

from __future__ import annotations

import pytest

from airwarden.core.errors import UnavailableError
from airwarden.core.time_intervals import TellingHours, WeeklyTime
from airwarden.remediation.calls import InlineCalls
from airwarden.remediation.decide.states import IncidentState, Mode, RunState
from airwarden.remediation.decide.view import IncidentView
from airwarden.remediation.journal import outbox
from airwarden.remediation.journal.outbox import Channel, Notice
from airwarden.remediation.outbox import Sender, chat_opens
from support.engine import START, Bench, Make

pytestmark = pytest.mark.thorough

#: The bench begins in the middle of it, and it is over five minutes later.
_NOON = START.hour * 60 + START.minute
ASLEEP = TellingHours(mute=(WeeklyTime(tuple(range(7)), 0, _NOON + 5),))


def night(make: Make, **options: object) -> Bench:
    bench = make(mode=Mode.SHADOW, **options)
    bench.hours = ASLEEP
    return bench


def test_a_warning_that_is_still_there_is_told_when_the_hours_begin(make: Make) -> None:
    bench = night(make)
    bench.fire(severity="warning")
    bench.run(270)
    assert bench.recorder.messages == []
    with bench.journal.read() as tx:
        assert outbox.waiting(tx)["chat"] == (1, 0.0), "what waits for the morning is not late"
    bench.run(60)
    assert len(bench.recorder.messages) == 1
    assert "The machine is sick" in bench.recorder.messages[0].text


def test_a_warning_that_is_over_by_then_is_not(make: Make) -> None:
    bench = night(make)
    one = bench.fire(severity="warning")
    bench.run(60)
    bench.machine.healthy = True
    bench.clear(one)
    bench.run(300)
    assert bench.state() is IncidentState.RESOLVED
    assert bench.recorder.messages == []
    with bench.journal.read() as tx:
        assert outbox.waiting(tx)["chat"] == (0, 0.0)


def test_what_was_told_before_is_updated_at_any_hour(make: Make) -> None:
    bench = make(mode=Mode.SHADOW)
    one = bench.fire(severity="warning")
    bench.run(60)
    assert len(bench.recorder.messages) == 1
    bench.hours = ASLEEP
    bench.machine.healthy = True
    bench.clear(one)
    bench.run(180)
    assert bench.state() is IncidentState.RESOLVED
    assert "RESOLVED" in bench.recorder.updates[-1][1].text


def test_a_critical_one_is_told_at_once(make: Make) -> None:
    bench = night(make)
    bench.fire()
    bench.run(60)
    assert len(bench.recorder.messages) == 1


def test_what_waits_for_a_yes_is_told_at_once(make: Make) -> None:
    bench = make(mode=Mode.APPROVE)
    bench.hours = ASLEEP
    bench.fire(severity="warning")
    bench.run(60)
    assert [run.state for run in bench.runs()] == [RunState.WAIT_APPROVAL]
    assert len(bench.recorder.messages) == 1


def test_what_fails_in_the_morning_is_tried_again(make: Make) -> None:
    bench = night(make)
    bench.fire(severity="warning")
    bench.run(270)
    chat = Flaky()
    bench.senders[1] = Sender(
        bench.journal,
        Channel.CHAT,
        chat.deliver,
        InlineCalls(),
        opens=chat_opens(lambda _team: bench.hours),
    )
    bench.run(90)
    assert (chat.refused, chat.told) == (3, 1)


class Flaky:
    """A chat that refuses three times."""

    def __init__(self) -> None:
        self.refused = self.told = 0

    def deliver(self, _notice: Notice, _view: IncidentView, _reference: str) -> str:
        if self.refused < 3:
            self.refused += 1
            raise UnavailableError("not now")
        self.told += 1
        return "ts-1"
