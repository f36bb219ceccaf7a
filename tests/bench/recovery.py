"""How long a killed remediator on SQLite takes, from its start, until it goes on with what it was at.

`python tests/bench/recovery.py --repetitions 10`: the real program is killed by SIGKILL in the middle
of a run and started again; it has recovered when it leads and the run is in its hands.
"""

from __future__ import annotations

import argparse
import signal
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.eventually import eventually
from support.postgres import PostgresServer
from support.site import Site

#: Seconds that it may take.
PROMISED = 5.0


def claimed(journal: Path) -> int:
    """Return the fencing token that the run was last worked on under, 0 before there is one."""
    with sqlite3.connect(f"file:{journal}?mode=ro", uri=True, timeout=5) as connection:
        row = connection.execute("SELECT max(claim_token) FROM run").fetchone()
        return int(row[0] or 0)


def recover(folder: Path, database: str) -> tuple[float, float]:
    """Kill a remediator in the middle of a run, and return how long the next one takes.

    Seconds, and seconds of processor time: what it takes on a machine that does nothing else.
    """
    journal = folder / "journal.db"
    site = Site(folder, f"sqlite:///{journal}", database, times=10, every="1s")
    try:
        first = site.start()
        assert first.post(site.freeze("scheduler")) == 200
        eventually(lambda: claimed(journal) == 1, within=30, what="a run is under way")
        first.child.process.send_signal(signal.SIGKILL)
        first.child.process.wait(10)
        began = time.monotonic()
        heir = psutil.Process(site.spawn().pid)
        eventually(lambda: claimed(journal) == 2, within=60, every=0.02, what="the run goes on")
        took, work = time.monotonic() - began, heir.cpu_times()
        return took, work.user + work.system
    finally:
        site.close()


def main() -> int:
    """Measure and print; 1 if the promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    server = PostgresServer()
    try:
        took = []
        for _ in range(options.repetitions):
            with tempfile.TemporaryDirectory(prefix="airwarden-recovery-") as folder:
                took.append(recover(Path(folder), server.fresh("airflow").dsn))
    finally:
        server.stop()
    seconds, work = [one for one, _ in took], median(one for _, one in took)
    print("| repetitions | median, s | slowest, s | processor time, median, s | promised, s |")
    print("|---|---|---|---|---|")
    print(
        f"| {len(took)} | {median(seconds):.1f} | {max(seconds):.1f} | {work:.1f} | {PROMISED:g} |"
    )
    return 0 if max(seconds) < PROMISED else 1


if __name__ == "__main__":
    sys.exit(main())
