"""What the panels of all dashboards cost a real Prometheus at 15,000 DAGs, each as Grafana asks for it.

Run as `python tests/bench/panels.py [factor] [minutes]`. The exporter serves the fleet, which lives; Prometheus
scrapes it and evaluates every rule for some minutes, and gets, of all series that a dashboard asks for, a past as
long as the dashboard shows. Then every panel's queries are asked, three times each. Exits with 1 if a panel takes
more than half a second, or is empty and not excused. At full size the figures go to docs/reference/benchmarks.md.
"""

from __future__ import annotations

import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import promql_parser

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from airwarden.rules.lint import vector_selectors
from bench.fleet.mover import Mover, Pace
from bench.fleet.page import PANELS_HEADING, write_section
from bench.fleet.shape import Shape, fleet
from bench.fleet.store import copy, fleet_server
from bench.rule_evaluation import last_hour
from support.eventually import eventually
from support.filled import FILLED_SCRAPE, Filled, filled
from support.panels import Asked, Panel, ask, asking
from support.redis import RedisServer

#: Seconds that a panel may take.
MOST = 0.5
#: Seconds of a block, of the nearer past, and between two samples in it and before it. As dense as scrapes, the past
#: would take promtool half an hour to write.
_BLOCK, _NEAR, _DENSE, _SPARSE = 7200, 6 * 3600, 60, 240
#: Seconds before now at which that past ends: the hour behind it is there.
_GAP = 3900
_SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(\{.*\})? (\S+) \d+$")
_GROWS = re.compile(r"_(total|bucket|count|sum)$")


@dataclass(frozen=True)
class Found:
    """What was measured.

    Attributes:
        panels: Each with its three times.
        processor: Seconds of Prometheus' processor for one of them, scrapes and rules meanwhile included.
        series: In Prometheus, the past's among them.
        samples: Of the past.
    """

    panels: Mapping[Panel, Sequence[Asked]]
    processor: Mapping[Panel, float]
    series: int
    samples: int


def main(factor: float, minutes: float) -> int:
    """Measure, print, and write the section."""
    shape = Shape(factor)
    redis = RedisServer()
    with (
        tempfile.TemporaryDirectory() as folder,
        fleet_server() as server,
        copy(server, shape, print) as database,
        filled(database, redis, Path(folder), scrape=FILLED_SCRAPE, history=last_hour) as made,
    ):
        mover = Mover(database.dsn, fleet(shape), Pace())
        begun = time.monotonic()
        while time.monotonic() < begun + minutes * 60:
            mover.step(time.monotonic() - begun)
            time.sleep(0.5)
        with httpx.Client(base_url=made.prometheus.url, timeout=60, trust_env=False) as client:
            found = measure(client, made, Path(folder) / "prometheus" / "data", mover, begun)
        mover.close()
    redis.child.stop()
    text = section(shape, found)
    sys.stdout.write(text)
    if factor == 1.0:
        write_section(PANELS_HEADING, text)
    slow = [one for one in found.panels if _median(found.panels[one]) > MOST]
    wrong = [fault for asked in found.panels.values() for fault in asked[0].faults]
    sys.stdout.write("".join(f"refused: {fault}\n" for fault in wrong))
    sys.stdout.write(f"over {MOST} s: {', '.join(one.title for one in slow) or 'none'}\n")
    return 1 if slow or wrong else 0


def measure(client: httpx.Client, made: Filled, data: Path, mover: Mover, begun: float) -> Found:
    """Give Prometheus its past, and ask it everything three times while the fleet lives."""
    dag = one_dag(client)
    wanted = asking(dag)
    samples = backfill(client, data, wanted)
    past_is_there(client)
    asked: dict[Panel, list[Asked]] = {one: [] for one in wanted}
    processor: dict[Panel, list[float]] = {one: [] for one in wanted}
    for _ in range(3):
        for one in wanted:
            mover.step(time.monotonic() - begun)
            before = made.prometheus.child.processor_seconds()
            asked[one].append(ask(client, one, time.time()))
            processor[one].append(made.prometheus.child.processor_seconds() - before)
    spent = {one: statistics.median(seconds) for one, seconds in processor.items()}
    return Found(asked, spent, _count(client, 'count({__name__=~".+"})'), samples)


def one_dag(client: httpx.Client) -> str:
    """Return a DAG that has series of its own."""
    query = 'topk(1, airwarden_dag_last_success_timestamp_seconds{dag_id!="_overflow"})'
    answer = client.get("/api/v1/query", params={"query": query}).json()
    return str(answer["data"]["result"][0]["metric"]["dag_id"])


def past_is_there(client: httpx.Client) -> None:
    """Return once Prometheus has read the blocks that were put there while it runs."""
    eventually(
        lambda: _count(client, 'count({__name__=~"airwarden_.+"} offset 3h)'),
        within=180,
        every=3.0,
        what="Prometheus has read the blocks of its past",
    )


def _count(client: httpx.Client, query: str) -> int:
    answer = client.get("/api/v1/query", params={"query": query}).json()
    result = answer["data"]["result"]
    return int(float(result[0]["value"][1])) if result else 0


