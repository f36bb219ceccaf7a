"""A remediation engine on a real SQLite journal, with one breakable process and time that tests own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

from sqlalchemy import bindparam, func, select, union_all

from airwarden.core.alerts import Alert, AlertStatus
from airwarden.core.platform import PagerEvent
from airwarden.core.time_intervals import TellingHours
from airwarden.remediation import intake
from airwarden.remediation.actions.base import (
    Action,
    Danger,
)
from airwarden.remediation.calls import InlineCalls
from airwarden.remediation.case import Parts
from airwarden.remediation.decide.calendar import Window
from airwarden.remediation.decide.correlate import LoadedPlaybook, PlaybookSet
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.states import IncidentState, Mode
from airwarden.remediation.engine import Engine
from airwarden.remediation.journal import audit, incidents, tables
from airwarden.remediation.journal import runs as journal_runs
from airwarden.remediation.journal.inbox import InboxWriter
from airwarden.remediation.journal.outbox import Channel
from airwarden.remediation.journal.runs import Attempt, Run
from airwarden.remediation.journal.store import Journal, open_journal
from airwarden.remediation.leadership import Leadership
from airwarden.remediation.outbox import Sender, chat_delivery, chat_opens, pager_delivery
from airwarden.remediation.playbook import Playbook
from airwarden.remediation.poll import Poller
from airwarden.remediation.telemetry import Telemetry
from airwarden.remediation.triage import Triage
from airwarden.remediation.work import InlineCrew
from airwarden.remediation.world import World
from support.deliveries import alert, webhook
from support.fakes import (
    START,
    Ask,
    FakeAction,
    FakeAlertmanager,
    Hold,
    Machine,
    Recorder,
    Restart,
    VirtualClock,
    compose_chat,
    compose_page,
    playbook,
)
from support.journals import up_to_date

#: The bench, and what a test that uses it needs beside it.
__all__ = [
    "START",
    "Ask",
    "Bench",
    "FakeAction",
    "FakeAlertmanager",
    "Hold",
    "Machine",
    "Make",
    "Recorder",
    "Restart",
    "VirtualClock",
    "alert",
    "compose_chat",
    "compose_page",
    "playbook",
    "webhook",
]


_DUE = (
    (tables.inbox.c.next_at, tables.inbox.c.state == "new"),
    (tables.run.c.next_at, tables.run.c.ended_at.is_(None)),
    (tables.incident.c.next_at, tables.incident.c.ended_at.is_(None)),
    (tables.incident.c.page_at, tables.incident.c.paged_at.is_(None)),
    (tables.outbox.c.next_at, tables.outbox.c.state == "new"),
)
# What was due and is still there waits for something else, not for the clock. Made once: every turn asks.
_NEXT = union_all(
    *(
        select(func.min(one)).where(where, one > bindparam("now", type_=one.type))
        for one, where in _DUE
    )
)


class Bench:
    """The engine with everything around it; `Bench.run(seconds)` lets virtual time pass."""

    def __init__(
        self,
        url: str,
        *,
        books: Sequence[Playbook] = (),
        mode: Mode = Mode.AUTO,
        rails: Rails | None = None,
        danger: Danger = Danger.B,
        clusters: Sequence[str] = ("lab",),
        kill_switch_file: Path | None = None,
        clock: VirtualClock | None = None,
        more_actions: Sequence[Action] = (),
        windows: Sequence[Window] = (),
    ) -> None:
        self.url = url
        self.clock = clock or VirtualClock()
        self.machine = Machine()
        self.hold = Hold()
        self.restart = Restart(self.machine, danger)
        self.alertmanager = FakeAlertmanager()
        self.recorder = Recorder()
        self.journal: Journal = open_journal(up_to_date(url), self.clock, database_time=False)
        self.playbooks = PlaybookSet(
            {
                book.name: LoadedPlaybook(book, mode, rails or Rails())
                for book in books or [playbook()]
            },
            rails or Rails(),
        )
        self.worlds = {name: World(name, self.clock) for name in clusters}
        self.leadership = Leadership(self.journal, self.clock)
        self.writer = InboxWriter(self.journal)
        calls = InlineCalls()
        self.poller = Poller(self.journal, self.alertmanager, self.writer, calls)
        #: When people want to hear of warnings.
        self.hours = TellingHours()
        self.telemetry = Telemetry(lambda: self.worlds, lambda: self.leadership.leads)
        every: tuple[Action, ...] = (self.restart, self.hold, *more_actions)
        actions = {one.name: one for one in every}
        names = {"sick": "sick", "well": "well", "flag": "flag"}
        self.parts = Parts(
            journal=self.journal,
            leadership=self.leadership,
            worlds=lambda: self.worlds,
            playbooks=lambda: self.playbooks,
            actions=actions,
            checks={name: Ask(name, self.machine, question) for name, question in names.items()},
            calls=calls,
            telemetry=self.telemetry,
            poller=self.poller,
            random=Random(7),
            kill_switch_file=kill_switch_file,
            windows=lambda: windows,
        )
        triage = Triage(
            self.journal, lambda: self.playbooks, lambda: self.worlds, actions, self.telemetry
        )
        self.engine = Engine(self.parts, triage, InlineCrew(self.clock), self.clock)
        self.senders = [
            Sender(self.journal, Channel.PAGER, pager_delivery(self.recorder, compose_page), calls),
            Sender(
                self.journal,
                Channel.CHAT,
                chat_delivery(self.recorder, compose_chat),
                calls,
                opens=chat_opens(lambda _team: self.hours),
            ),
        ]

    def close(self) -> None:
        """Stop leading and close the journal."""
        self.leadership.stop()
        self.journal.close()

    def set_mode(self, mode: Mode) -> None:
        """Change the mode of every playbook, as a reload would."""
        self.playbooks = PlaybookSet(
            {name: replace(loaded, mode=mode) for name, loaded in self.playbooks.by_name.items()},
            self.playbooks.rails,
        )

    def deliver(self, *alerts: Alert) -> None:
        """A webhook arrives."""
        body = webhook(*alerts)
        self.writer.put(intake.delivery(body, len(alerts)))

    def fire(self, *, name: str = "one", severity: str = "critical") -> Alert:
        """The machine breaks; its alert is shown and delivered."""
        self.machine.healthy = False
        one = alert(starts=self.clock.now(), name=name, severity=severity)
        self.alertmanager.shown.append(one)
        self.deliver(one)
        return one

    def clear(self, one: Alert) -> None:
        """The alert is over; the resolved webhook is delivered."""
        self.alertmanager.shown = [
            a for a in self.alertmanager.shown if a.fingerprint != one.fingerprint
        ]
        self.deliver(replace(one, status=AlertStatus.RESOLVED, ends_at=self.clock.now()))

    def turn(self) -> None:
        """One turn of every loop."""
        if self.leadership.remaining() <= 5:
            self.leadership.step()
        self.engine.tick()
        fence = self.leadership.fence
        for sender in self.senders:
            sender.step(fence)

    def run(self, seconds: float, *, poll_every: float = 15.0) -> None:
        """Let time pass, turning when something is due, and polling now and then."""
        next_poll = self.clock.elapsed()
        end = self.clock.elapsed() + seconds
        while self.clock.elapsed() < end:
            self.turn()
            if self.clock.elapsed() >= next_poll and not self.alertmanager.down:
                self.poller.poll(self.leadership.fence)
                next_poll += poll_every
                self.turn()
            now = self.clock.elapsed()
            until = max(min(self._next_due(), max(next_poll, now + 1), end), now + 1)
            self.clock.advance(until - now)
        self.turn()

    def _next_due(self) -> float:
        """When the journal says that something is to be done next, in elapsed seconds."""
        with self.journal.read() as tx:
            found = tx.connection.execute(_NEXT, {"now": tx.now}).scalars()
            moments = [moment for moment in found if moment is not None]
        begin = START + self.clock.offset
        return min(((m - begin).total_seconds() for m in moments), default=1e12)

    @property
    def incident(self) -> incidents.Incident:
        """The newest incident."""
        with self.journal.read() as tx:
            return incidents.search(tx)[0]

    def state(self) -> IncidentState:
        """The newest incident's state."""
        return self.incident.state

    def incidents(self) -> list[incidents.Incident]:
        with self.journal.read() as tx:
            return incidents.search(tx)

    def runs(self) -> list[Run]:
        with self.journal.read() as tx:
            return journal_runs.of_incident(tx, self.incident.id)

    def attempts(self) -> list[Attempt]:
        with self.journal.read() as tx:
            return journal_runs.attempts_of_incident(tx, self.incident.id)

    def story(self) -> list[str]:
        with self.journal.read() as tx:
            return [entry.sentence for entry in audit.entries(tx)]

    def paged(self, action: str = "trigger") -> list[PagerEvent]:
        return [event for event in self.recorder.events if event.action == action]


#: Makes a bench from its options; the fixture `make` closes them all.
Make = Callable[..., Bench]
