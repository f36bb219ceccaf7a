"""A remediator as a process of its own, on a world outside it, so that it can be killed at any instant.

It writes its port to a file and serves until it is killed or told to stop (SIGTERM).
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Connection, Engine, event

from airwarden.cli import logs
from airwarden.cli.options import LogFormat
from airwarden.core.alerts import Alert, AlertStatus
from airwarden.core.clock import Clock
from airwarden.remediation.actions.base import Danger
from airwarden.remediation.actions.registry import actions
from airwarden.remediation.breakers import guard
from airwarden.remediation.checks.base import Reading, Verdict
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.journal.memory import JournalBreakers, JournalLedger
from airwarden.remediation.journal.store import Journal
from airwarden.remediation.leadership import LeaseTimes
from airwarden.remediation.world import Subject, WorkerFleet, World
from support.engine import alert, webhook
from support.eventually import eventually
from support.faulted import BREAKER, DEPENDENCIES, FAULTED, Faulted, KilledByThePlatform
from support.measured import Measured
from support.outside import Remote
from support.remediator import (
    API_TOKEN,
    WEBHOOK_TOKEN,
    Kit,
    RealClock,
    Running,
    quick_playbook,
)

_NUMBERS = itertools.count()
#: Waits of minutes are of no use to a test of crashes.
RAILS = Rails(
    recheck=timedelta(seconds=0.5),
    read_back_patience=timedelta(seconds=3),
    backoff_base=timedelta(seconds=1),
)


@dataclass(frozen=True)
class Order:
    """What a child is to do.

    Attributes:
        folder: Where it writes its port and its output.
        url: The journal.
        outside: The socket of the world.
        action: The one whose playbook it runs: a key of `FAULTED`.
        crash_at, freeze_at: The point at which it dies or freezes, empty for none.
        lease: Its lease's times.
        clock_step: Seconds by which its wall clock is wrong.
        alarm_after: Seconds without a journal until it pages past it.
        pragma: What this file holds, while it is there, is set on every SQLite connection.
    """

    folder: Path
    url: str
    outside: str
    action: str = "process.restart"
    crash_at: str = ""
    freeze_at: str = ""
    lease: LeaseTimes = field(default_factory=LeaseTimes)
    clock_step: float = 0.0
    alarm_after: float = 20.0
    pragma: Path | None = None


class SteppedClock(RealClock):
    """The machine's clocks, the wall clock wrong by so many seconds."""

    def __init__(self, step: float) -> None:
        super().__init__()
        self._step = timedelta(seconds=step)

    def now(self) -> datetime:
        return super().now() + self._step


class Effected:
    """Whether the fault's effect has happened; `wanted` says which answer is true."""

    needs = frozenset[str]()

    def __init__(self, name: str, outside: Remote, *, wanted: bool) -> None:
        self.name = name
        self._outside = outside
        self._wanted = wanted

    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        faulted = FAULTED[str(parameters["action"])]
        if faulted.method:
            happened = bool(self._outside.effects())
        else:
            assert world.breakers is not None
            happened = world.breakers.load(BREAKER).state is not faulted.breaker
        verdict = Verdict.TRUE if happened is self._wanted else Verdict.FALSE
        return Reading(verdict, f"the effect has {'' if happened else 'not '}happened")


def kit(address: str, journal: Journal, clock: Clock, fault: Faulted) -> Kit:
    """Return the shipped actions on the outside's world."""
    database = Remote(address, "database")
    ports: dict[str, Any] = {
        "airflow": Remote(address, "airflow"),
        "host": Remote(address, "host"),
        "workers": Remote(address, "workers"),
        "database": database,
        "session_ender": database,
        "breakers": JournalBreakers(journal),
        "ledger": JournalLedger(journal),
        "causes": KilledByThePlatform(),
    }
    if fault.scaling is not None:
        measured = Measured(nodes=5)
        measured.running, measured.queued, measured.week = lambda ago: 4.0, lambda ago: 0.0, 4.0
        ports |= {"prometheus": measured, "scaling": fault.scaling}
    if fault.on_kubernetes:
        ports |= {"kubernetes": Remote(address, "kube"), "fleet": WorkerFleet(1, 8)}
    world = guard(World("lab", clock, dependencies=DEPENDENCIES, **ports))
    outside = Remote(address, "itself")
    checks = (
        Effected("sick", outside, wanted=False),
        Effected("well", outside, wanted=True),
    )
    return Kit(world, actions(), {one.name: one for one in checks})


