"""What a collector returns: families of samples, checked against the metric catalogue and bounded.

A metric has at most `MAX_SAMPLES` label sets. What comes beyond is summed under `_overflow`, in every
label whose values nobody has listed beforehand; a gauge that cannot be summed shows the first ones only.
"""

from __future__ import annotations

import bisect
import itertools
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from airwarden.core.metrics import Metric, MetricType, metric

#: Values of a metric's labels, in the catalogue's order, `cluster` left out.
Labels: TypeAlias = tuple[str, ...]

#: What stands for label values that have no series of their own.
OVERFLOW = "_overflow"
#: Label sets of one metric of one collector: a histogram of as many has some 16,000 series.
MAX_SAMPLES = 1_000
MAX_NUMBERS = 8_000
#: Labels whose values are few and known beforehand: they stay where others overflow.
_CLOSED = frozenset(
    {
        "action", "code", "collector", "component", "direction", "kind", "mode", "on_time", "outcome",
        "phase", "priority", "reason", "resource", "role", "run_type", "state", "status", "tier", "type", "verb",
    }
)  # fmt: skip
_LABELS = operator.itemgetter(0)
#: Endings of gauges whose sum means nothing.
_NOT_ADDITIVE = (
    "_seconds",
    "_ratio",
    "_up",
    "_info",
    "_success",
    "_score",
    "_per_terabyte_dollars",
)


@dataclass(frozen=True, slots=True)
class Bins:
    """A histogram's state: cumulative counts per bucket without +Inf, their sum, and the count."""

    buckets: tuple[int, ...]
    total: float
    count: int


@dataclass(frozen=True, slots=True)
class Family:
    """One metric with its samples; immutable, so that threads may share it.

    Attributes:
        folded: Label sets that had no series of their own since the family before.
    """

    metric: Metric
    samples: tuple[tuple[Labels, float | Bins], ...]
    folded: int = 0


def overflow(metric: Metric, labels: Labels) -> Labels:
    """Return the labels under which a label set is summed that has no series of its own."""
    pairs = zip(metric.labels, labels, strict=True)
    return tuple(value if name in _CLOSED else OVERFLOW for name, value in pairs)


def gauge(name: str, samples: Mapping[Labels, float] | float, *, most: int = MAX_NUMBERS) -> Family:
    """Make a gauge's family.

    Args:
        name: Its name in the catalogue.
        samples: Label values → value; a bare number where the metric has no labels.
        most: Label sets that have a sample of their own.
    """
    entry = metric(name)
    rows: Mapping[Labels, float] = samples if isinstance(samples, Mapping) else {(): samples}
    kept = _bounded(entry, rows, most) if len(rows) > most else rows
    folded = max(0, len(rows) - most)
    return _family(entry, kept.items(), MetricType.GAUGE, folded)


def _bounded(entry: Metric, rows: Mapping[Labels, float], most: int) -> Mapping[Labels, float]:
    """Return the largest samples, the others summed where their sum means something."""
    ordered = sorted(rows, key=lambda labels: (-rows[labels], labels))
    kept = {labels: rows[labels] for labels in ordered[:most]}
    if not entry.name.endswith(_NOT_ADDITIVE):
        for labels in ordered[most:]:
            place = overflow(entry, labels)
            kept[place] = kept.get(place, 0.0) + rows[labels]
    return kept


def foreign_counter(name: str, samples: Mapping[Labels, float] | float) -> Family:
    """Make the family of a counter that the observed system keeps.

    Args:
        name: Its name in the catalogue.
        samples: Label values → what that system has counted; a bare number without labels.
    """
    rows = samples if isinstance(samples, Mapping) else {(): samples}
    return _family(metric(name), rows.items(), MetricType.COUNTER)


