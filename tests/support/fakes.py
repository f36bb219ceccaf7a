"""Fakes of the engine's tests: time that tests own, one breakable process, a pager and a chat that remember."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from airwarden.core.alerts import Alert
from airwarden.core.errors import UnavailableError
from airwarden.core.platform import ChatMessage, PagerEvent, Silence
from airwarden.remediation.actions.base import (
    Danger,
    Effect,
    Nothing,
    Plan,
    ReadBack,
    Refused,
)
from airwarden.remediation.checks.base import Reading, Verdict
from airwarden.remediation.decide.view import IncidentView
from airwarden.remediation.playbook import Playbook
from airwarden.remediation.world import Json, Subject, World

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
