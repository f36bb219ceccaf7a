"""A remediation engine on a real SQLite journal, with one breakable process and time that tests own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import func, select, union_all

from airwarden.core.alerts import Alert, AlertStatus
from airwarden.core.errors import UnavailableError
from airwarden.core.platform import ChatMessage, PagerEvent, Silence
from airwarden.core.time_intervals import TellingHours
from airwarden.remediation import intake
from airwarden.remediation.actions.base import (
    Action,
    Danger,
    Effect,
    Nothing,
    Plan,
    ReadBack,
    Refused,
)
from airwarden.remediation.calls import InlineCalls
from airwarden.remediation.case import Parts
from airwarden.remediation.checks.base import Reading, Verdict
from airwarden.remediation.decide.calendar import Window
from airwarden.remediation.decide.correlate import LoadedPlaybook, PlaybookSet
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.states import IncidentState, Mode
from airwarden.remediation.decide.view import IncidentView
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
from airwarden.remediation.world import Json, Subject, World
from support.journals import up_to_date

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class VirtualClock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self._elapsed = 0.0
        self.offset = timedelta(0)

    def now(self) -> datetime:
        return START + timedelta(seconds=self._elapsed) + self.offset

    def elapsed(self) -> float:
        return self._elapsed

    def wait(self, seconds: float) -> bool:
        self.advance(seconds)
        return False

    def advance(self, seconds: float) -> None:
        self._elapsed += seconds


@dataclass
class Machine:
    """What can be sick: a process with a generation, healed by a restart unless told otherwise."""

    healthy: bool = True
    generation: int = 1
    restarts: int = 0
    heals: bool = True
    unreadable: bool = False
    refuse: str = ""
    errors: list[Exception] = field(default_factory=list)
    lose_reply: bool = False
    extra: dict[str, Any] = field(default_factory=dict)


class FakeAction:
    """What the actions of tests have in common: nothing needed, decidable, without a way back."""

    needs = frozenset[str]()
    deadline = 5.0
    decidable = True
    undecidable: tuple[str, ...] = ()
    danger = Danger.B

    def undo(self, world: World, effect: Effect) -> Plan | Nothing | Refused:
        return Nothing("it has no way back")


class Restart(FakeAction):
    """Restarts the machine."""

    name = "machine.restart"

    def __init__(self, machine: Machine, danger: Danger = Danger.B) -> None:
        self.machine = machine
        self.danger = danger

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        if self.machine.unreadable:
            raise UnavailableError("the host does not answer")
        if self.machine.refuse:
            return Refused(self.machine.refuse, cause="something else")
        if self.machine.healthy:
            return Nothing("it is healthy")
        target = f"{world.cluster}/machine/{parameters.get('name', 'one')}"
        generation = str(self.machine.generation)
        return Plan(
            (
                Effect(
                    self.name,
                    target,
                    {"state": "restarted"},
                    {"generation": self.machine.generation},
                    f"restart {target}",
                    generation=generation,
                ),
            )
        )

    def apply(self, world: World, effect: Effect) -> Json:
        if self.machine.errors:
            raise self.machine.errors.pop(0)
        self.machine.restarts += 1
        self.machine.generation += 1
        self.machine.healthy = self.machine.heals
        if self.machine.lose_reply:
            raise UnavailableError("the reply was lost")
        return {"generation": self.machine.generation}

    def read_back(self, world: World, effect: Effect) -> ReadBack:
        if self.machine.unreadable:
            raise UnavailableError("the host does not answer")
        changed = str(self.machine.generation) != effect.generation
        return ReadBack.DONE if changed else ReadBack.NOT_DONE


class Hold(FakeAction):
    """Sets a number and can set it back: for waits and undos."""

    name = "number.hold"

    def __init__(self) -> None:
        self.value = 10

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        wanted = int(parameters["value"])
        if self.value == wanted:
            return Nothing("it is held already")
        return Plan((self._effect(world, wanted),))

    def _effect(self, world: World, wanted: int) -> Effect:
        return Effect(
            self.name,
            f"{world.cluster}/number/n",
            {"value": wanted},
            {"value": self.value},
            f"number {self.value} → {wanted}",
        )

    def apply(self, world: World, effect: Effect) -> Json:
        self.value = int(effect.parameters["value"])
        return {"value": self.value}

    def read_back(self, world: World, effect: Effect) -> ReadBack:
        done = self.value == effect.parameters["value"]
        return ReadBack.DONE if done else ReadBack.NOT_DONE

    def undo(self, world: World, effect: Effect) -> Plan | Nothing | Refused:
        if self.value != effect.parameters["value"]:
            return Nothing("somebody changed it since")
        return Plan((self._effect(world, int(effect.before["value"])),))


class Ask:
    """A check whose answer is a function of the machine."""

    needs = frozenset[str]()

    def __init__(self, name: str, machine: Machine, question: str) -> None:
        self.name = name
        self._machine = machine
        self._question = question

    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        if self._machine.unreadable:
            return Reading(Verdict.UNKNOWN, "the host does not answer")
        if self._question == "sick":
            holds = not self._machine.healthy
        elif self._question == "well":
            holds = self._machine.healthy
        else:
            holds = bool(self._machine.extra.get(self._question))
        return Reading(Verdict(str(holds).lower()), f"{self.name} is {holds}")


class FakeAlertmanager:
    """What Alertmanager shows; unreachable while `down`."""

    def __init__(self) -> None:
        self.shown: list[Alert] = []
        self.down = False
        self.made: list[tuple[Silence, str]] = []

    def add_silence(self, silence: Silence, *, by: str) -> str:
        if self.down:
            raise UnavailableError("alertmanager: connection refused")
        self.made.append((silence, by))
        return f"silence-{len(self.made)}"

    def alerts(self) -> Sequence[Alert]:
        if self.down:
            raise UnavailableError("alertmanager: connection refused")
        return list(self.shown)

    def silences(self) -> Sequence[Silence]:
        return []


class Recorder:
    """Both a pager and a chat that remember."""

    def __init__(self) -> None:
        self.events: list[PagerEvent] = []
        self.messages: list[ChatMessage] = []
        self.updates: list[tuple[str, ChatMessage]] = []
        self.replies: list[tuple[str, str]] = []
        self.failures: list[Exception] = []

    def send(self, event: PagerEvent) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.events.append(event)

    def post(self, message: ChatMessage) -> str:
        self.messages.append(message)
        return f"ts-{len(self.messages)}"

    def update(self, reference: str, message: ChatMessage) -> None:
        self.updates.append((reference, message))

    def reply(self, reference: str, text: str) -> None:
        self.replies.append((reference, text))


def compose_chat(view: IncidentView) -> ChatMessage:
    return ChatMessage("#ops", f"{view.title}: {view.state}: {view.reason}")


def compose_page(view: IncidentView, action: str) -> PagerEvent:
    return PagerEvent(action, view.dedup_key, "k" * 32, summary=f"{view.title}: {view.reason}")


def playbook(**changes: Any) -> Playbook:
    """A playbook that restarts the machine; keywords replace its keys."""
    body: dict[str, Any] = {
        "name": "machine-restart",
        "title": "The machine is sick",
        "description": "For tests.",
        "alerts": [{"alertname": "MachineDown"}],
        "correlate": ["name"],
        "confirm": {"check": "sick", "times": 2, "every": "10s"},
        "steps": [{"id": "restart", "action": "machine.restart"}],
        "verify": {"check": "well", "within": "60s", "stable": "20s"},
        "page": {"when": "unhealed", "after": "5m"},
        "attempts": 2,
    }
    return Playbook.model_validate({**body, **changes})


def alert(
    alertname: str = "MachineDown",
    *,
    name: str = "one",
    cluster: str = "lab",
    status: AlertStatus = AlertStatus.FIRING,
    starts: datetime = START,
    ends: datetime | None = None,
    severity: str = "critical",
) -> Alert:
    """An alert; its fingerprint follows from its labels."""
    full = {"alertname": alertname, "severity": severity, "cluster": cluster, "name": name}
    text = json.dumps(full, sort_keys=True)
    return Alert(
        fingerprint=intake.delivery(text.encode(), 1).digest[:16],
        status=status,
        starts_at=starts,
        labels=full,
        annotations={"summary": f"{alertname} fires"},
        ends_at=ends,
    )


def webhook(*alerts: Alert, truncated: int = 0) -> bytes:
    """The body that Alertmanager would post."""
    return json.dumps(
        {
            "version": "4",
            "status": "firing",
            "receiver": "airwarden",
            "truncatedAlerts": truncated,
            "alerts": [
                {
                    "status": one.status,
                    "labels": dict(one.labels),
                    "annotations": dict(one.annotations),
                    "startsAt": one.starts_at.isoformat(),
                    "endsAt": one.ends_at.isoformat() if one.ends_at else "0001-01-01T00:00:00Z",
                    "fingerprint": one.fingerprint,
                }
                for one in alerts
            ],
        }
    ).encode()


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
        due = [
            (tables.inbox.c.next_at, tables.inbox.c.state == "new"),
            (tables.run.c.next_at, tables.run.c.ended_at.is_(None)),
            (tables.incident.c.next_at, tables.incident.c.ended_at.is_(None)),
            (tables.incident.c.page_at, tables.incident.c.paged_at.is_(None)),
            (tables.outbox.c.next_at, tables.outbox.c.state == "new"),
        ]
        with self.journal.read() as tx:
            # What was due and is still there waits for something else, not for the clock.
            query = union_all(
                *(select(func.min(one)).where(where, one > tx.now) for one, where in due)
            )
            moments = [m for m in tx.connection.execute(query).scalars() if m is not None]
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
