"""Runs the other exporters against the same database, where they can be had."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from support.postgres import ROOT, Database, airflow_venv
from support.servers import Child, free_port

_EXPORTER = "airflow-exporter==2.1.0"
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Peer:
    """What one collection of another exporter costs.

    Attributes:
        note: How it was measured, or why it was not.
        processor: Seconds of a processor, its own and the database's; None where it was not measured.
    """

    name: str
    note: str
    seconds: float | None = None
    series: int | None = None
    processor: float | None = None


def airflow_exporter(database: Database, sample: int = 200) -> Peer:
    """Measure airflow-exporter with Airflow's interpreter, its DAG reads for a sample and scaled."""
    name = "airflow-exporter 2.1.0"
    folder = ROOT / ".cache" / "airflow-exporter-2.1.0"
    if not (folder / "airflow_exporter").exists() and not _install(folder):
        return Peer(name, "could not be installed here, so it is not compared")
    with tempfile.TemporaryDirectory(prefix="airwarden-bench-") as home:
        done = subprocess.run(
            [str(airflow_venv() / "bin" / "python"), str(_HERE / "airflow_exporter_sample.py"), str(sample)],
            capture_output=True, text=True, timeout=900,
            env={
                "PATH": os.environ["PATH"], "HOME": home, "AIRFLOW_HOME": home,
                "PYTHONPATH": str(folder), "PYTHONWARNINGS": "ignore",
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database.dsn.replace(
                    "postgresql://", "postgresql+psycopg2://", 1
                ),
            },
        )  # fmt: skip
    if done.returncode:
        return Peer(name, f"failed: {done.stderr.strip().splitlines()[-1][:120]}")
    found = json.loads(done.stdout.splitlines()[-1])
    seconds = found["sql_seconds"] + found["reads"] * found["read_seconds"]
    note = (
        f"its SQL in full {found['sql_seconds']:.1f} s; {found['reads']:,} reads of one serialized DAG, "
        f"scaled from {found['sample']} of {found['tasks_each']:.1f} tasks each at "
        f"{found['read_seconds'] * 1000:.1f} ms"
    )
    processor = found["sql_processor"] + found["reads"] * found["read_processor"]
    return Peer(name, note, seconds, found["series"], processor)


def postgres_exporter(database: Database) -> Peer:
    """Measure Debian's prometheus-postgres-exporter: the median of five scrapes."""
    name = "prometheus-postgres-exporter (Debian)"
    program = shutil.which("prometheus-postgres-exporter")
    if program is None:
        return Peer(name, "not installed: apt-get install prometheus-postgres-exporter")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="airwarden-bench-") as folder:
        child = Child(
            [program, f"--web.listen-address=127.0.0.1:{port}"],
            Path(folder) / "log",
            {"DATA_SOURCE_NAME": f"{database.dsn}?sslmode=disable"},
        )
        try:
            return _scraped(name, port)
        finally:
            child.stop()


def _scraped(name: str, port: int) -> Peer:
    times: list[float] = []
    page = ""
    deadline = time.monotonic() + 20
    while len(times) < 6:
        begun = time.perf_counter()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as reply:
                page = reply.read().decode()
        except OSError:
            if time.monotonic() > deadline:
                return Peer(name, "did not answer within 20 s")
            time.sleep(0.1)
            continue
        times.append(time.perf_counter() - begun)
    series = sum(1 for line in page.splitlines() if line and line[0] != "#")
    note = "the database alone; wall time of a scrape, median of five"
    return Peer(name, note, sorted(times[1:])[2], series)


def _install(folder: Path) -> bool:
    """Install the package without what it needs: Airflow's environment has that."""
    for command in ([sys.executable, "-m", "pip"], ["uv", "pip"], ["python3", "-m", "pip"]):
        arguments = [*command, "install", "-q", "--no-deps", "--target", str(folder), _EXPORTER]
        try:
            done = subprocess.run(arguments, capture_output=True, timeout=120)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            return True
    return False
