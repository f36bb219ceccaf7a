"""How large the journal becomes, how fast what is old leaves it, and who waits for that.

`python tests/bench/journal_size.py --events 1000000` prints the table of docs/reference/reliability.md;
without an option a tenth of it. One incident is taken through the real engine, with ten alerts of
ordinary size; it is then copied until there are so many alert events. Everything is made 100 days old
and swept with the default settings, while deliveries go on coming in.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import Table, insert, select

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import structlog

from airwarden.core.alerts import Alert, AlertStatus
from airwarden.remediation import intake
from airwarden.remediation.auditing import AuditTerms
from airwarden.remediation.decide.chain import GENESIS, Entry
from airwarden.remediation.journal import pruning, tables
from airwarden.remediation.journal.inbox import InboxWriter
from airwarden.remediation.journal.store import Journal
from airwarden.remediation.retention import RetentionTerms
from airwarden.remediation.upkeep import Upkeep
from support.engine import Bench, alert
from support.postgres import PostgresServer

#: Bytes that a million alert events may take, with everything that hangs on them.
PROMISED = 3_500_000_000
#: Seconds that a delivery may wait while a sweep is under way.
WAIT = 0.25
_ALERTS, _CHUNK = 10, 200
_OLD = timedelta(days=100)


def ordinary(number: int) -> Alert:
    """Return an alert with labels and annotations as long as ours are."""
    one = alert(name="one", severity="critical")
    labels = {
        **one.labels,
        "component": "scheduler",
        "hostname": f"airflow-scheduler-{number}.prod.example.internal",
        "job_id": str(40_000 + number),
        "team": "platform",
    }
    page = "https://runbooks.example.internal/airwarden/AirflowSchedulerHeartbeatLost"
    annotations = {
        "summary": f"Scheduler on airflow-scheduler-{number} of prod is silent",
        "description": "It has not sent a heartbeat for 31 s, longer than 30s for 1m. " * 3,
        "runbook_url": page,
        "dashboard_url": "https://grafana.example.internal/d/airwarden-overview?var-cluster=prod",
    }
    fingerprint = intake.delivery(str(labels).encode(), 1).digest[:16]
    return replace(one, labels=labels, annotations=annotations, fingerprint=fingerprint)


def take_one_through(bench: Bench) -> None:
    """Let the engine heal one incident of ten alerts."""
    bench.machine.healthy = False
    firing = [replace(ordinary(n), starts_at=bench.clock.now()) for n in range(_ALERTS)]
    bench.alertmanager.shown = list(firing)
    bench.deliver(*firing)
    bench.run(60)
    bench.alertmanager.shown = []
    now = bench.clock.now()
    bench.deliver(*(replace(o, status=AlertStatus.RESOLVED, ends_at=now) for o in firing))
    bench.run(200)


@dataclass(frozen=True, slots=True)
class Copier:
    """Writes copies of the one incident that a journal holds, each with identities of its own."""

    journal: Journal

    def write(self, copies: int) -> None:
        """Write so many copies, all of them long over."""
        with self.journal.read() as tx:
            rows = {
                table.name: [dict(r) for r in tx.connection.execute(select(table)).mappings()]
                for table in tables.metadata.sorted_tables
            }
        entries = rows.pop("audit")
        seq, previous = count(len(entries) + 1), entries[-1]["hash"] if entries else GENESIS
        for start in range(1, copies, _CHUNK):
            chunk = range(start, min(start + _CHUNK, copies))
            with self.journal.write() as tx:
                for table in tables.metadata.sorted_tables:
                    made = [
                        self._copy(table, row, number)
                        for number in chunk
                        for row in rows.get(table.name, ())
                    ]
                    if made and table.name in _COPIED:
                        tx.connection.execute(insert(table), made)
                chain: list[dict[str, Any]] = []
                for number in chunk:
                    for row in entries:
                        link = {
                            **row,
                            "seq": next(seq),
                            "object": f"incident/{number + 1}",
                            "prev_hash": previous,
                        }
                        previous = Entry(**link).digest()
                        chain.append({**link, "hash": previous})
                tx.connection.execute(insert(tables.audit), chain)
                head = {"seq": chain[-1]["seq"], "hash": previous}
                tx.connection.execute(tables.audit_head.update().values(**head))
        self._number_on()

    def _number_on(self) -> None:
        """Let PostgreSQL's sequences go on after the numbers that were given by hand."""
        with self.journal.write() as tx:
            for name in _COPIED & set(_SEQUENCES) if tx.postgresql else ():
                tx.connection.exec_driver_sql(
                    f"SELECT setval('{name}_id_seq', (SELECT max(id) FROM {name}))"
                )

    def _copy(self, table: Table, row: dict[str, Any], number: int) -> dict[str, Any]:
        fresh = dict(row)
        for name, value in row.items():
            if name in _NUMBERS.get(table.name, ()):
                fresh[name] = value + number * 1000 if name != "incident_id" else number + 1
            elif name in _NAMES and isinstance(value, str):
                fresh[name] = f"{number:08x}" + value[8:]
        if table is tables.incident:
            fresh["id"] = number + 1
            fresh["correlation_key"] = f"{row['correlation_key']}{number}"
        return fresh


