"""A soak: remediators on PostgreSQL whose database is cut off and whose leader is killed, again and again.

`SOAK_MINUTES` (60 with `make soak`) is how long it is disturbed; below ten minutes everything that
comes at intervals comes more often. For the last third nobody is killed, so that a process lives long
enough for a leak to show; the database is cut off until the end.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import httpx
import pytest

from airwarden.remediation.leadership import LeaseTimes
from support.eventually import eventually
from support.postgres import Database, FreshDatabase
from support.proxy import FreezableProxy
from support.servers import Child
from support.soak_world import SoakWorld

MINUTES = float(os.environ.get("SOAK_MINUTES", "0.8"))
SHORT = MINUTES < 10
REPLICAS = 3
#: An effect begins only while five seconds of the lease are sure: a shorter one would hardly let any begin.
LEASE = LeaseTimes(ttl=10, renew=1.5, standby_poll=0.3, self_fence=9) if SHORT else LeaseTimes()
#: Seconds: between two cuts of the database, two kills of the leader, two faults.
CUT_EVERY = (3.0, 9.0) if SHORT else (5.0, 40.0)
KILL_EVERY = 15.0 if SHORT else 60.0
BREAK_EVERY = 0.7 if SHORT else 1.5
#: Threads of one process beyond which some are leaking; and the memory that it may gain in an hour.
MOST_THREADS, MOST_GROWTH_MB = 120, 60.0


@dataclass
class Replica:
    """One remediator process and what was measured of it: (age in s, MB, threads, open files)."""

    child: Child
    folder: Path
    began: float = field(default_factory=time.monotonic)
    sizes: list[tuple[float, float, int, int]] = field(default_factory=list)

    @property
    def port(self) -> int:
        file = self.folder / "port"
        return int(eventually(lambda: file.exists() and file.read_text(), within=60, what="port"))

    def measure(self) -> None:
        try:
            status = Path(f"/proc/{self.child.pid}/status").read_text()
            files = sum(1 for _ in Path(f"/proc/{self.child.pid}/fd").iterdir())
        except OSError:
            return
        memory = int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024
        threads = int(re.findall(r"Threads:\s+(\d+)", status)[0])
        self.sizes.append((time.monotonic() - self.began, memory, threads, files))


class Soak:
    """The remediators, their journal behind the proxy, and the disturbances."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.world = SoakWorld()
        self.database = database
        self.proxy = FreezableProxy(database.port)
        self.url = replace(database, port=self.proxy.port).sqlalchemy_url
        self._folder, self._number = folder, 0
        self.replicas = [self.start() for _ in range(REPLICAS)]
        self.dead: list[Replica] = []
        self.tally: Counter[str] = Counter()
        self.dice = random.Random(11)

    def start(self) -> Replica:
        self._number += 1
        folder = self._folder / f"remediator-{self._number}"
        folder.mkdir()
        command = [
            sys.executable, "-m", "support.soaking", str(folder), self.url, self.world.url,
            json.dumps(asdict(LEASE)),
        ]  # fmt: skip
        search = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        return Replica(Child(command, folder / "out.log", search), folder)

    @property
    def ports(self) -> list[int]:
        return [one.port for one in self.replicas]

    def leader(self) -> Replica | None:
        for one in self.replicas:
            try:
                text = httpx.get(
                    f"http://127.0.0.1:{one.port}/metrics", timeout=5, trust_env=False
                ).text
            except httpx.HTTPError:
                continue
            if re.search(r"^airwarden_remediator_leader\{.*\} 1\.0$", text, re.MULTILINE):
                return one
        return None

    def kill_the_leader(self) -> bool:
        one = self.leader()
        if one is None:
            return False
        one.child.stop(signal.SIGKILL)
        self.replicas.remove(one)
        self.dead.append(one)
        self.replicas.append(self.start())
        return True

    def disturb(self, minutes: float) -> None:
        """Break units all the while, cut the database off, kill the leader in the first two thirds."""
        end = time.monotonic() + minutes * 60
        calm = end - minutes * 20
        cut_at = time.monotonic() + self.dice.uniform(*CUT_EVERY)
        kill_at = time.monotonic() + KILL_EVERY
        while (now := time.monotonic()) < end:
            if now >= cut_at:
                self.tally["connections cut"] += self.proxy.cut()
                cut_at = now + self.dice.uniform(*CUT_EVERY)
            if kill_at <= now < calm and self.kill_the_leader():
                self.tally["leaders killed"] += 1
                kill_at = now + KILL_EVERY
            self.one_more()
            for one in self.replicas:
                # None ends by itself, whatever is cut off: a supervisor would only hide it.
                one.child.check()
                one.measure()
            time.sleep(max(0.0, BREAK_EVERY - (time.monotonic() - now)))

    def one_more(self) -> None:
        """Break a unit and tell, and tell what is over."""
        fired, over = self.world.break_one(), self.world.ended()
        alerts = [*([fired] if fired else []), *over]
        if alerts:
            stored = self.world.post(alerts, self.ports, patience=30)
            self.tally["deliveries" if stored else "deliveries refused"] += 1

    def settle(self, within: float) -> None:
        """A person mends what is handed over; then everything has to come to its end."""

        def over() -> bool:
            for state, name, _ in self.open():
                if state == "ESCALATED":
                    self.world.repair(name)
            ended = self.world.ended()
            if ended or self.world.owed:
                self.world.post(ended, self.ports, patience=30)
            assert self.open() == []
            return self.unsettled() == 0

        eventually(over, within=within, every=1.0, what="all is over")

    def open(self) -> list[tuple[str, str, str]]:
        """Return state, unit and reason of what is not over."""
        rows = self.database.execute(
            "SELECT state, labels, reason FROM incident WHERE state NOT IN ('RESOLVED', 'CLOSED')"
        )
        return [
            (str(state), str(json.loads(labels)["name"]), str(why)) for state, labels, why in rows
        ]

    def unsettled(self) -> int:
        query = "SELECT count(*) FROM attempt WHERE state IN ('INTENT', 'STARTED', 'UNKNOWN')"
        return int(self.database.execute(query)[0][0])

    def stop(self) -> None:
        for one in self.replicas:
            one.child.stop()
        self.proxy.close()
        self.world.close()


