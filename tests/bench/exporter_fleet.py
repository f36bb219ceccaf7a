"""What one collection costs on a fleet of 15,000 DAGs: ours beside the exporters that are in use.

Run as `python tests/bench/exporter_fleet.py [factor]`. Fills the fleet the first time (minutes; kept under
`.cache/fleet`), prints tables, and at full size writes them to docs/reference/benchmarks.md.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.fleet.cost import Cost, Served, costs, labels_cost, served
from bench.fleet.page import OTHERS, write_all_but
from bench.fleet.shape import Shape
from bench.fleet.store import copy, fleet_server
from bench.peers.run import Peer, airflow_exporter, postgres_exporter


def main(factor: float) -> None:
    """Measure, print, and write the page."""
    full, tenth = Shape(factor), Shape(factor, history=0.1)
    with fleet_server() as server:
        with copy(server, tenth, print) as database:
            less = costs(database)
        with copy(server, full, print) as database:
            found = costs(database)
            labels = labels_cost(database)
            process = served(database)
            peers = [postgres_exporter(database), airflow_exporter(database)]
    text = page(full, found, less, labels, process, peers)
    sys.stdout.write(text)
    if factor == 1.0:
        write_all_but(OTHERS, text)


def page(
    shape: Shape,
    found: Sequence[Cost],
    less: Sequence[Cost],
    labels: Cost,
    process: Served,
    peers: Sequence[Peer],
) -> str:
    """Return the page."""
    wall, seconds = sum(c.wall for c in found), sum(c.database for c in found)
    processor = sum(c.processor for c in found)
    buffers, series = sum(c.buffers for c in found), sum(c.series for c in found)
    lines = [
        "# Benchmarks",
        "",
        f"Written by `make bench` (`tests/bench/exporter_fleet.py`) on {os.cpu_count()} cores, "
        f"{platform.machine()}, load average {os.getloadavg()[0]:.1f} at the end; PostgreSQL with 2 GB of "
        "shared buffers on the same machine.",
        "",
        f"The fleet: {shape.dags:,} DAGs, {shape.runs:,} runs, {shape.tasks:,} task instances, of which "
        f"{shape.live['running']:,} running and {shape.live['queued']:,} queued, in Airflow's own schema.",
        "",
        "## One steady refresh of every collector",
        "",
        "A refresh is one collect of each collector, one after the other, however long their intervals are; "
        "medians of five. In service each runs at its own interval: the last column is what its collects keep "
        "of one of the database's processors.",
        "",
        "| collector | wall ms | database ms | buffers | with a tenth of the history | series | every | share |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    few = {cost.name: cost for cost in less}
    lines += [
        f"| {cost.name} | {cost.wall * 1000:.1f} | {cost.database * 1000:.1f} | "
        f"{cost.buffers:,} | {few[cost.name].buffers:,} | {cost.series:,} | {cost.interval:.0f} s | "
        f"{cost.database / cost.interval:.2%} |"
        for cost in sorted(found, key=lambda cost: -cost.database)
    ]
    total = sum(c.buffers for c in less)
    share = sum(c.database / c.interval for c in (*found, labels))
    lines += [
        f"| **all** | **{wall * 1000:.0f}** | **{seconds * 1000:.0f}** | **{buffers:,}** | "
        f"**{total:,}** ({buffers / total - 1:+.0%}) | **{series:,}** | | **{share:.2%}** |",
        f"| all, of a processor, here and in the database | "
        f"{sum(c.processor for c in found) * 1000:.0f} | | | | | | |",
        f"| all, the least of five each | {sum(c.least_wall for c in found) * 1000:.0f} | "
        f"{sum(c.least_database for c in found) * 1000:.0f} | | | | | |",
        f"| {labels.name} | {labels.wall * 1000:.1f} | {labels.database * 1000:.1f} | "
        f"{labels.buffers:,} | | | 60 s | {labels.database / 60:.2%} |",
        "",
        "## The exporter as a process",
        "",
        "| | |",
        "|---|---:|",
        f"| start to the end of every first collect | {process.bootstrap:.1f} s |",
        *(
            f"| `/metrics`, ten scrapers at once, gzip, {how}: median, p99, most | {one.median * 1000:.1f}, "
            f"{one.p99 * 1000:.1f}, {one.most * 1000:.1f} ms |"
            for how, one in (
                ("connections kept as Prometheus does", process.kept),
                ("a new one each time", process.new),
            )
        ),
        f"| page, gzipped | {process.page / 1024:.0f} KiB |",
        f"| peak resident memory | {process.peak / 1e6:.0f} MB |",
        "",
        "## Beside others, on the same database in the same run",
        "",
        "A processor's seconds are those of the exporter and of its sessions in the database: they hold whatever "
        "else runs on the machine.",
        "",
        "| | seconds a collection | of a processor | series | how it was measured |",
        "|---|---:|---:|---:|---|",
        f"| airwarden | {wall:.2f} | {processor:.3f} | {series:,} | all collectors of the metadata database, "
        "steady |",
    ]
    for peer in peers:
        cost_text = "–" if peer.seconds is None else f"{peer.seconds:.2f}"
        count = "–" if peer.series is None else f"{peer.series:,}"
        own = "–" if peer.processor is None else f"{peer.processor:.3f}"
        lines.append(f"| {peer.name} | {cost_text} | {own} | {count} | {peer.note} |")
        if peer.seconds is not None and peer.processor is not None:
            lines.append(
                f"| | {peer.seconds / wall:,.0f} times | {peer.processor / processor:,.0f} times | "
                f"{(peer.series or 0) / max(series, 1):.1f} times | |"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