def spans(panels: Sequence[Panel]) -> dict[str, int]:
    """Return of each series that a panel asks for how many seconds the longest such dashboard shows."""
    found: dict[str, int] = {}
    for panel in panels:
        for expression, _ in panel.queries:
            for selector in vector_selectors(promql_parser.parse(expression)):
                name = str(selector.name or "")
                found[name] = max(found.get(name, 0), panel.span)
    return found


def backfill(client: httpx.Client, data: Path, panels: Sequence[Panel]) -> int:
    """Write blocks of what there is now for the time before; return how many samples."""
    wanted = spans(panels)
    page = client.get("/federate", params={"match[]": '{__name__=~".+"}'}).text
    series = [
        (f"{match[1]}{match[2] or ''}", float(match[3]), wanted[match[1]])
        for match in map(_SAMPLE.match, page.splitlines())
        if match and match[1] in wanted and math.isfinite(float(match[3]))
    ]
    newest = int(time.time()) - _GAP
    first = newest - max(span for _, _, span in series)
    starts = range(first // _BLOCK * _BLOCK, newest, _BLOCK)
    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(lambda at: _block(data, series, at, newest), starts))


def _block(data: Path, series: Sequence[tuple[str, float, int]], start: int, newest: int) -> int:
    """Write one block."""
    step = _DENSE if start >= newest - _NEAR else _SPARSE
    times = range(start, min(start + _BLOCK, newest), step)
    # Counters have grown to what they are; what happened lately had always happened lately; the rest goes
    # up and down by a tenth.
    grown = [(1 - (newest - at) / 1_500_000, f" {at}") for at in times]
    passed = [(newest + _GAP - at, f" {at}") for at in times]
    moved = [(0.9 + (at // step * 7 % 10) / 50, f" {at}") for at in times]
    chosen = [one for one in series if newest - one[2] < start + _BLOCK]
    text = data.parent / f"past-{start}.txt"
    with text.open("w", encoding="utf-8") as file:
        for name, value, _ in chosen:
            file.write("\n".join(_lines(name, value, grown, passed, moved)))
            file.write("\n")
        file.write("# EOF\n")
    make = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(text), str(data)]
    subprocess.run(make, check=True, capture_output=True)
    text.unlink()
    return len(chosen) * len(times)


def _lines(
    name: str,
    value: float,
    grown: Sequence[tuple[float, str]],
    passed: Sequence[tuple[float, str]],
    moved: Sequence[tuple[float, str]],
) -> Iterator[str]:
    plain = name.partition("{")[0]
    if _GROWS.search(plain):
        return (f"{name} {value * factor:.10g}{at}" for factor, at in grown)
    if plain.endswith("timestamp_seconds"):
        return (f"{name} {value - seconds:.10g}{at}" for seconds, at in passed)
    if value in (0.0, 1.0):
        return (f"{name} {value:.10g}{at}" for _, at in moved)
    return (f"{name} {value * factor:.10g}{at}" for factor, at in moved)


def _median(asked: Sequence[Asked]) -> float:
    return statistics.median(one.seconds for one in asked)


def section(shape: Shape, found: Found) -> str:
    """Return the section of the page."""
    dearest = sorted(found.panels, key=lambda one: -_median(found.panels[one]))
    empty = [one for one in found.panels if not any(a.series for a in found.panels[one])]
    every = [_median(asked) for asked in found.panels.values()]
    lines = [
        PANELS_HEADING,
        "",
        f"`python tests/bench/panels.py`: {shape.dags:,} DAGs, {found.series:,} series with a past of {found.samples:,} "
        "samples behind the hour that the rules have seen: six hours with one a minute, the rest of what a dashboard "
        f"shows with one in four. {len(found.panels)} panels, all filters at *All*, each asked for the range that its "
        "dashboard opens with and as many points as Grafana asks for on a full screen, three times. A panel's time is that of all its "
        "queries, one after the other, over HTTP, while the fleet lives and is scraped. Load average at the end "
        f"{os.getloadavg()[0]:.1f}.",
        "",
        f"Median of all panels {statistics.median(every) * 1000:.0f} ms; {sum(one > MOST for one in every)} of them over "
        f"{MOST} s; {len(found.panels) - len(empty)} have data. The dearest:",
        "",
        "| dashboard | panel | shows | median ms | worst ms | of a processor ms | series |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for one in dearest[:20]:
        asked = found.panels[one]
        lines.append(
            f"| {one.dashboard} | {one.title} | {one.span // 3600} h | {_median(asked) * 1000:.0f} | "
            f"{max(a.seconds for a in asked) * 1000:.0f} | {found.processor[one] * 1000:.0f} | "
            f"{asked[-1].series} |"
        )
    lines += [
        "",
        "Without data, because nothing of the kind is there, with what the panel says then:",
        "",
    ]
    lines += [f"- {one.dashboard}, {one.title}: {one.nothing}" for one in empty]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    given = [float(text) for text in sys.argv[1:3]]
    sys.exit(main(*given, *(1.0, 3.0)[len(given) :]))
