"""A small platform, two remediators on one journal, and everything that can go wrong between them.

Time is virtual. A remediator can die at any named point, lie frozen while the other takes over, lose its
journal before or after a commit, and be answered wrongly, late, or not at all. What an action does is
checked against the journal at the very moment at which it is done.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, TypeVar

from sqlalchemy import func, select

from airwarden.core.errors import (
    AirwardenError,
    ConflictError,
    RejectedError,
    UnavailableError,
    UnknownOutcomeError,
)
from airwarden.remediation.actions.base import (
    Action,
    Effect,
    Nothing,
    Plan,
    ReadBack,
    Refused,
)
from airwarden.remediation.calls import InlineCalls, OverdueError
from airwarden.remediation.checks.base import Reading, Verdict
from airwarden.remediation.decide.states import AttemptState, IncidentState
from airwarden.remediation.engine import Engine
from airwarden.remediation.journal import audit, lease, rails, tables
from airwarden.remediation.journal.outbox import Channel
from airwarden.remediation.journal.store import FencedError, Tx
from airwarden.remediation.modes import kill_reasons
from airwarden.remediation.outbox import Sender, chat_delivery, pager_delivery
from airwarden.remediation.poll import Poller
from airwarden.remediation.triage import Triage
from airwarden.remediation.work import InlineCrew
from airwarden.remediation.world import Json, Subject, World
from support.engine import (
    Bench,
    FakeAction,
    FakeAlertmanager,
    Recorder,
    VirtualClock,
    compose_chat,
    compose_page,
    playbook,
)

T = TypeVar("T")
CLUSTERS = ("east", "west")
NAMES = ("a", "b")

RESTART_BOOK = playbook(
    name="unit-restart",
    alerts=[{"alertname": "UnitDown"}],
    steps=[],
    remedies=[
        {"id": "gentle", "steps": [{"id": "restart", "action": "unit.restart"}]},
        {"id": "firm", "steps": [{"id": "again", "action": "unit.restart"}], "attempts": 1},
    ],
)
HOLD_BOOK = playbook(
    name="number-hold",
    alerts=[{"alertname": "NumberHot"}],
    confirm={"check": "hot", "times": 2, "every": "10s"},
    steps=[
        {"id": "hold", "action": "number.hold"},
        {"id": "cold", "wait": {"check": "cold"}, "within": "3m"},
        {"id": "release", "undo": "hold"},
    ],
    verify={"check": "cold", "within": "60s", "stable": "20s"},
    attempts=1,
)


class Died(BaseException):
    """The process is gone: nothing of it goes on, nothing is tidied up."""


@dataclass
class Unit:
    """Something that runs; restarting it changes its generation, and heals it unless stubborn."""

    healthy: bool = True
    stubborn: bool = False
    generation: int = 1


@dataclass
class Number:
    """Something with a setting, such as a pool."""

    value: int = 10
    hot: bool = False


@dataclass
class Platform:
    """What both remediators see and act on.

    Attributes:
        fault: What happens to the next effect.
        done: (target, generation or value) of every effect that happened.
        wrong: Sentences about what must never happen.
        late: Calls that were sent and have not arrived yet: when, key, and what they do.
    """

    clock: VirtualClock
    units: dict[tuple[str, str], Unit] = field(default_factory=dict)
    numbers: dict[tuple[str, str], Number] = field(default_factory=dict)
    unreadable: bool = False
    fault: str = ""
    done: list[tuple[str, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    late: list[tuple[float, Hashable, Callable[[], object]]] = field(default_factory=list)
    judge: Callable[[Effect], None] = lambda effect: None

    def arrive(self) -> None:
        """Let what was late arrive whose time has come."""
        now = self.clock.elapsed()
        due = [one for one in self.late if one[0] <= now]
        self.late = [one for one in self.late if one[0] > now]
        for _, _, call in due:
            with contextlib.suppress(AirwardenError):
                call()

    def effect(self, what: Effect, change: Callable[[], None]) -> Json:
        """Carry an effect out, or do to it what the fault says."""
        self.judge(what)
        fault, self.fault = self.fault, ""
        match fault:
            case "rejected":
                raise RejectedError("not allowed")
            case "conflict":
                raise ConflictError("somebody was faster")
            case "request lost":
                raise UnknownOutcomeError("request lost")
            case "limited":
                raise UnavailableError("come back later", retry_after=20)
            case "late":
                self.late.append((self.clock.elapsed() + 3, None, change))
                raise OverdueError("no answer within 5 s")
        change()
        if fault == "reply lost":
            raise UnknownOutcomeError("reply lost")
        if fault == "bug":
            raise KeyError("the reply has another form")
        return {}


class UnitRestart(FakeAction):
    """Restarts a unit; the unit itself refuses where it is another incarnation already."""

    name = "unit.restart"

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def _unit(self, world: World, name: str) -> Unit:
        if self._platform.unreadable:
            raise UnavailableError("the host does not answer")
        return self._platform.units[world.cluster, name]

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        name = subject.labels["name"]
        unit = self._unit(world, name)
        if unit.healthy:
            return Nothing("it is healthy")
        target = f"{world.cluster}/unit/{name}"
        before = {"generation": unit.generation}
        summary = f"restart {target}"
        return Plan(
            (Effect(self.name, target, {"name": name}, before, summary, str(unit.generation)),)
        )

    def apply(self, world: World, effect: Effect) -> Json:
        unit = self._platform.units[world.cluster, effect.parameters["name"]]

        def change() -> None:
            if str(unit.generation) != effect.generation:
                raise ConflictError("it is another incarnation")
            self._platform.done.append((effect.target, effect.generation))
            unit.generation += 1
            unit.healthy = not unit.stubborn

        return self._platform.effect(effect, change)

    def read_back(self, world: World, effect: Effect) -> ReadBack:
        unit = self._unit(world, effect.parameters["name"])
        same = str(unit.generation) == effect.generation
        return ReadBack.NOT_DONE if same else ReadBack.DONE


class NumberHold(FakeAction):
    """Holds a number at 1, absolutely, and gives it back only where it still is what was set."""

    name = "number.hold"

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def _number(self, world: World, name: str) -> Number:
        if self._platform.unreadable:
            raise UnavailableError("the API does not answer")
        return self._platform.numbers[world.cluster, name]

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        name = subject.labels["name"]
        number = self._number(world, name)
        return Plan((self._to(world, name, number.value, 1),)) if number.value > 1 else _HELD

    def _to(self, world: World, name: str, old: int, new: int) -> Effect:
        target = f"{world.cluster}/number/{name}"
        parameters, before = {"name": name, "value": new}, {"value": old}
        return Effect(self.name, target, parameters, before, f"{target} {old} → {new}")

    def apply(self, world: World, effect: Effect) -> Json:
        number = self._platform.numbers[world.cluster, effect.parameters["name"]]

        def change() -> None:
            if number.value not in (effect.before["value"], effect.parameters["value"]):
                raise ConflictError("somebody set it")
            number.value = effect.parameters["value"]
            self._platform.done.append((effect.target, str(number.value)))

        return self._platform.effect(effect, change)

    def read_back(self, world: World, effect: Effect) -> ReadBack:
        value = self._number(world, effect.parameters["name"]).value
        if value == effect.parameters["value"]:
            return ReadBack.DONE
        return ReadBack.NOT_DONE if value == effect.before["value"] else ReadBack.UNDECIDABLE

    def undo(self, world: World, effect: Effect) -> Plan | Nothing | Refused:
        name = effect.parameters["name"]
        number = self._number(world, name)
        if number.value != effect.parameters["value"]:
            return Nothing("it is another number")
        return Plan((self._to(world, name, number.value, effect.before["value"]),))


_HELD = Nothing("it is held already")


class Look:
    """A check on the unit or the number that the labels name."""

    needs = frozenset[str]()

    def __init__(self, name: str, platform: Platform) -> None:
        self.name = name
        self._platform = platform

    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        if self._platform.unreadable:
            return Reading(Verdict.UNKNOWN, "nothing answers")
        key = world.cluster, subject.labels["name"]
        answers = {
            "sick": not self._platform.units[key].healthy,
            "well": self._platform.units[key].healthy,
            "hot": self._platform.numbers[key].hot,
            "cold": not self._platform.numbers[key].hot,
        }
        return Reading(
            Verdict(str(answers[self.name]).lower()), f"{self.name}: {answers[self.name]}"
        )


class ChaosCalls(InlineCalls):
    """Knows which call is still on its way."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def run(self, call: Callable[[], T], *, deadline: float, key: Hashable = None) -> T:
        before = len(self._platform.late)
        try:
            return call()
        finally:
            self._platform.late[before:] = [
                (at, key, sent) for at, _, sent in self._platform.late[before:]
            ]

    def running(self, key: Hashable) -> bool:
        return any(one == key for _, one, _ in self._platform.late)


