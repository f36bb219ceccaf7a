"""How long three replicas on PostgreSQL are without a leader that acts, for each way to lose one.

`python tests/bench/failover.py --repetitions 20` prints the table of docs/reference/reliability.md;
without an option each fault is tried three times. Production's lease (15 s, renewed every 5 s).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.failover import EACH, FAULTS, MEDIAN, fail_over
from support.postgres import PostgresServer


def main() -> int:
    """Measure and print; 1 if a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--fault", choices=list(FAULTS), action="append")
    options = parser.parse_args()
    server = PostgresServer()
    kept = True
    print("| fault | repetitions | median, s | slowest, s | lease moved, median, s |")
    print("|---|---|---|---|---|", flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix="airwarden-failover-") as folder:
            for fault in options.fault or FAULTS:
                took = []
                for number in range(options.repetitions):
                    database = server.fresh()
                    took.append(fail_over(Path(folder), database, fault, number))
                    server.drop(database)
                acted = [one.acted for one in took]
                led = median(one.led for one in took)
                print(
                    f"| {fault} | {len(took)} | {median(acted):.1f} | {max(acted):.1f} | {led:.1f} |",
                    flush=True,
                )
                kept &= median(acted) < MEDIAN and max(acted) < EACH
    finally:
        server.stop()
    print(f"promised: median under {MEDIAN:g} s, each under {EACH:g} s")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