_COPIED = {
    "inbox", "alert_event", "alert", "incident", "incident_alert", "run", "attempt", "outbox",
}  # fmt: skip
_SEQUENCES = ("inbox", "incident", "run", "attempt", "outbox")
_NAMES = {"event_key", "fingerprint", "delivery_hash", "idem_key", "dedup_key", "last_event"}
_NUMBERS = {
    "inbox": ("id",),
    "outbox": ("id", "incident_id"),
    "alert": ("incident_id",),
    "incident_alert": ("incident_id",),
    "run": ("id", "incident_id"),
    "attempt": ("id", "run_id"),
}


class Deliveries:
    """Somebody who goes on delivering, and notes how long each took to be durable."""

    def __init__(self, journal: Journal) -> None:
        self._writer = InboxWriter(journal)
        self._done = threading.Event()
        self.waits: list[float] = []
        self._thread = threading.Thread(target=self._deliver)
        self._thread.start()

    def _deliver(self) -> None:
        for number in count():
            begun = time.perf_counter()
            self._writer.put(intake.delivery(b"a delivery %d" % number, 1))
            self.waits.append(time.perf_counter() - begun)
            if self._done.wait(0.02):
                return

    def stop(self) -> list[float]:
        """End it; returns how long each delivery took, in seconds."""
        self._done.set()
        self._thread.join()
        return sorted(self.waits)


def sweep(bench: Bench, folder: Path, rest: Callable[[float], None]) -> float:
    """Sweep to the end; returns the seconds that it took."""
    keep = Upkeep(
        bench.journal,
        bench.leadership,
        bench.clock,
        AuditTerms(file=folder / "checkpoints"),
        RetentionTerms(folder / "archive"),
    )
    begun = time.perf_counter()
    while not keep.state.swept_at:
        bench.leadership.step()
        for _ in range(20):
            stepped = time.perf_counter()
            keep.step()
            if keep.state.trouble:
                raise RuntimeError(keep.state.trouble)
            rest((time.perf_counter() - stepped) * 4)
    return time.perf_counter() - begun


def size_of(journal: Journal) -> int:
    """Return the journal's size in bytes."""
    with journal.read() as tx:
        return pruning.size(tx)


def measure(url: str, folder: Path, events: int) -> Iterator[str]:
    """Yield the cells of one line of the table."""
    bench = Bench(url)
    try:
        take_one_through(bench)
        Copier(bench.journal).write(events // (2 * _ALERTS))
        full = size_of(bench.journal)
        yield f"{events:,}"
        yield f"{full / 1e6:,.0f} MB"
        yield f"{full / events:,.0f} B"
        bench.clock.advance(_OLD.total_seconds())
        deliveries = Deliveries(bench.journal)
        took = sweep(bench, folder, time.sleep)
        waits = deliveries.stop()
        left = size_of(bench.journal)
        archive = sum(path.stat().st_size for path in (folder / "archive").iterdir())
        yield f"{left / 1e6:,.0f} MB"
        yield f"{archive / 1e6:,.0f} MB"
        yield f"{took:,.0f} s"
        p99 = statistics.quantiles(waits, n=100)[98]
        yield f"{p99 * 1000:.0f} ms"
        yield f"{waits[-1] * 1000:.0f} ms"
        yield "yes" if full < PROMISED * events / 1e6 and p99 < WAIT else "NO"
    finally:
        bench.close()


def main() -> int:
    """Measure both kinds of journal and print; 1 if a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    heads = (
        "journal", "alert events", "size", "per event", "after the sweep", "archive", "sweep took",
        "delivery meanwhile, p99", "slowest", "kept",
    )  # fmt: skip
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads), flush=True)
    kept = True
    server = PostgresServer()
    try:
        for name in ("SQLite", "PostgreSQL"):
            with tempfile.TemporaryDirectory(prefix="airwarden-size-") as path:
                folder = Path(path)
                url = f"sqlite:///{folder / 'journal.db'}"
                if name == "PostgreSQL":
                    url = server.fresh().sqlalchemy_url
                cells = list(measure(url, folder, options.events))
                print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
                kept &= cells[-1] == "yes"
    finally:
        server.stop()
    print(f"promised: a million events under {PROMISED / 1e9:g} GB; p99 under {WAIT * 1000:g} ms")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