class ChaosBench(Bench):
    """One remediator of a pair; what it journals can fail before or after the commit."""

    def __init__(
        self, url: str, platform: Platform, recorder: Recorder, alerts: FakeAlertmanager
    ) -> None:
        super().__init__(
            url, books=[RESTART_BOOK, HOLD_BOOK], clusters=CLUSTERS, clock=platform.clock
        )
        self.recorder, self.alertmanager = recorder, alerts
        self.broken_journal = ""
        self._plain_write = self.journal.write
        setattr(self.journal, "write", self._write)  # noqa: B010 - an instance's own method
        calls = ChaosCalls(platform)
        both: tuple[Action, ...] = (UnitRestart(platform), NumberHold(platform))
        actions = {one.name: one for one in both}
        self.poller = Poller(self.journal, alerts, self.writer, calls)
        self.parts = replace(
            self.parts,
            actions=actions,
            checks={name: Look(name, platform) for name in ("sick", "well", "hot", "cold")},
            calls=calls,
            poller=self.poller,
            random=Random(3),
        )
        triage = Triage(
            self.journal, lambda: self.playbooks, lambda: self.worlds, actions, self.telemetry
        )
        self.engine = Engine(self.parts, triage, InlineCrew(self.clock), self.clock)
        page = pager_delivery(recorder, compose_page)
        chat = chat_delivery(recorder, compose_chat)
        self.senders = [
            Sender(self.journal, Channel.PAGER, page, calls),
            Sender(self.journal, Channel.CHAT, chat, calls),
        ]

    @contextmanager
    def _write(self, *, urgent: bool = False) -> Iterator[Tx]:
        trouble, self.broken_journal = self.broken_journal, ""
        if trouble == "before":
            raise UnavailableError("journal: connection refused")
        with self._plain_write(urgent=urgent) as tx:
            yield tx
        if trouble == "after":
            # The commit happened; its acknowledgement was lost with the connection.
            raise UnavailableError("journal: the connection was closed")

    def go(self) -> None:
        """One turn of every loop, whatever comes of it."""
        with contextlib.suppress(FencedError, UnavailableError):
            self.turn()

    def look_around(self) -> None:
        """Poll Alertmanager."""
        with contextlib.suppress(AirwardenError):
            self.poller.poll(self.leadership.fence)

    def drop(self) -> None:
        """Be gone as a killed process is: the kernel closes what it had open."""
        if self.leadership._file is not None:
            self.leadership._file.close()
        self.journal.close()