@pytest.fixture
def soak(tmp_path: Path, fresh_database: FreshDatabase) -> Iterator[Soak]:
    with ExitStack() as stack:
        soak = Soak(tmp_path, fresh_database())
        stack.callback(soak.stop)
        yield soak


@pytest.mark.timeout(int(MINUTES * 60 + 600))
def test_cut_off_and_killed_again_and_again_nothing_leaks_is_lost_or_doubled(soak: Soak) -> None:
    assert len(soak.ports) == REPLICAS
    soak.disturb(MINUTES)
    print(f"\ndisturbed: {dict(soak.tally)}; still open: {soak.open()}")
    began = time.monotonic()
    soak.settle(within=180)
    settled = time.monotonic() - began
    effects(soak)
    alerts(soak)
    connections = leaks(soak)
    state = soak.database.execute(
        "SELECT state, count(*) FROM attempt GROUP BY state ORDER BY state"
    )
    size = soak.database.execute("SELECT pg_database_size(current_database())")[0][0]
    print(
        f"\nsoak of {MINUTES:g} min, settled {settled:.0f} s after: {dict(soak.tally)}; {len(soak.world.done)} effects"
        f" ({soak.world.conflicts} refused by their target), attempts {dict(state)},"
        f" {len(soak.world.paged)} paged; {connections}; journal {int(size) / 1e6:.1f} MB"
    )


def effects(soak: Soak) -> None:
    """Each effect that the world saw is in the journal, each confirmed one in the world, none twice."""
    assert soak.world.needless == []
    rows = soak.database.execute("SELECT target, request_json, state FROM attempt")
    known = {
        (str(target).rpartition("/")[2], int(json.loads(request)["generation"])): str(state)
        for target, request, state in sorted(rows, key=lambda row: row[2] == "CONFIRMED")
    }
    assert len(soak.world.done) == len(set(soak.world.done))
    lost = [one for one in soak.world.done if known.get(one) not in ("CONFIRMED", "UNDECIDABLE")]
    assert lost == []
    confirmed = {one for one, state in known.items() if state == "CONFIRMED"}
    # A repair by hand changes the generation too, and then reads back as done.
    by_hand = confirmed - set(soak.world.done)
    assert by_hand <= soak.world.mended


def alerts(soak: Soak) -> None:
    """Whatever was answered 2xx is in the journal and belongs to an incident that is over."""
    fired = {one.fingerprint for one in soak.world.accepted if one.ends_at is None}
    rows = soak.database.execute("SELECT fingerprint, incident_id FROM alert")
    taken = {str(fingerprint) for fingerprint, incident in rows if incident is not None}
    assert fired <= taken
    broken = soak.database.execute("SELECT count(*) FROM inbox WHERE state <> 'done'")
    assert broken == [(0,)]


def leaks(soak: Soak) -> str:
    """No process has more threads, files or memory than its work explains."""
    for one in (*soak.replicas, *soak.dead):
        assert max((threads for _, _, threads, _ in one.sizes), default=0) < MOST_THREADS
    oldest = max(soak.replicas, key=lambda one: len(one.sizes))
    slope = growth(oldest)
    if not SHORT:
        assert slope * 60 < MOST_GROWTH_MB, f"{slope * 60:.0f} MB an hour"
    held = soak.database.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'airwarden-remediator'"
    )[0][0]
    assert held <= REPLICAS * 16
    _, memory, threads, files = oldest.sizes[-1]
    return (
        f"{held} connections; the oldest process: {memory:.0f} MB, {slope:+.2f} MB a minute,"
        f" {threads} threads, {files} open files"
    )


def growth(one: Replica) -> float:
    """Return the slope of the memory over the second half of a life, MB a minute (least squares)."""
    sizes = one.sizes[len(one.sizes) // 2 :]
    if len(sizes) < 3:
        return 0.0
    ages = [age / 60 for age, *_ in sizes]
    memory = [size for _, size, *_ in sizes]
    mean_age, mean_memory = sum(ages) / len(ages), sum(memory) / len(memory)
    spread = sum((age - mean_age) ** 2 for age in ages)
    products = ((a - mean_age) * (m - mean_memory) for a, m in zip(ages, memory, strict=True))
    return sum(products) / spread if spread else 0.0


def test_the_slope_of_a_leak_is_seen() -> None:
    leaking = Replica(Child([sys.executable, "-c", "pass"], Path(os.devnull)), Path())
    leaking.sizes = [(60.0 * n, 100.0 + 2 * n, 9, 9) for n in range(20)]
    assert growth(leaking) == pytest.approx(2.0)
    leaking.child.process.wait(10)
