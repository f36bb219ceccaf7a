"""One remediator of a soak, as a process of its own: `python -m support.soaking FOLDER URL WORLD LEASE`.

Its world is another process, reached over HTTP (`support.soak_world`); it writes its port to
`FOLDER/port` and serves until it is killed.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from airwarden.core.clock import Clock
from airwarden.core.errors import ConflictError, UnavailableError, UnknownOutcomeError
from airwarden.core.platform import ChatMessage, PagerEvent
from airwarden.remediation.actions.base import Danger, Effect, Nothing, Plan, ReadBack, Refused
from airwarden.remediation.checks.base import Reading, Verdict
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.journal.store import Journal
from airwarden.remediation.leadership import LeaseTimes
from airwarden.remediation.world import Json, Subject, World
from support.engine import FakeAction
from support.remediator import Kit, Running, quick_playbook

#: A soak does in an hour what a platform does in months: what limits repetition is not what it is about.
WIDE = Rails(
    storm_incidents=10**6,
    storm_alerts_per_minute=10**6,
    flap_cycles=10**6,
    flap_percent=100,
    playbook_failures=10**6,
    mild_playbook_per_hour=10**6,
    mild_target_per_hour=10**6,
    mild_all_per_hour=10**6,
    recheck=timedelta(seconds=1),
    verify_every=timedelta(seconds=1),
    backoff_base=timedelta(seconds=2),
    still_firing_patience=timedelta(seconds=30),
    quiet_close=timedelta(seconds=5),
)
BOOK = quick_playbook(
    name="unit-restart",
    alerts=[{"alertname": "UnitDown"}],
    steps=[{"id": "restart", "action": "unit.restart"}],
    verify={"check": "well", "within": "6s", "stable": "1s"},
    page={"when": "unhealed", "after": "10m"},
)


class Units:
    """The units of the other process; says what became of a call as an adapter does."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=3, trust_env=False)

    def get(self, name: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = self._http.get(f"/unit/{name}").raise_for_status().json()
        except httpx.HTTPError as error:
            raise UnavailableError(f"unit {name}: {error!r}") from None
        return found

    def restart(self, name: str, generation: str) -> dict[str, Any]:
        try:
            answer = self._http.post(f"/unit/{name}", json={"generation": generation})
        except httpx.ConnectError as error:
            raise UnavailableError(f"unit {name}: {error!r}") from None
        except httpx.HTTPError as error:
            raise UnknownOutcomeError(f"unit {name}: {error!r}") from None
        if answer.status_code == httpx.codes.CONFLICT:
            raise ConflictError(f"unit {name} is another incarnation")
        done: dict[str, Any] = answer.raise_for_status().json()
        return done

    def tell(self, what: str, body: Mapping[str, Any]) -> None:
        try:
            self._http.post(f"/{what}", json=dict(body)).raise_for_status()
        except httpx.HTTPError as error:
            raise UnavailableError(f"{what}: {error!r}") from None


class RemoteRestart(FakeAction):
    """Restarts a unit of the other process, if it still is the incarnation that was planned for."""

    name = "unit.restart"
    danger = Danger.A

    def __init__(self, units: Units) -> None:
        self._units = units

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        name = subject.labels["name"]
        unit = self._units.get(name)
        if unit["healthy"]:
            return Nothing("it is healthy")
        generation = str(unit["generation"])
        effect = Effect(
            self.name,
            f"{world.cluster}/unit/{name}",
            {"name": name},
            {"generation": generation},
            f"restart {name}",
            generation,
        )
        return Plan((effect,))

    def apply(self, world: World, effect: Effect) -> Json:
        return self._units.restart(effect.parameters["name"], effect.generation)

    def read_back(self, world: World, effect: Effect) -> ReadBack:
        generation = str(self._units.get(effect.parameters["name"])["generation"])
        return ReadBack.NOT_DONE if generation == effect.generation else ReadBack.DONE


class RemoteLook:
    """Whether the unit that the labels name is well, or sick."""

    needs = frozenset[str]()

    def __init__(self, name: str, units: Units) -> None:
        self.name = name
        self._units = units

    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        healthy = bool(self._units.get(subject.labels["name"])["healthy"])
        holds = healthy if self.name == "well" else not healthy
        return Reading(Verdict(str(holds).lower()), f"{self.name}: {holds}")


class RemoteTold:
    """Pager and chat in the other process, which remembers over every death."""

    def __init__(self, units: Units) -> None:
        self._units = units

    def send(self, event: PagerEvent) -> None:
        self._units.tell("page", {"action": event.action, "key": event.dedup_key})

    def post(self, message: ChatMessage) -> str:
        return "ts"

    def update(self, reference: str, message: ChatMessage) -> None:
        """Nobody reads it."""

    def reply(self, reference: str, text: str) -> None:
        """Nobody reads it."""


def serve(folder: Path, url: str, world: str, lease: LeaseTimes) -> None:
    """Serve until SIGTERM."""
    units = Units(world)

    def kit(_journal: Journal, clock: Clock) -> Kit:
        checks = {name: RemoteLook(name, units) for name in ("sick", "well")}
        return Kit(World("lab", clock), {"unit.restart": RemoteRestart(units)}, checks)

    running = Running(
        url,
        book=BOOK,
        lease=lease,
        with_alertmanager=False,
        kit=kit,
        told=RemoteTold(units),
        rails=WIDE,
        alarm_after=600,
    )
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    fresh = folder / "port.new"
    fresh.write_text(str(running.remediator.port))
    fresh.replace(folder / "port")
    stopped.wait()
    running.stop()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2], sys.argv[3], LeaseTimes(**json.loads(sys.argv[4])))
