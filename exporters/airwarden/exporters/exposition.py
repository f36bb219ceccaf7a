"""The text formats of Prometheus, rendered fast: the part of a line before its value is kept.

Both formats share every sample line: text 0.0.4 as Prometheus' documentation gives it, and OpenMetrics
1.0, whose counters are announced without `_total` and whose page ends with `# EOF`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from airwarden.core.metrics import Metric, MetricType
from airwarden.exporters.families import Bins, Family, Labels


@dataclass(frozen=True, slots=True)
class Block:
    """One family's sample lines, rendered; ends with a newline unless it is empty."""

    metric: Metric
    lines: str


class Renderer:
    """Renders the families of one collector of one cluster, keeping line prefixes between calls.

    Args:
        cluster: Value of the `cluster` label.
    """

    def __init__(self, cluster: str) -> None:
        self._cluster = _escape(cluster)
        self._kept: dict[str, dict[Labels, tuple[str, ...]]] = {}
        #: The lines of histograms, which are many and of which few change between two calls.
        self._made: dict[str, dict[Labels, tuple[Bins, str]]] = {}

    def render(self, family: Family) -> Block:
        """Return a family's lines."""
        entry = family.metric
        kept = self._kept.setdefault(entry.name, {})
        if len(kept) > 64 + 2 * len(family.samples):  # series that went away
            kept = self._kept[entry.name] = {}
        before = self._made.get(entry.name, {})
        made: dict[Labels, tuple[Bins, str]] = {}
        lines: list[str] = []
        for labels, value in family.samples:
            prefixes = kept.get(labels)
            if prefixes is None:
                prefixes = kept[labels] = self._prefixes(entry, labels)
            if isinstance(value, Bins):
                known = before.get(labels)
                if known is None or known[0] is not value:
                    known = (value, _histogram(prefixes, value))
                made[labels] = known
                lines.append(known[1])
            else:
                lines.append(prefixes[0] + _number(value))
        if entry.type is MetricType.HISTOGRAM:
            self._made[entry.name] = made
        return Block(entry, "\n".join(lines) + "\n" if lines else "")

    def _prefixes(self, entry: Metric, labels: Labels) -> tuple[str, ...]:
        pairs = [f'cluster="{self._cluster}"']
        pairs += [f'{k}="{_escape(v)}"' for k, v in zip(entry.labels, labels, strict=True)]
        inner = ",".join(pairs)
        if entry.type is not MetricType.HISTOGRAM:
            return (f"{entry.name}{{{inner}}} ",)
        bounds = [*(repr(float(bound)) for bound in entry.buckets), "+Inf"]
        return (
            *(f'{entry.name}_bucket{{{inner},le="{bound}"}} ' for bound in bounds),
            f"{entry.name}_sum{{{inner}}} ",
            f"{entry.name}_count{{{inner}}} ",
        )


def header(entry: Metric, *, openmetrics: bool) -> str:
    """Return a family's HELP and TYPE lines."""
    name = entry.name.removesuffix("_total") if openmetrics else entry.name
    text = entry.help.replace("\\", "\\\\").replace("\n", "\\n")
    if openmetrics:
        text = text.replace('"', '\\"')
    return f"# HELP {name} {text}\n# TYPE {name} {entry.type}\n"


def page(blocks: list[Block], *, openmetrics: bool) -> str:
    """Join blocks into one whole page, the blocks of one metric together."""
    grouped: dict[str, list[Block]] = {}
    for block in blocks:
        if block.lines:
            grouped.setdefault(block.metric.name, []).append(block)
    parts: list[str] = []
    for name in sorted(grouped):
        parts.append(header(grouped[name][0].metric, openmetrics=openmetrics))
        parts += [block.lines for block in grouped[name]]
    if openmetrics:
        parts.append("# EOF\n")
    return "".join(parts)


def _histogram(prefixes: tuple[str, ...], value: Bins) -> str:
    numbers: tuple[float, ...] = (*value.buckets, value.count, value.total, value.count)
    return "\n".join([p + _number(n) for p, n in zip(prefixes, numbers, strict=True)])


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("+Inf" if value > 0 else "-Inf")
    return str(value)