class Process:
    """The remediator as a child process, forked from a server that has imported everything once."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self._port_file = order.folder / f"port-{next(_NUMBERS)}"
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["support.crashing"])
        search = os.environ.get("PYTHONPATH")
        # The server that forks reads its search path when it starts.
        os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
        try:
            self.child = context.Process(target=serve, args=(order, self._port_file))
            self.child.start()
        finally:
            if search is None:
                del os.environ["PYTHONPATH"]
            else:
                os.environ["PYTHONPATH"] = search

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.child.pid is not None
        return self.child.pid

    @property
    def port(self) -> int:
        """Its port, once it listens; 0 if it died before."""

        def look() -> int:
            if self._port_file.exists():
                return int(self._port_file.read_text())
            return -1 if self.child.exitcode is not None else 0

        return max(0, eventually(look, within=60, what="a port"))

    def fire(self, *, within: float = 30, filler: int = 0) -> int:
        """Deliver the alert of its action's fault; 0 where it died or froze before it answered.

        Args:
            within: Seconds that it has for its answer.
            filler: Deliver no alert, but so many characters that mean nothing.
        """
        one = fault_alert(self.order.action)
        if filler:
            over = alert("Filler", status=AlertStatus.RESOLVED, ends=one.starts_at)
            one = replace(over, starts_at=one.starts_at, annotations={"filler": "x" * filler})
        try:
            return httpx.post(
                f"http://127.0.0.1:{self.port}/api/v1/alerts",
                content=webhook(one),
                headers={"Authorization": f"Bearer {WEBHOOK_TOKEN}"},
                timeout=within,
                trust_env=False,
            ).status_code
        except httpx.TransportError:
            return 0

    def get(self, path: str) -> Any:
        """Read its operators' API."""
        answer = httpx.get(
            f"http://127.0.0.1:{self.port}{path}",
            headers={"Authorization": f"Bearer {API_TOKEN}"},
            timeout=30,
            trust_env=False,
        )
        return answer.raise_for_status().json()

    def states(self) -> list[str]:
        """Return its incidents' states, newest first."""
        return [one["state"] for one in self.get("/api/v1/incidents")["incidents"]]

    @property
    def leads(self) -> bool:
        """Whether it says that it leads; its metrics answer without the journal."""
        url = f"http://127.0.0.1:{self.port}/metrics"
        text = httpx.get(url, timeout=30, trust_env=False).raise_for_status().text
        return 'airwarden_remediator_leader{cluster="lab"} 1.0' in text

    def wait_dead(self, within: float) -> int | None:
        """Return how it ended: minus the signal's number, or None where it still lives."""
        self.child.join(within)
        return self.child.exitcode

    def wait_frozen(self, within: float) -> None:
        """Return once the kernel has stopped it."""
        stat = Path(f"/proc/{self.pid}/stat")
        eventually(
            lambda: stat.read_text().rpartition(")")[2].split()[0] == "T",
            within=within,
            what="the process is frozen",
        )

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it still lives."""
        if self.child.is_alive() and self.child.pid is not None:
            os.kill(self.child.pid, number)

    def stop(self) -> None:
        """End it cleanly, or at all."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        self.child.join(20)
        if self.child.is_alive():
            self.child.kill()
            self.child.join()
        self.child.close()


def fault_alert(action: str) -> Alert:
    """Return the alert that the fault of this action fires."""
    plain = alert(starts=datetime.now(UTC))
    return replace(plain, labels={**plain.labels, **FAULTED[action].labels})


def _set_pragmas(file: Path) -> None:
    """Let SQLite itself find its file full or read-only as soon as a test says so."""

    @event.listens_for(Engine, "begin")
    def _on_begin(connection: Connection) -> None:
        for pragma in file.read_text().split() if file.exists() else ():
            connection.exec_driver_sql(f"PRAGMA {pragma}")


def serve(order: Order, port_file: Path) -> None:
    """Serve until SIGTERM; everything printed goes to `FOLDER/out.log`."""
    os.environ["AIRWARDEN_CRASH_AT"] = order.crash_at
    os.environ["AIRWARDEN_FREEZE_AT"] = order.freeze_at
    log = os.open(order.folder / "out.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(log, stream.fileno())
    logs.configure(LogFormat.CONSOLE)
    if order.pragma is not None:
        _set_pragmas(order.pragma)
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    asked, fault = {"action": order.action}, FAULTED[order.action]
    action = actions()[order.action.partition("/")[0]]
    step = {"id": "act", "action": action.name, "with": dict(fault.parameters)}
    running = Running(
        order.url,
        book=quick_playbook(
            page={"when": "at-once"},
            steps=[step],
            confirm={"check": "sick", "times": 1, "every": "100ms", "with": asked},
            verify={"check": "well", "within": "20s", "stable": "0s", "with": asked},
        ),
        kit=lambda journal, clock: kit(order.outside, journal, clock, fault),
        told=Remote(order.outside, "told"),
        with_alertmanager=False,
        lease=order.lease,
        rails=RAILS,
        clock=SteppedClock(order.clock_step),
        alarm_after=order.alarm_after,
    )
    fresh = port_file.with_suffix(".new")
    fresh.write_text(str(running.remediator.port))
    fresh.replace(port_file)
    while not stopped.wait(0.2 if action.danger is Danger.C else None):
        _agree(running)
    running.stop()


def _agree(running: Running) -> None:
    """Be the person who says yes to what is asked for."""
    for one in running.get("/api/v1/incidents")["incidents"]:
        if one["approval"]:
            yes = {"nonce": one["approval"]["nonce"], "reason": "it is wanted"}
            running.post(f"/api/v1/incidents/{one['incident_id']}/approve", yes)
