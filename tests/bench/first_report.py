"""How long it takes from nothing to a report on one's own platform: the README's proof, taken literally.

`python tests/bench/first_report.py [FACTOR]` builds the wheel from this tree; then, timed as whoever tries it would
do it: a new virtual environment, `pip install` without a cache, and `airwarden backtest --dsn … --html` in an empty folder,
as a role that has only the shipped grants on a database that is there. Exits with 1 if that takes five minutes,
or the report is none. At full size of the fleet the figures go to docs/reference/benchmarks.md.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from airwarden.adapters.metadata_schemas import grants
from bench import child
from bench.child import Ended
from bench.fleet.page import FIRST_REPORT_HEADING, write_section
from bench.fleet.shape import Shape
from bench.fleet.store import fleet_server, kept
from support.postgres import ROOT, Database, PostgresServer

#: Seconds from nothing to the report.
PROMISED = 300.0
READER = "first_reader"


@dataclass(frozen=True, slots=True)
class Took:
    """What each part took, and what came of them."""

    environment: Ended
    install: Ended
    backtest: Ended
    packages: int
    report: dict[str, Any]
    html: int

    @property
    def whole(self) -> float:
        """Seconds from nothing to the report."""
        return self.environment.seconds + self.install.seconds + self.backtest.seconds


def run(*command: str | Path, cwd: Path, environ: dict[str, str] | None = None) -> Ended:
    """Run a command as somebody would who has nothing of ours in the environment."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("AIRWARDEN_", "PYTHON"))}
    return child.run(command, cwd, {**clean, **(environ or {})})


@contextmanager
def reader(server: PostgresServer, database: Database) -> Iterator[str]:
    """A role with the shipped grants and no others; its DSN."""
    database.execute(f"DROP ROLE IF EXISTS {READER}")
    database.execute(f"CREATE ROLE {READER} LOGIN PASSWORD 'reads'")
    database.execute(grants(READER))
    try:
        yield database.dsn_as(READER, "reads")
    finally:
        server.drop(database)
        Database("postgres", server.port).execute(f"DROP ROLE {READER}")


def took(folder: Path, wheel: Path, dsn: str, until: str) -> Took:
    """Go the whole way."""
    environment = run(sys.executable, "-m", "venv", "venv", cwd=folder)
    python = folder / "venv/bin/python"
    install = run(python, "-m", "pip", "install", "--quiet", "--no-cache-dir", wheel, cwd=folder)
    listed = run(python, "-m", "pip", "list", "--format", "json", cwd=folder)
    empty = folder / "empty"
    empty.mkdir()
    command: list[str | Path] = [
        folder / "venv/bin/airwarden", "backtest", "--days", "30", "--until", until,
        "--html", "report.html", "--output", "json",
    ]  # fmt: skip
    backtest = run(*command, cwd=empty, environ={"AIRWARDEN_BACKTEST_DSN": dsn})
    return Took(
        environment,
        install,
        backtest,
        len(json.loads(listed.printed)),
        json.loads(backtest.printed),
        (empty / "report.html").stat().st_size,
    )


def section(found: Took) -> str:
    """Return what the page says."""
    report = found.report
    return "\n".join(
        [
            FIRST_REPORT_HEADING,
            "",
            f"Written by `tests/bench/first_report.py` on 2 cores, load average {os.getloadavg()[0]:.1f}: from nothing to the"
            " HTML report,",
            f"on a database that is there ({report['dags']:,} DAGs, {report['runs']:,} runs of thirty days, their task attempts"
            " too, every threshold",
            "varied), by a role with the shipped grants alone.",
            "",
            "| step | seconds | of a processor | MB at most |",
            "|---|---:|---:|---:|",
            _row("`python -m venv`", found.environment),
            _row(
                f"`pip install` of the wheel and {found.packages - 1} packages, nothing cached",
                found.install,
            ),
            _row("`airwarden backtest --dsn … --days 30 --html report.html`", found.backtest),
            f"| **all of it** | **{found.whole:.0f}** | | |",
        ]
    )


def _row(step: str, ended: Ended) -> str:
    return f"| {step} | {ended.seconds:.0f} | {ended.processor:.0f} | {ended.memory:.0f} |"


def main() -> int:
    """Measure and print; 1 if it takes too long or nothing comes of it."""
    shape = Shape(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
    with tempfile.TemporaryDirectory() as name, fleet_server() as server:
        folder = Path(name)
        run(
            sys.executable,
            "-m",
            "build",
            "--wheel",
            "--no-isolation",
            "--outdir",
            folder,
            ROOT,
            cwd=ROOT,
        )
        (wheel,) = folder.glob("*.whl")
        template = kept(server, shape, print)
        database = Database("first_report", server.port)
        server.drop(database)
        server.create(database.name, template.name)
        # What was open when the fleet was filled never goes on: the replay ends before it.
        until = database.execute(
            "SELECT to_char(min(run_after) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
            " FROM dag_run WHERE state IN ('queued', 'running')"
        )[0][0]
        with reader(server, database) as dsn:
            found = took(folder, wheel, dsn, until)
    text = section(found)
    sys.stdout.write(
        f"{text}\n\nthe report: {found.html / 1024:,.0f} KiB, {len(found.report['pages'])} pages and messages\n"
    )
    if shape.factor == 1.0:
        write_section(FIRST_REPORT_HEADING, text)
    right = found.whole < PROMISED and found.html > 10_000 and bool(found.report["rows"])
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