class Counter:
    """A counter that a collector keeps; it only grows within one exporter's life.

    Args:
        name: Its name in the catalogue.
        most: Label sets that have a series of their own.
    """

    def __init__(self, name: str, *, most: int = MAX_NUMBERS) -> None:
        self._metric = metric(name)
        self._values: dict[Labels, float] = {}
        self._room = _Room(self._metric, most)

    def place(self, labels: Labels) -> Labels:
        """Return the labels under which a label set is counted."""
        return self._room.place(self._values, labels)

    def born(self, labels: Iterable[Labels]) -> None:
        """Give birth to series at 0: `increase()` misses the first event of a series born with it."""
        for values in labels:
            if values not in self._values:
                self._values.setdefault(self._room.place(self._values, values), 0.0)

    def add(self, labels: Labels, amount: float = 1.0) -> None:
        """Count events."""
        place = self._room.place(self._values, labels)
        self._values[place] = self._values.get(place, 0.0) + amount

    def retire(self, wanted: Callable[[Labels], bool]) -> None:
        """Drop the series that nobody wants any more."""
        for labels in [labels for labels in self._values if not wanted(labels)]:
            del self._values[labels]

    def value(self, labels: Labels) -> float:
        """Return one series' value, 0 where it was never born."""
        return self._values.get(labels, 0.0)

    def family(self) -> Family:
        """Return the present values."""
        return _family(
            self._metric, self._values.items(), MetricType.COUNTER, self._room.take_folded()
        )


class Histogram:
    """A classic histogram that a collector keeps, with the catalogue's buckets.

    Args:
        name: Its name in the catalogue.
        most: Label sets that have series of their own.
    """

    def __init__(self, name: str, *, most: int = MAX_SAMPLES) -> None:
        self._metric = metric(name)
        self._counts: dict[Labels, list[int]] = {}
        self._totals: dict[Labels, float] = {}
        #: What was made of those that have not changed since.
        self._made: dict[Labels, Bins] = {}
        self._room = _Room(self._metric, most)

    def place(self, labels: Labels) -> Labels:
        """Return the labels under which a label set is counted."""
        return self._room.place(self._counts, labels)

    def born(self, labels: Iterable[Labels]) -> None:
        """Give birth to series at 0."""
        for values in labels:
            self._cells(self._room.place(self._counts, values))

    def observe(self, labels: Labels, value: float) -> None:
        """Count one value, in the metric's unit."""
        place = self._room.place(self._counts, labels)
        self._cells(place)[bisect.bisect_left(self._metric.buckets, value)] += 1
        self._totals[place] += value
        self._made.pop(place, None)

    def retire(self, wanted: Callable[[Labels], bool]) -> None:
        """Drop the series that nobody wants any more."""
        for labels in [labels for labels in self._counts if not wanted(labels)]:
            del self._counts[labels], self._totals[labels]
            self._made.pop(labels, None)

    def family(self) -> Family:
        """Return the present state."""
        return _family(
            self._metric,
            ((labels, self._bins(labels)) for labels in self._counts),
            MetricType.HISTOGRAM,
            self._room.take_folded(),
        )

    def _cells(self, labels: Labels) -> list[int]:
        if labels not in self._counts:
            self._counts[labels] = [0] * (len(self._metric.buckets) + 1)
            self._totals[labels] = 0.0
        return self._counts[labels]

    def _bins(self, labels: Labels) -> Bins:
        made = self._made.get(labels)
        if made is None:
            *below, count = itertools.accumulate(self._counts[labels])
            made = self._made[labels] = Bins(tuple(below), self._totals[labels], count)
        return made


class _Room:
    """Says under which labels to count, while there is room and when there is none.

    A label set keeps the series that it once had, so that no sum ever falls.
    """

    def __init__(self, entry: Metric, most: int) -> None:
        self._metric = entry
        self._most = most
        self._folded: set[Labels] = set()

    def place(self, known: Mapping[Labels, object], labels: Labels) -> Labels:
        if labels in known or len(known) < self._most:
            return labels
        if (
            len(self._folded) < self._most
        ):  # a bound for what is remembered, not for what is counted
            self._folded.add(labels)
        return overflow(self._metric, labels)

    def take_folded(self) -> int:
        """Return how many label sets were folded since the last time."""
        number = len(self._folded)
        self._folded.clear()
        return number


def _family(
    entry: Metric,
    rows: Iterable[tuple[Labels, float | Bins]],
    expected: MetricType,
    folded: int = 0,
) -> Family:
    """Check type and label count: a wrong one is a mistake of ours, found by the first test."""
    if entry.type is not expected:
        raise TypeError(f"{entry.name} is a {entry.type} in the catalogue, not a {expected}")
    samples = tuple(rows)
    if wrong := set(map(len, map(_LABELS, samples))) - {len(entry.labels)}:
        raise TypeError(f"{entry.name} has labels {entry.labels}, got {sorted(wrong)} values")
    return Family(entry, samples, folded)
