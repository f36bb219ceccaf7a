"""Three replicas on one PostgreSQL journal, faults that end a leader, and how long the others take."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

from airwarden.remediation.journal.store import open_journal
from airwarden.remediation.leadership import LeaseTimes
from support.crashing import Order, Process
from support.eventually import eventually, holds_for
from support.faulted import FAULTED
from support.outside import Outside
from support.postgres import Database
from support.proxy import FreezableProxy
from support.remediator import RealClock

#: Seconds that a failover may take: the median of many, and each.
MEDIAN, EACH = 18.0, 25.0


@dataclass(frozen=True)
class Failover:
    """Seconds from the fault until another replica led, and until it had acted."""

    led: float
    acted: float


class Replicas:
    """One leader, which reaches the journal through a proxy, and two standbys.

    Args:
        folder: For what they write.
        database: An empty one.
        lease: The lease's times; production's by default.
        action: Whose fault there will be.
        crash_at, freeze_at: Where the leader dies or freezes.
    """

    def __init__(
        self,
        folder: Path,
        database: Database,
        *,
        lease: LeaseTimes | None = None,
        action: str = "process.restart",
        crash_at: str = "",
        freeze_at: str = "",
        clock_step: float = 0.0,
    ) -> None:
        self.database = database
        self.action = action
        self.outside = Outside()
        self.proxy = FreezableProxy(database.port)
        self._started: list[Process] = []
        self._journal = open_journal(database.sqlalchemy_url, RealClock())
        times = lease or LeaseTimes()
        url = database.sqlalchemy_url

        def start(url: str, **changes: Any) -> Process:
            order = Order(folder, url, self.outside.address, action, lease=times, **changes)
            self._started.append(Process(order))
            return self._started[-1]

        through = make_url(url).set(port=self.proxy.port).render_as_string(hide_password=False)
        self.leader = start(through, crash_at=crash_at, freeze_at=freeze_at)
        eventually(lambda: self.holder() == self.leader.pid, within=90, what="the first leads")
        self.standbys = [start(url, clock_step=clock_step) for _ in range(2)]
        for standby in self.standbys:
            assert standby.port

    def holder(self) -> int:
        """Return the process id of whom the lease belongs to, 0 for nobody."""
        rows = self.database.execute("SELECT holder FROM lease WHERE expires_at > now()")
        return int(rows[0][0].split("/")[1]) if rows else 0

    def renewed(self) -> float:
        """Return the seconds since the lease was renewed."""
        return float(
            self.database.execute("SELECT extract(epoch FROM now() - renewed_at) FROM lease")[0][0]
        )

    def break_world(self) -> None:
        """Let the fault of the action begin."""
        FAULTED[self.action].prepare(self.outside, self._journal)

    def effects(self) -> int:
        """Return how often the fault was remedied."""
        return FAULTED[self.action].effects(self.outside, self._journal)

    def effects_outside(self) -> int:
        """Return how often something was done to the world; needs no journal."""
        return len(self.outside.effects())

    def watch(self, since: float, old: int) -> Failover:
        """Wait until another process leads and has acted; `since` is when the fault began."""
        eventually(lambda: self.holder() not in (0, old), within=60, every=0.05, what="an heir")
        led = time.monotonic() - since
        eventually(lambda: self.effects() > 0, within=60, every=0.05, what="an effect")
        return Failover(led, max(self.outside.effect_times()) - since)

    def wait_resolved(self) -> None:
        """Wait until the incident is healed, as a standby or the heir tells."""
        eventually(
            lambda: self.standbys[0].states() == ["RESOLVED"],
            within=60,
            every=0.1,
            what="the incident is resolved",
        )

    def close(self) -> None:
        """End all of it."""
        self.proxy.thaw()
        for process in self._started:
            process.stop()
        self.proxy.close()
        self._journal.close()
        self.outside.close()


Fault = Callable[[Replicas], None]


def _kill(replicas: Replicas) -> None:
    replicas.leader.signal(signal.SIGKILL)


def _freeze(replicas: Replicas) -> None:
    replicas.leader.signal(signal.SIGSTOP)


def _cut(replicas: Replicas) -> None:
    replicas.proxy.close()


def _swallow(replicas: Replicas) -> None:
    replicas.proxy.freeze()


#: What ends a leader.
FAULTS: Mapping[str, Fault] = {
    "SIGKILL": _kill,
    "SIGSTOP, then SIGCONT": _freeze,
    "database connection cut": _cut,
    "database connection silent": _swallow,
}


def fail_over(folder: Path, database: Database, name: str, seed: int) -> Failover:
    """Let a leader end at a random moment between two renewals, and an alert come in that instant.

    Fails where there is not exactly one effect, also after a frozen leader was woken.
    """
    folder.mkdir(parents=True, exist_ok=True)
    replicas = Replicas(folder, database)
    try:
        phase = random.Random(seed).uniform(0, 4.5)
        eventually(lambda: replicas.renewed() < 0.3, within=10, every=0.02, what="a renewal")
        eventually(lambda: replicas.renewed() >= phase, within=10, every=0.02, what="the moment")
        replicas.break_world()
        began = time.monotonic()
        FAULTS[name](replicas)
        assert replicas.standbys[0].fire() == 200
        took = replicas.watch(began, replicas.leader.pid)
        replicas.wait_resolved()
        _wake(replicas)
        assert replicas.effects() == 1
        return took
    finally:
        replicas.close()


def _wake(replicas: Replicas) -> None:
    """Let the old leader go on, if it can, and find it a standby that does nothing."""
    if replicas.leader.child.exitcode is not None:
        return
    replicas.leader.signal(signal.SIGCONT)
    replicas.proxy.thaw()
    holds_for(
        lambda: not replicas.leader.leads and replicas.effects() == 1,
        seconds=2,
        what="the old leader stays quiet",
    )


def freeze_in_the_middle(folder: Path, database: Database, action: str, point: str) -> Failover:
    """Let a leader freeze between an effect's record and its call, and wake after the takeover."""
    replicas = Replicas(folder, database, action=action, freeze_at=point)
    try:
        replicas.break_world()
        replicas.leader.fire(within=0.5)
        replicas.leader.wait_frozen(within=30)
        took = replicas.watch(time.monotonic(), replicas.leader.pid)
        replicas.wait_resolved()
        _wake(replicas)
        assert replicas.effects() == 1
        return took
    finally:
        replicas.close()
