"""`python -m bench.fleet fill DSN`, `python -m bench.fleet live DSN`: a fleet in a database of one's own."""

from __future__ import annotations

import argparse
import sys

from bench.fleet.fill import fill
from bench.fleet.mover import Mover, Pace
from bench.fleet.shape import PEAK_DAILY_RUNS, Shape, fleet


def main(arguments: list[str]) -> None:
    """Fill a database that holds Airflow's schema, or let a filled one live."""
    parser = argparse.ArgumentParser(prog="python -m bench.fleet", description=__doc__)
    parser.add_argument("do", choices=("fill", "live"))
    parser.add_argument(
        "dsn", help="a libpq URL; to fill, of a superuser and Airflow's empty schema"
    )
    parser.add_argument("--factor", type=float, default=1.0, help="1 is 15,000 DAGs")
    parser.add_argument("--history", type=float, default=1.0, help="share of the finished runs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=10_000, help="live: runs to make")
    parser.add_argument("--per-day", type=float, default=PEAK_DAILY_RUNS, help="live: runs a day")
    parser.add_argument("--burst", type=float, default=1.0, help="live: multiplies --per-day")
    parser.add_argument("--speed", type=float, default=1.0, help="live: divides durations")
    options = parser.parse_args(arguments)
    shape = Shape(options.factor, options.history, options.seed)
    if options.do == "fill":
        fill(options.dsn, shape, print)
        return
    pace = Pace(per_day=options.per_day, burst=options.burst, speed=options.speed)
    mover = Mover(options.dsn, fleet(shape), pace, options.seed)
    try:
        mover.live(options.runs, within=float("inf"))
    finally:
        mover.close()


if __name__ == "__main__":
    main(sys.argv[1:])
