"""A real scheduler's loop time on a busy Airflow, with the exporter on and off.

Run as `python tests/bench/scheduler_loop.py [--rounds 12] [--seconds 15] [--dags 40] [--print]`; it says on
its way what it does. A scheduler of its own works on DAGs of empty tasks, which it ends by itself: it is
busy all the time, since each DAG is due more often than it can be served, and needs no worker. So a few
DAGs are enough, and to store them takes seconds. Airflow is the local platform's (`make platform`); it
reports each turn of its loop over StatsD to our listener. Periods with the exporter and without it
alternate, so that what drifts touches both alike. Prints medians, spread, what is noise and the verdict,
and writes the section of docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from airwarden.adapters.statsd import StatsdListener
from bench.fleet.page import LOOP_HEADING, write_section
from bench.fleet.serve import PORT
from support.eventually import eventually
from support.postgres import ROOT, Database, PostgresServer, airflow_venv
from support.servers import Child

#: What is promised.
LIMIT = 0.02
_LOOP = "scheduler.scheduler_loop_duration"
#: Turns of which a median says something.
_TURNS = 10
#: Runs that must have ended before it is measured: the scheduler has warmed up.
_ENDED = 20
#: Seconds that the set-up's longest steps may take on a busy machine, and after which they say how they stand.
_PATIENCE, _SAY_EVERY = 600.0, 15.0
_DAGS = """
from datetime import datetime, timedelta
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

for number in range({dags}):
    with DAG(
        f"busy_{{number}}", schedule=timedelta(seconds=2), start_date=datetime(2026, 1, 1), catchup=False,
        max_active_runs=4, is_paused_upon_creation=False, tags=["tier:high", f"team:t{{number % 10}}"],
    ) as dag:
        tasks = [EmptyOperator(task_id=f"t{{n}}") for n in range(8)]
        for first, second in zip(tasks, tasks[1:]):
            first >> second
    globals()[f"busy_{{number}}"] = dag
"""


def main() -> int:
    """Measure, print, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12, help="pairs of an on and an off period")
    parser.add_argument("--seconds", type=float, default=15.0, help="length of a period")
    parser.add_argument("--dags", type=int, default=40)
    parser.add_argument("--print", action="store_true", help="leave the page as it is")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="airwarden-loop-") as folder,
        _busy(Path(folder), options.dags) as (database, listener),
    ):
        on, off = _alternate(database, listener, Path(folder), options.rounds, options.seconds)
        _say("measured; stopping")
    text = section(on, off, options.rounds, options.seconds, options.dags)
    sys.stdout.write(text)
    if not options.print:
        write_section(LOOP_HEADING, text)
    return 0


def section(
    on: Sequence[Sequence[float]],
    off: Sequence[Sequence[float]],
    rounds: int,
    seconds: float,
    dags: int,
) -> str:
    """Return the page's section. `on` and `off` hold each period's turns, in milliseconds."""
    rows = []
    for name, periods in (("off", off), ("on", on)):
        medians = [statistics.median(period) for period in periods]
        turns = sum(len(period) for period in periods)
        spread = statistics.stdev(medians) if len(medians) > 1 else 0.0
        rows.append((name, turns, statistics.median(medians), spread, min(medians), max(medians)))
    without, with_it = rows[0][2], rows[1][2]
    pairs = [statistics.median(a) / statistics.median(b) - 1 for a, b in zip(on, off, strict=True)]
    error = statistics.stdev(pairs) / len(pairs) ** 0.5 if len(pairs) > 1 else 0.0
    mean = statistics.mean(pairs)
    fewest = min(len(period) for period in (*on, *off))
    lines = [
        LOOP_HEADING,
        "",
        f"Written by `tests/bench/scheduler_loop.py` on {os.cpu_count()} cores, load average "
        f"{os.getloadavg()[0]:.1f} at the end: a real scheduler, {dags} DAGs of eight empty tasks, a run each "
        f"due every 2 s; {rounds} pairs of periods of {seconds:g} s, alternating.",
        "",
        "| exporter | turns | median of the periods' medians, ms | standard deviation of them | least | most |",
        "|---|---:|---:|---:|---:|---:|",
        *(f"| {n} | {t:,} | {m:.1f} | {s:.1f} | {a:.1f} | {b:.1f} |" for n, t, m, s, a, b in rows),
        "",
        f"On beside off: {with_it / without - 1:+.1%} by the medians; by pairs of periods {mean:+.1%} ± "
        f"{error:.1%} (standard error). Noise: without the exporter, a period differs from the next such "
        f"one by {_noise(off):.1%} in the median. {_verdict(mean, error, fewest)}",
    ]
    return "\n".join(lines) + "\n"


