"""How fast alerts are acknowledged, taken and acted on, by a remediator over HTTP on either journal.

Run as `python tests/bench/intake.py [sqlite|postgresql] [acknowledged|storm|first_effect]`; prints a
line for each measure, with what is promised beside what was measured. The remediator is a process of its own, and its journal is flushed to disk at each
commit.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.eventually import eventually
from support.load import Loaded, alerts, bodies, post_at
from support.postgres import PostgresServer

#: Requests a second, and for how many seconds.
RATE, LASTS = 200, 20
STORM = 10_000
JOURNALS = ("sqlite", "postgresql")


@contextmanager
def journal(kind: str, folder: Path) -> Iterator[str]:
    """Yield the URL of a fresh journal."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'journal.db'}"
        return
    server = PostgresServer(durable=True)
    try:
        yield server.fresh().sqlalchemy_url
    finally:
        server.stop()


@contextmanager
def loaded(kind: str) -> Iterator[Loaded]:
    """Yield a remediator on a fresh journal."""
    with tempfile.TemporaryDirectory(prefix="airwarden-bench-") as name:
        folder = Path(name)
        with journal(kind, folder) as url:
            remediator = Loaded(folder, url)
            try:
                yield remediator
            finally:
                remediator.stop()


def acknowledged(kind: str) -> str:
    """Distinct alerts, one a request, at a fixed rate."""
    with loaded(kind) as remediator:
        posts = bodies(alerts(RATE * LASTS, prefix="ack"), each=1)
        answers = post_at(remediator.port, posts, per_second=RATE)
        assert answers.accepted == len(posts), "not every request was acknowledged"
        eventually(lambda: remediator.taken("ack") == len(posts), within=60, what="all are taken")
        half, most, worst = answers.percentile(0.5), answers.percentile(0.99), max(answers.seconds)
    return (
        f"acknowledged at {RATE}/s for {LASTS} s: p50 {half * 1000:.0f} ms,"
        f" p99 {most * 1000:.0f} ms, worst {worst * 1000:.0f} ms (promised: p99 under 250 ms)"
    )


def storm(kind: str) -> str:
    """Distinct alerts, a thousand a request, as fast as they are acknowledged."""
    with loaded(kind) as remediator:
        posts = bodies(alerts(STORM, prefix="storm"), each=1000)
        begun = time.perf_counter()
        answers = post_at(remediator.port, posts, per_second=1000, connections=4)
        acknowledged = time.perf_counter() - begun
        assert answers.accepted == len(posts), "not every request was acknowledged"
        eventually(lambda: remediator.taken("storm") == STORM, within=300, what="all are taken")
        taken = time.perf_counter() - begun
        time.sleep(max(0.0, 60 - taken))  # the first minute
        pages = remediator.pages()
    return (
        f"{STORM} distinct alerts: acknowledged in {acknowledged:.1f} s, taken in {taken:.1f} s"
        f" (promised: under 10 s, none lost); {pages} pages in the first minute for 10 groups"
        " (promised: at most one each)"
    )


def first_effect(kind: str) -> str:
    """Faults at a rate below a storm's, each with a remedy."""
    with loaded(kind) as remediator:
        posts = bodies(alerts(40, prefix="act", per_second=0.8), each=1)
        post_at(remediator.port, posts, per_second=0.8)
        eventually(lambda: len(remediator.to_effect()) == len(posts), within=90, what="all effects")
        found = sorted(remediator.to_effect())
    return (
        f"alert to first effect beyond the confirming: p50 {found[len(found) // 2]:.1f} s,"
        f" p99 {found[-1]:.1f} s (promised: p99 under 15 s)"
    )


MEASURES = {one.__name__: one for one in (acknowledged, storm, first_effect)}


def main() -> None:
    """Print a line for each measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("journal", nargs="?", choices=JOURNALS, help="one journal alone")
    parser.add_argument("measure", nargs="?", choices=list(MEASURES), help="one measure alone")
    options = parser.parse_args()
    for kind in (options.journal,) if options.journal else JOURNALS:
        for name in (options.measure,) if options.measure else MEASURES:
            print(f"{kind}: {MEASURES[name](kind)}", flush=True)


if __name__ == "__main__":
    main()
