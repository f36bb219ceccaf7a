"""What our exporter costs on a filled fleet: wall time, database time, buffers, series."""

from __future__ import annotations

import gc
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psycopg

from airwarden.adapters.clock import SystemClock
from airwarden.adapters.metadata_database import PostgresMetadata
from airwarden.exporters.caps import series_of
from airwarden.exporters.collector import Collector
from airwarden.exporters.collectors import collectors_for
from airwarden.exporters.live_tasks import FRESH
from airwarden.exporters.sources import ClusterSources
from bench.fleet.serve import PORT
from support.postgres import ROOT, Database

#: Collects before the measured ones: the first one begins, the second one settles.
_WARM, _MEASURED = 2, 5
_COST = """
SELECT coalesce(sum(total_exec_time), 0), coalesce(sum(shared_blks_hit + shared_blks_read), 0)
FROM pg_stat_statements AS s JOIN pg_database AS d ON d.oid = s.dbid
WHERE d.datname = current_database() AND query NOT LIKE '%pg_stat_statements%'
"""


@dataclass(frozen=True)
class Cost:
    """One collect: seconds of wall time and within the database, buffers touched, series.

    Attributes:
        least_wall, least_database: The least of the measured ones, where the others are medians: what it
            costs when nothing else wants the processor.
        interval: Seconds from one to the next.
        processor: Seconds of a processor that it took, here and in the database, whatever else ran.
    """

    name: str
    wall: float
    database: float
    buffers: int
    series: int
    least_wall: float = 0.0
    least_database: float = 0.0
    interval: float = 60.0
    processor: float = 0.0


def costs(database: Database) -> list[Cost]:
    """Return the median cost of each collector's steady collect, all of them after another.

    Each round begins when the unfinished tasks have to be read again: the first collector that asks for
    them reads them, and the others have them from it, as in service.
    """
    metadata = PostgresMetadata(database.dsn)
    metadata.open()
    rounds = []
    try:
        collectors = collectors_for(ClusterSources("bench", database=metadata), SystemClock())
        with database.connect() as meter:
            for number in range(_WARM + _MEASURED):
                if number == _WARM:  # as the exporter does after its first collects
                    gc.collect()
                    gc.freeze()
                rounds.append([_cost(meter, collector) for collector in collectors])
                time.sleep(FRESH)
    finally:
        gc.unfreeze()
        metadata.close()
    return [_median(found) for found in zip(*rounds[_WARM:], strict=True)]


def labels_cost(database: Database) -> Cost:
    """Return what looking whether the fleet's labels changed costs, once a minute."""
    metadata = PostgresMetadata(database.dsn)
    metadata.open()
    try:
        found = []
        for _ in range(_MEASURED):
            database.execute("SELECT pg_stat_statements_reset()")
            begun = time.perf_counter()
            metadata.rows("dags_digest")
            wall = time.perf_counter() - begun
            milliseconds, buffers = database.execute(_COST)[0]
            found.append(Cost("labels (once a minute)", wall, milliseconds / 1000, int(buffers), 0))
        return _median(found)
    finally:
        metadata.close()


def _cost(meter: psycopg.Connection[tuple[Any, ...]], collector: Collector) -> Cost:
    meter.execute("SELECT pg_stat_statements_reset()")
    begun, spent = time.perf_counter(), _spent(meter)
    families = collector.collect()
    wall, spent = time.perf_counter() - begun, _spent(meter) - spent
    milliseconds, buffers = meter.execute(_COST).fetchall()[0]
    series = sum(series_of(family) for family in families)
    return Cost(
        collector.name,
        wall,
        milliseconds / 1000,
        int(buffers),
        series,
        interval=collector.interval,
        processor=spent,
    )


def _spent(meter: psycopg.Connection[tuple[Any, ...]]) -> float:
    """Return the seconds of a processor that this thread and the exporter's sessions have taken."""
    pids = meter.execute(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'airwarden'"
    ).fetchall()
    return time.thread_time() + sum(on_processor(pid) for (pid,) in pids)


def on_processor(pid: int) -> float:
    """Return the seconds of a processor that a process with one thread has taken, to the nanosecond."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def _median(found: Sequence[Cost]) -> Cost:
    return Cost(
        found[0].name,
        statistics.median(cost.wall for cost in found),
        statistics.median(cost.database for cost in found),
        int(statistics.median(cost.buffers for cost in found)),
        found[-1].series,
        min(cost.wall for cost in found),
        min(cost.database for cost in found),
        found[0].interval,
        statistics.median(cost.processor for cost in found),
    )


@dataclass(frozen=True)
class Served:
    """The whole exporter as a process of its own.

    Attributes:
        bootstrap: Seconds from its start to the end of every first collect.
        kept, new: Scrapes with gzip by ten scrapers at once, each on a connection that it keeps, as Prometheus
            does, and on a new one each time.
        page: Bytes of the page, gzipped.
        peak: Bytes of resident memory at most.
    """

    bootstrap: float
    kept: Scrapes
    new: Scrapes
    page: int
    peak: int


@dataclass(frozen=True)
class Scrapes:
    """Seconds that they took."""

    median: float
    p99: float
    most: float


def served(database: Database, scrapes: int = 100) -> Served:
    """Run the exporter as a process and scrape it with ten scrapers at once."""
    with exporter_process(database.dsn) as (process, port):
        begun = time.monotonic()
        while not _answers(port, "/readyz"):
            if time.monotonic() - begun > 120:
                raise TimeoutError("the exporter is not ready within two minutes")
            time.sleep(0.05)
        bootstrap = time.monotonic() - begun
        kept, new = (_scraped(port, scrapes, keep=keep) for keep in (True, False))
        page = len(_get(port, "/metrics"))
        status = Path(f"/proc/{process.pid}/status").read_text()
        peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
    return Served(bootstrap, kept, new, page, peak)


def _scraped(port: int, scrapes: int, *, keep: bool) -> Scrapes:
    """Scrape with ten scrapers at once, so many times each."""
    times: list[float] = []

    def scrape() -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        for _ in range(scrapes):
            at = time.perf_counter()
            connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
            connection.getresponse().read()
            times.append(time.perf_counter() - at)
            if not keep:
                connection.close()
            time.sleep(0.1)
        connection.close()

    scrapers = [threading.Thread(target=scrape) for _ in range(10)]
    for scraper in scrapers:
        scraper.start()
    for scraper in scrapers:
        scraper.join()
    ordered = sorted(times)
    if len(ordered) < 10 * scrapes:
        raise AssertionError("a scrape failed")
    return Scrapes(statistics.median(ordered), ordered[int(0.99 * len(ordered))], ordered[-1])


@contextmanager
def exporter_process(dsn: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the exporter of one metadata database; yields it and its port."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "serve.py"), dsn],
        stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        port = next(line for line in process.stdout if line.startswith(PORT))
        yield process, int(port.removeprefix(PORT))
    finally:
        process.terminate()
        process.wait(20)
        if process.stdout is not None:
            process.stdout.close()


def _get(port: int, path: str) -> bytes:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", headers={"Accept-Encoding": "gzip"}
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        body: bytes = reply.read()
    return body


def _answers(port: int, path: str) -> bool:
    try:
        _get(port, path)
    except OSError:
        return False
    return True
