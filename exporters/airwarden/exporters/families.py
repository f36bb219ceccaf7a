"""What a collector returns: families of samples, checked against the metric catalogue."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from airwarden.core.metrics import Metric, MetricType, metric

#: Values of a metric's labels, in the catalogue's order, `cluster` left out.
Labels: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bins:
    """A histogram's state: cumulative counts per bucket without +Inf, their sum, and the count."""

    buckets: tuple[int, ...]
    total: float
    count: int


@dataclass(frozen=True, slots=True)
class Family:
    """One metric with its samples; immutable, so that threads may share it."""

    metric: Metric
    samples: tuple[tuple[Labels, float | Bins], ...]


def gauge(name: str, samples: Mapping[Labels, float] | float) -> Family:
    """Make a gauge's family.

    Args:
        name: Its name in the catalogue.
        samples: Label values → value; a bare number where the metric has no labels.
    """
    rows = samples if isinstance(samples, Mapping) else {(): samples}
    return _family(metric(name), rows.items(), MetricType.GAUGE)


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
    """

    def __init__(self, name: str) -> None:
        self._metric = metric(name)
        self._values: dict[Labels, float] = {}

    def born(self, labels: Iterable[Labels]) -> None:
        """Give birth to series at 0: `increase()` misses the first event of a series born with it."""
        for values in labels:
            self._values.setdefault(values, 0.0)

    def add(self, labels: Labels, amount: float = 1.0) -> None:
        """Count events."""
        self._values[labels] = self._values.get(labels, 0.0) + amount

    def value(self, labels: Labels) -> float:
        """Return one series' value, 0 where it was never born."""
        return self._values.get(labels, 0.0)

    def family(self) -> Family:
        """Return the present values."""
        return _family(self._metric, self._values.items(), MetricType.COUNTER)


class Histogram:
    """A classic histogram that a collector keeps, with the catalogue's buckets.

    Args:
        name: Its name in the catalogue.
    """

    def __init__(self, name: str) -> None:
        self._metric = metric(name)
        self._counts: dict[Labels, list[int]] = {}
        self._totals: dict[Labels, float] = {}

    def born(self, labels: Iterable[Labels]) -> None:
        """Give birth to series at 0."""
        for values in labels:
            self._cells(values)

    def observe(self, labels: Labels, value: float) -> None:
        """Count one value, in the metric's unit."""
        self._cells(labels)[bisect.bisect_left(self._metric.buckets, value)] += 1
        self._totals[labels] += value

    def family(self) -> Family:
        """Return the present state."""
        return _family(
            self._metric,
            ((labels, self._bins(labels)) for labels in self._counts),
            MetricType.HISTOGRAM,
        )

    def _cells(self, labels: Labels) -> list[int]:
        if labels not in self._counts:
            self._counts[labels] = [0] * (len(self._metric.buckets) + 1)
            self._totals[labels] = 0.0
        return self._counts[labels]

    def _bins(self, labels: Labels) -> Bins:
        running, cumulative = 0, []
        for count in self._counts[labels]:
            running += count
            cumulative.append(running)
        return Bins(tuple(cumulative[:-1]), self._totals[labels], running)


def _family(
    entry: Metric, rows: Iterable[tuple[Labels, float | Bins]], expected: MetricType
) -> Family:
    """Check type and label count: a wrong one is a mistake of ours, found by the first test."""
    if entry.type is not expected:
        raise TypeError(f"{entry.name} is a {entry.type} in the catalogue, not a {expected}")
    samples = tuple(rows)
    for labels, _ in samples:
        if len(labels) != len(entry.labels):
            raise TypeError(f"{entry.name} has labels {entry.labels}, got {labels}")
    return Family(entry, samples)