def _noise(periods: Sequence[Sequence[float]]) -> float:
    """Return by what share the medians of one period and the next of its kind differ."""
    medians = [statistics.median(period) for period in periods]
    steps = [abs(b / a - 1) for a, b in itertools.pairwise(medians)]
    return statistics.median(steps) if steps else 0.0


def _verdict(mean: float, error: float, fewest: int) -> str:
    """Return what may be said of it; `fewest` are the turns of the period that had fewest."""
    if fewest < _TURNS:
        return f"Promised: under {LIMIT:.0%} apart; a period had {fewest} turns, too few to say."
    if mean + 2 * error < LIMIT:
        return f"Promised: under {LIMIT:.0%} apart; so it is, and surely (two standard errors)."
    if mean - 2 * error <= 0:
        return f"Promised: under {LIMIT:.0%} apart, or within noise; it is within noise."
    return f"Promised: under {LIMIT:.0%} apart, or within noise; this run does not show it."


def _say(what: str) -> None:
    """Tell what is being done, so that nobody takes a slow machine for a hang."""
    sys.stderr.write(f"{time.strftime('%T')} {what}\n")


def _alternate(
    database: Database, listener: StatsdListener, folder: Path, rounds: int, seconds: float
) -> tuple[list[list[float]], list[list[float]]]:
    on: list[list[float]] = []
    off: list[list[float]] = []
    for number in range(rounds):
        # Which comes first changes, so that a trend is nobody's advantage.
        for with_it in (True, False) if number % 2 else (False, True):
            if with_it:
                with _exporter(database, folder / "exporter.log"):
                    on.append(_period(listener, seconds))
            else:
                off.append(_period(listener, seconds))
            last = (on if with_it else off)[-1]
            _say(
                f"round {number + 1} of {rounds}, exporter {'on' if with_it else 'off'}: "
                f"{len(last)} turns, median {statistics.median(last):.1f} ms"
            )
    return on, off


def _period(listener: StatsdListener, seconds: float) -> list[float]:
    """Return the turns of one period, in milliseconds; its first seconds settle and are left out."""
    time.sleep(3.0)
    listener.drain()
    time.sleep(seconds)
    found = [s.value for s in listener.drain() if s.name == _LOOP]
    if not found:
        raise AssertionError("the scheduler reports no turn of its loop")
    return found


@contextmanager
def _exporter(database: Database, log: Path) -> Iterator[None]:
    """The exporter as a process, collecting at its own intervals."""
    log.unlink(missing_ok=True)
    process = Child([sys.executable, str(ROOT / "tests/bench/fleet/serve.py"), database.dsn], log)

    def serves() -> bool:
        process.check()
        return re.search(f"^{PORT}", log.read_text(), re.MULTILINE) is not None

    try:
        eventually(serves, within=60, what="the exporter serves")
        yield
    finally:
        process.stop(within=20)


