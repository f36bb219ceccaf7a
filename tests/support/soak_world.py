"""The other side of a soak: units that break, a server that remediators act through, alerts, the pager.

It outlives every remediator, so what was done to it is the truth that their journal is held against.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from airwarden.core.alerts import Alert, AlertStatus
from support.engine import alert, webhook
from support.remediator import WEBHOOK_TOKEN

#: Share of replies to effects that get lost, of units that need two restarts, and that none helps.
LOST_REPLIES, STUBBORN, HOPELESS = 0.1, 0.1, 0.04


@dataclass
class Unit:
    """One unit; `hits` restarts are needed before it is well again."""

    generation: int = 1
    healthy: bool = True
    hits: int = 0
    alert: Alert | None = None
    hopeless: bool = False


@dataclass
class SoakWorld:
    """Units, what was done to them, and who was paged.

    Attributes:
        done: (unit, generation) of each restart, in order.
        needless: Restarts of units that were well: an effect that was done twice.
        accepted: Alerts that a remediator answered 2xx.
        owed: Alerts that no remediator has taken yet.
        mended: (unit, generation) of what a person repaired.
        paged: Deduplication keys that were triggered.
    """

    count: int = 40
    units: dict[str, Unit] = field(default_factory=dict)
    done: list[tuple[str, int]] = field(default_factory=list)
    needless: list[tuple[str, int]] = field(default_factory=list)
    conflicts: int = 0
    accepted: list[Alert] = field(default_factory=list)
    owed: list[Alert] = field(default_factory=list)
    paged: set[str] = field(default_factory=set)
    mended: set[tuple[str, int]] = field(default_factory=set)
    dice: random.Random = field(default_factory=lambda: random.Random(5))

    def __post_init__(self) -> None:
        self.units = {f"u{number}": Unit() for number in range(self.count)}
        self.mutex = threading.RLock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.world = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def restart(self, name: str, generation: int) -> tuple[bool, bool]:
        """Restart a unit of that generation; returns (done, whether the reply gets lost)."""
        with self.mutex:
            unit = self.units[name]
            if unit.generation != generation:
                self.conflicts += 1
                return False, False
            if unit.healthy:
                self.needless.append((name, generation))
            self.done.append((name, generation))
            unit.generation += 1
            unit.hits = max(0, unit.hits - 1)
            unit.healthy = unit.hits == 0 and not unit.hopeless
            return True, self.dice.random() < LOST_REPLIES

    def break_one(self) -> Alert | None:
        """Break a unit that is well and whose last alert has ended; returns its alert."""
        with self.mutex:
            free = [n for n, u in self.units.items() if u.healthy and u.alert is None]
            if not free:
                return None
            name = self.dice.choice(free)
            unit = self.units[name]
            unit.healthy, unit.hits = False, 2 if self.dice.random() < STUBBORN else 1
            unit.hopeless = self.dice.random() < HOPELESS
            unit.alert = alert("UnitDown", name=name, starts=datetime.now(UTC))
            return unit.alert

    def ended(self) -> list[Alert]:
        """Return the alerts that are over since the last look, as resolved ones."""
        with self.mutex:
            over = []
            for unit in self.units.values():
                if unit.healthy and unit.alert is not None:
                    now = datetime.now(UTC)
                    over.append(replace(unit.alert, status=AlertStatus.RESOLVED, ends_at=now))
                    unit.alert = None
            return over

    def repair(self, name: str) -> None:
        """A person mends what nothing helped."""
        with self.mutex:
            unit = self.units[name]
            if not unit.healthy:
                self.mended.add((name, unit.generation))
                unit.hopeless, unit.healthy, unit.hits = False, True, 0
                unit.generation += 1

    def post(self, alerts: Sequence[Alert], ports: Sequence[int], *, patience: float) -> bool:
        """Deliver as Alertmanager does: to one after the other, until one answers 2xx.

        What nobody took in time goes with the next delivery: Alertmanager forgets nothing either.
        """
        alerts, self.owed = [*self.owed, *alerts], []
        end = time.monotonic() + patience
        while time.monotonic() < end:
            for port in self.dice.sample(list(ports), len(ports)):
                try:
                    answer = httpx.post(
                        f"http://127.0.0.1:{port}/api/v1/alerts",
                        content=webhook(*alerts),
                        headers={"Authorization": f"Bearer {WEBHOOK_TOKEN}"},
                        timeout=10,
                        trust_env=False,
                    )
                except httpx.HTTPError:
                    continue
                if answer.is_success:
                    self.accepted.extend(alerts)
                    return True
            time.sleep(0.2)
        self.owed = list(alerts)
        return False

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    world: SoakWorld


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        world = self.server.world
        with world.mutex:
            unit = world.units[self.path.rsplit("/", 1)[1]]
            body = {"healthy": unit.healthy, "generation": unit.generation}
        self._answer(200, body)

    def do_POST(self) -> None:
        world = self.server.world
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/page":
            with world.mutex:
                world.paged |= {body["key"]} if body["action"] == "trigger" else set()
            self._answer(200, {})
            return
        done, lost = world.restart(self.path.rsplit("/", 1)[1], int(body["generation"]))
        if lost:
            self.close_connection = True
            return
        self._answer(200 if done else 409, {"done": done})

    def _answer(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
        """Say nothing."""