@contextmanager
def crash_points(hook: Callable[[str], None]) -> Iterator[None]:
    """Let `hook` be called at every named crash point of the remediator."""
    places = [
        module
        for name, module in list(sys.modules.items())
        if name.startswith("airwarden.remediation") and hasattr(module, "crash_at")
    ]
    originals = [(module, module.crash_at) for module in places]
    for module in places:
        setattr(module, "crash_at", hook)  # noqa: B010 - a module's own name
    try:
        yield
    finally:
        for module, original in originals:
            setattr(module, "crash_at", original)  # noqa: B010


def judged_effect(bench: ChaosBench, platform: Platform) -> Callable[[Effect], None]:
    """Return what holds an effect against the journal at the moment at which it is sent."""

    def judge(effect: Effect) -> None:
        with bench.journal.read() as tx:
            started = tx.connection.execute(
                select(tables.attempt.c.run_id, tables.attempt.c.fence_token).where(
                    tables.attempt.c.target == effect.target,
                    tables.attempt.c.state == AttemptState.STARTED,
                )
            ).all()
            held = lease.read(tx)
            holder = rails.lock_holder(tx, effect.target)
            cluster = effect.target.split("/", 1)[0]
            flying = tx.connection.execute(
                select(func.count()).where(
                    tables.attempt.c.cluster == cluster,
                    tables.attempt.c.state.in_(
                        (AttemptState.INTENT, AttemptState.STARTED, AttemptState.UNKNOWN)
                    ),
                )
            ).scalar_one()
            killed = kill_reasons(rails.switches(tx), cluster)
        platform.wrong += [
            f"{effect.summary}: {sentence}"
            for sentence, bad in (
                (f"{len(started)} started intents", len(started) != 1),
                (
                    "the intent is not of the current token",
                    bool(started) and (held is None or started[0].fence_token != held.token),
                ),
                ("no lock of its run", bool(started) and holder != started[0].run_id),
                (f"{flying} effects in flight in {cluster}", flying > 1),
                (f"the kill switch is pulled: {killed}", bool(killed)),
            )
            if bad
        ]

    return judge


