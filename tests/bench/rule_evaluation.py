"""What all rules cost a real Prometheus on a filled fleet: seconds an evaluation, and the series they add.

Run as `python tests/bench/rule_evaluation.py [factor] [minutes]`. The exporter serves the fleet, Prometheus
gets an hour of its page as history (so that ranges are as full as they are in a running installation),
then scrapes and evaluates as `airwarden build` tells it to, while the fleet lives. Exits with 1 if a group
takes more than a tenth of its interval, or the rules add more than 20,000 series. At full size the figures go
to docs/reference/benchmarks.md.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from airwarden.rules.airwarden_itself import EXPORTER_JOB
from bench.fleet.mover import Mover, Pace
from bench.fleet.page import RULES_HEADING, write_section
from bench.fleet.shape import Shape, fleet
from bench.fleet.store import copy, fleet_server
from support.filled import FILLED_SCRAPE, Filled, filled

#: What a group may take of its interval, and how many series the rules may add.
SHARE, SERIES = 0.10, 20_000
#: Seconds of history before the first scrape.
_PAST = 3660
_TICK = re.compile(
    r'^prometheus_rule_group_(last_duration_seconds|interval_seconds|last_evaluation_timestamp_seconds)'
    r'\{rule_group="[^"]*;([^"]+)"\} (\S+)$',
    re.MULTILINE,
)  # fmt: skip


@dataclass
class Group:
    """One group: its interval, and the seconds of each evaluation that was seen."""

    interval: float = 0.0
    took: dict[float, float] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """Of all evaluations."""
        return statistics.median(self.took.values())

    @property
    def worst(self) -> float:
        """The longest."""
        return max(self.took.values())


@dataclass(frozen=True)
class Found:
    """What was measured.

    Attributes:
        groups: By name.
        scraped: Series of the exporter.
        added: Series that rules record, and of alerts.
        processor: Seconds of processor time that Prometheus took an interval, scrapes included.
    """

    groups: dict[str, Group]
    scraped: int
    added: int
    processor: float


def main(factor: float, minutes: float) -> int:
    """Measure, print, and write the section."""
    shape = Shape(factor)
    with (
        tempfile.TemporaryDirectory() as folder,
        fleet_server() as server,
        copy(server, shape, print) as database,
        filled(database, None, Path(folder), scrape=FILLED_SCRAPE, history=last_hour) as made,
    ):
        mover = Mover(database.dsn, fleet(shape), Pace())
        found = measure(made, mover, minutes * 60)
        mover.close()
    text = section(shape, found)
    sys.stdout.write(text)
    if factor == 1.0:
        write_section(RULES_HEADING, text)
    late = [n for n, group in found.groups.items() if group.median > SHARE * group.interval]
    sys.stdout.write(f"over a tenth of their interval: {', '.join(late) or 'none'}\n")
    return 1 if late or found.added > SERIES else 0


def last_hour(folder: Path, page: str, instance: str) -> None:
    """Write an hour of the page as blocks: counters grow, what happened lately had always happened lately, the rest stays."""
    now = int(time.time())
    end = now - 30
    step = int(FILLED_SCRAPE.total_seconds())
    text = folder / "history.txt"
    with text.open("w", encoding="utf-8") as file:
        for series, value, a_second in _series(page, instance):
            for at in range(end - _PAST, end, step):
                shown = value + (at - now) * a_second
                file.write(f"{series} {max(0.0, shown):.10g} {at}\n")
        file.write("# EOF\n")
    make = [
        "promtool",
        "tsdb",
        "create-blocks-from",
        "openmetrics",
        str(text),
        str(folder / "data"),
    ]
    subprocess.run(make, check=True, capture_output=True)
    text.unlink()


def _series(page: str, instance: str) -> Iterator[tuple[str, float, float]]:
    """Yield each series with the labels of a scrape, its value, and by how much it grows a second."""
    own = f'instance="{instance}",job="{EXPORTER_JOB}"'
    for line in page.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            head, brace, rest = name.partition("{")
            counts = re.search(r"_(total|bucket|count|sum)$", head) is not None
            a_second = 1.0 if head.endswith("timestamp_seconds") else counts / 60
            yield f"{head}{{{own}{',' if brace else ''}{rest or '}'}", float(value), a_second


def measure(made: Filled, mover: Mover, seconds: float) -> Found:
    """Watch every evaluation for a while, in which the fleet lives."""
    groups: dict[str, Group] = defaultdict(Group)
    begun, spent = time.monotonic(), made.prometheus.child.processor_seconds()
    while time.monotonic() < begun + seconds:
        mover.step(time.monotonic() - begun)
        _look(made.prometheus.url, groups)
        time.sleep(1)
    lasted = time.monotonic() - begun
    spent = made.prometheus.child.processor_seconds() - spent
    scraped = f'count({{job="{EXPORTER_JOB}"}})'
    added = 'count({__name__=~".+:.+|ALERTS|ALERTS_FOR_STATE"})'
    return Found(
        groups={n: g for n, g in sorted(groups.items()) if g.took},
        scraped=_count(made, scraped),
        added=_count(made, added),
        processor=spent / lasted * FILLED_SCRAPE.total_seconds(),
    )


def _count(made: Filled, query: str) -> int:
    return int(float(made.prometheus.query(query)[0]["value"][1]))


def _look(url: str, groups: dict[str, Group]) -> None:
    with urllib.request.urlopen(f"{url}/metrics") as answer:
        text = answer.read().decode()
    seen: dict[str, dict[str, float]] = defaultdict(dict)
    for what, name, value in _TICK.findall(text):
        seen[name][what] = float(value)
    for name, values in seen.items():
        at = values.get("last_evaluation_timestamp_seconds", 0.0)
        if at > 0:
            groups[name].interval = values["interval_seconds"]
            groups[name].took[at] = values["last_duration_seconds"]


def section(shape: Shape, found: Found) -> str:
    """Return the section of the page."""
    worst: Sequence[tuple[str, Group]] = sorted(
        found.groups.items(), key=lambda item: -item[1].median / item[1].interval
    )
    lines = [
        RULES_HEADING,
        "",
        f"`python tests/bench/rule_evaluation.py`: {shape.dags:,} DAGs, {found.scraped:,} series scraped every "
        f"{FILLED_SCRAPE.total_seconds():g} s with an hour of history, {len(found.groups)} groups. The rules add "
        f"{found.added:,} series. Scrapes and evaluations of one interval take {found.processor:.2f} s of processor "
        "time.",
        "",
        "| group | interval s | median ms | of the interval | worst ms | evaluations |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {name} | {group.interval:g} | {group.median * 1000:.1f} | "
        f"{group.median / group.interval:.2%} | {group.worst * 1000:.1f} | {len(group.took)} |"
        for name, group in worst
    ]
    whole = sum(group.median / group.interval for group in found.groups.values())
    lines += ["", f"All of them together: {whole:.1%} of one core.", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    given = [float(text) for text in sys.argv[1:3]]
    sys.exit(main(*given, *(1.0, 5.0)[len(given) :]))