@contextmanager
def _busy(folder: Path, dags: int) -> Iterator[tuple[Database, StatsdListener]]:
    """A scheduler at work, and who hears what it reports."""
    airflow = airflow_venv()
    _say("the package that Airflow reports with, fetched where it is not there")
    statsd = _statsd()
    (folder / "dags").mkdir()
    (folder / "dags" / "busy.py").write_text(_DAGS.format(dags=dags))
    server = PostgresServer(settings={"max_connections": "100", "shared_buffers": "512MB"})
    listener = StatsdListener("127.0.0.1", 0, wanted=(_LOOP,))
    listener.open()
    try:
        _say("the schema, migrated once and kept")
        database = server.fresh("airflow")
        surroundings = _environment(folder, database, listener.port, statsd)
        _store(airflow, surroundings, folder, database)
        database.execute("UPDATE dag SET is_paused = false, is_stale = false")
        scheduler = Child(
            [str(airflow / "bin/airflow"), "scheduler"], folder / "scheduler.log", surroundings
        )
        try:
            _settle(database, scheduler)
            _say("the scheduler is at work")
            yield database, listener
        finally:
            scheduler.stop()
    finally:
        listener.close()
        server.stop()


def _statsd() -> Path:
    """Return a folder with Airflow's client of StatsD, which the platform's environment does without."""
    folder = ROOT / ".cache" / "statsd"
    if not (folder / "statsd").exists():
        subprocess.run(
            [str(ROOT / ".venv/bin/uv"), "pip", "install", "--quiet", "--target", str(folder), "statsd"],
            check=True,
        )  # fmt: skip
    return folder


def _store(
    airflow: Path, surroundings: Mapping[str, str], folder: Path, database: Database
) -> None:
    """Let Airflow parse the DAGs and store them, and say how far it is."""
    log = folder / "reserialize.log"
    program = Child([str(airflow / "bin/airflow"), "dags", "reserialize"], log, surroundings)

    def stored() -> bool:
        ended = program.process.poll()
        if ended:
            raise RuntimeError(f"the DAGs are not stored: {_tail(log)}")
        return ended is not None

    try:
        _watch("storing the DAGs", stored, lambda: _count(database, "serialized_dag"))
    finally:
        program.stop()


def _settle(database: Database, scheduler: Child) -> None:
    """Wait until the scheduler ends runs while others wait for it."""

    def busy() -> bool:
        if scheduler.process.poll() is not None:
            raise RuntimeError(f"the scheduler has ended: {_tail(scheduler.log)}")
        runs = _count(database, "dag_run")
        return runs.get("success", 0) >= _ENDED and runs.get("running", 0) > 0

    try:
        _watch("the scheduler begins", busy, lambda: _count(database, "dag_run"))
    except AssertionError:
        _say(f"the scheduler says:\n{_tail(scheduler.log)}")
        raise


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-3000:]


def _watch(what: str, done: Callable[[], bool], state: Callable[[], object]) -> None:
    """Wait for something that takes long on a busy machine, and say every now and then how it stands."""
    _say(what)
    said = time.monotonic()

    def look() -> bool:
        nonlocal said
        if done():
            return True
        if time.monotonic() - said > _SAY_EVERY:
            said = time.monotonic()
            _say(f"{what}: {state()}")
        return False

    eventually(look, within=_PATIENCE, every=0.5, what=what)


def _count(database: Database, table: str) -> dict[str, int]:
    """Return the rows of a table, by state where it has one."""
    state = "state" if table == "dag_run" else "'rows'"
    rows = database.execute(f"SELECT {state}, count(*)::int FROM {table} GROUP BY 1")
    return {str(name): int(number) for name, number in rows}


def _environment(
    folder: Path, database: Database, statsd_port: int, packages: Path
) -> dict[str, str]:
    settings = {
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__DAGS_FOLDER": str(folder / "dags"),
        "CORE__EXECUTOR": "LocalExecutor",
        "API_AUTH__JWT_SECRET": "loop" * 20,
        "DATABASE__SQL_ALCHEMY_CONN": database.dsn.replace(
            "postgresql://", "postgresql+psycopg2://", 1
        ),
        "METRICS__STATSD_ON": "True",
        "METRICS__STATSD_HOST": "127.0.0.1",
        "METRICS__STATSD_PORT": str(statsd_port),
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",
    }
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(packages),
        "HOME": str(folder),
        "AIRFLOW_HOME": str(folder),
        **{f"AIRFLOW__{name}": value for name, value in settings.items()},
    }


if __name__ == "__main__":
    sys.exit(main())