def breaches(bench: ChaosBench, platform: Platform) -> list[str]:
    """Return what is wrong now, whatever happened before (the invariants that always hold)."""
    wrong = list(platform.wrong)
    twice = [one for one, n in Counter(platform.done).items() if n > 1 and "/unit/" in one[0]]
    wrong += [
        f"{target} generation {generation} was restarted twice" for target, generation in twice
    ]
    with bench.journal.read() as tx:
        c = tables.attempt.c
        live = tx.connection.execute(
            select(c.target, func.count())
            .where(c.state.in_((AttemptState.INTENT, AttemptState.STARTED, AttemptState.UNKNOWN)))
            .group_by(c.target)
            .having(func.count() > 1)
        ).all()
        wrong += [f"{n} live attempts on {target}" for target, n in live]
        over = tx.connection.execute(
            select(tables.budget.c.scope).where(tables.budget.c.used > tables.budget.c.lim)
        ).scalars()
        wrong += [f"budget {scope} is overdrawn" for scope in over]
    return wrong


def unfinished(bench: ChaosBench, platform: Platform) -> list[str]:
    """Return what does not stand as it must when all has come to rest."""
    wrong: list[str] = []
    with bench.journal.read() as tx:
        wrong += [f"audit: {sentence}" for sentence in audit.broken_links(tx)]
        states = tx.connection.execute(
            select(tables.attempt.c.summary, tables.attempt.c.state)
        ).all()
        wrong += [
            f"{summary} is still {state}"
            for summary, state in states
            if not AttemptState(state).settled
        ]
        c = tables.attempt.c
        owned = {
            (target, json.loads(request)["generation"])
            for target, request in tx.connection.execute(
                select(c.target, c.request_json).where(
                    c.state.in_((AttemptState.CONFIRMED, AttemptState.UNDECIDABLE))
                )
            )
        }
    wrong += [
        f"{target} generation {generation} was restarted, and no attempt owns to it"
        for target, generation in platform.done
        if "/unit/" in target and (target, generation) not in owned
    ]
    for one in bench.incidents():
        paged = any(event.dedup_key == one.dedup_key for event in bench.recorder.events)
        over = one.state in (IncidentState.RESOLVED, IncidentState.CLOSED)
        if not over and not (paged and one.state is IncidentState.ESCALATED):
            wrong.append(f"incident {one.id} ({one.title}) is {one.state} and paged={paged}")
    return wrong
