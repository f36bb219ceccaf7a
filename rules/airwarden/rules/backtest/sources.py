"""Where series come from: events of the past counted up, values that were set, samples that were stored.

Samples lie `PHASE` seconds before the evaluations, as a scrape lies before the rules that look at it: so
no sample stands on a range's edge, and Prometheus 2 and 3 select the same ones.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from airwarden.rules.backtest.vectors import (
    Bools,
    Floats,
    Ints,
    Labels,
    NotJudgedError,
    Span,
    Vector,
    signature,
    steady,
)

#: Seconds between a sample and the evaluation that sees it first.
PHASE = 5.0
#: Most numbers that one selection may hold: wider ones are to be aggregated first.
_MOST = 40_000_000


def _between(at: NDArray[np.int32], evaluation: int) -> int:
    """Return how many events lie before an evaluation; another type would copy them all."""
    return int(np.searchsorted(at, np.int32(evaluation)))


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition of a selector."""

    label: str
    value: str
    equal: bool = True
    regular: bool = False

    def fits(self, labels: Labels) -> bool:
        """Return whether a series meets it; a label that it lacks is empty."""
        own = labels.get(self.label, "")
        same = bool(re.fullmatch(self.value, own)) if self.regular else own == self.value
        return same is self.equal


class Source(Protocol):
    """The series of one metric.

    Attributes:
        phase: Seconds from a sample to the evaluation that sees it first.
        born_early: Its counters began long ago.
        lasting: Values never fall, and a series that is there stays: the highest one of a range that
            ends now is the one of now.
    """

    phase: float
    born_early: bool
    lasting: bool

    def vector(self, matchers: Sequence[Matcher], span: Span, by: Sequence[str] | None) -> Vector:
        """Return the samples that the evaluations of a span see first.

        Args:
            matchers: Which series.
            span: Which evaluations.
            by: Sum what is equal in these labels; None: each series alone.
        """
        ...


@dataclass(slots=True)
class Flow:
    """A counter, or a gauge that things enter and leave: events with a weight, counted up.

    Attributes:
        labels: Every series that exists, those without events included.
        series: The series of each event.
        at: The evaluation that sees it first, ascending.
        weight: 1 each if None.
        level: What each series stood at before the first event; 0 if None.
    """

    labels: Sequence[Labels]
    series: NDArray[np.integer[Any]]
    at: NDArray[np.int32]
    weight: NDArray[np.float32] | None = None
    level: Floats | None = None
    born_early: bool = True
    lasting: bool = False
    phase: float = PHASE
    _levels: dict[int, Floats] = field(default_factory=dict)
    _chosen: dict[object, tuple[tuple[Labels, ...], Ints]] = field(default_factory=dict)

    def vector(self, matchers: Sequence[Matcher], span: Span, by: Sequence[str] | None) -> Vector:
        """See `Source`."""
        labels, group = self._groups(tuple(matchers), None if by is None else tuple(by))
        if len(labels) * span.count > _MOST:
            raise NotJudgedError(f"{len(labels)} series at once: sum them by fewer labels")
        used = group >= 0
        base = np.bincount(
            group[used], weights=self._level_at(span.first)[used], minlength=len(labels)
        )
        low, high = _between(self.at, span.first), _between(self.at, span.end)
        groups = group[self.series[low:high]]
        kept = groups >= 0
        places = groups[kept] * span.count + (self.at[low:high][kept] - span.first)
        weights = None if self.weight is None else self.weight[low:high][kept]
        counts = np.bincount(places, weights, minlength=len(labels) * span.count)
        values = counts.astype(np.float64, copy=False).reshape(len(labels), span.count)
        np.cumsum(values, axis=1, out=values)
        values += base[:, None]
        return Vector.full(labels, values)

    def _groups(
        self, matchers: tuple[Matcher, ...], by: tuple[str, ...] | None
    ) -> tuple[tuple[Labels, ...], Ints]:
        """Return the groups' labels and each series' group, -1 for one that does not match."""
        key = (matchers, by)
        if key not in self._chosen:
            found: dict[object, int] = {}
            labels: list[Labels] = []
            group = np.full(len(self.labels), -1)
            for row, own in enumerate(self.labels):
                if not all(matcher.fits(own) for matcher in matchers):
                    continue
                place = found.setdefault(signature(own, by), len(labels))
                if place == len(labels):
                    labels.append(own if by is None else {n: own[n] for n in by if own.get(n)})
                group[row] = place
            self._chosen[key] = (tuple(labels), group)
        return self._chosen[key]

    def _level_at(self, first: int) -> Floats:
        """Return what each series stood at before an evaluation; from the nearest known before."""
        if first in self._levels:
            return self._levels[first]
        known = max((at for at in self._levels if at < first), default=None)
        if known is None:
            level = np.zeros(len(self.labels)) if self.level is None else self.level
            low = 0
        else:
            level, low = self._levels[known], _between(self.at, known)
        high = _between(self.at, first)
        weights = None if self.weight is None else self.weight[low:high]
        level = level + np.bincount(self.series[low:high], weights, minlength=len(self.labels))
        if len(self._levels) > 8:
            del self._levels[min(self._levels)]
        self._levels[first] = level
        return level


@dataclass(slots=True)
class Stored:
    """Gauges whose samples are kept: a row a series, NaN where there is none.

    Attributes:
        first: The evaluation of the first column.
    """

    labels: Sequence[Labels]
    samples: NDArray[np.float32] | Floats
    first: int
    born_early: bool = False
    lasting: bool = False
    phase: float = PHASE
    _chosen: dict[tuple[Matcher, ...], tuple[tuple[Labels, ...], list[int]]] = field(
        default_factory=dict
    )

    def vector(self, matchers: Sequence[Matcher], span: Span, by: Sequence[str] | None) -> Vector:
        """See `Source`."""
        if by is not None:
            raise AssertionError("stored samples are summed by the evaluator")
        labels, rows = self._rows(tuple(matchers))
        values = np.full((len(rows), span.count), np.nan)
        low, high = max(span.first, self.first), min(span.end, self.first + self.samples.shape[1])
        if low < high and rows:
            values[:, low - span.first : high - span.first] = self.samples[
                rows, low - self.first : high - self.first
            ]
        return Vector(labels, values, ~np.isnan(values))

    def _rows(self, matchers: tuple[Matcher, ...]) -> tuple[tuple[Labels, ...], list[int]]:
        """Return the labels and rows of those that match: the same tuple each time."""
        if matchers not in self._chosen:
            rows = [
                row
                for row, own in enumerate(self.labels)
                if all(matcher.fits(own) for matcher in matchers)
            ]
            self._chosen[matchers] = tuple(self.labels[row] for row in rows), rows
        return self._chosen[matchers]


@dataclass(slots=True)
class Latest:
    """Gauges that something sets now and then: each keeps its last value.

    Attributes:
        series, at, value: The settings, `at` ascending.
        level: What was set before the first one; NaN where nothing was.
        nothing: A value that stands for there being no sample.
    """

    labels: Sequence[Labels]
    series: NDArray[np.int32]
    at: NDArray[np.int32]
    value: Floats
    level: Floats
    nothing: float = math.nan
    born_early: bool = False
    lasting: bool = False
    phase: float = PHASE
    _chosen: dict[tuple[Matcher, ...], tuple[tuple[Labels, ...], Ints]] = field(
        default_factory=dict
    )
    _reached: tuple[int, Floats] | None = None

    def vector(self, matchers: Sequence[Matcher], span: Span, by: Sequence[str] | None) -> Vector:
        """See `Source`."""
        if by is not None:
            raise AssertionError("values that were set are summed by the evaluator")
        labels, place = self._rows(tuple(matchers))
        if len(labels) * span.count > _MOST:
            raise NotJudgedError(f"{len(labels)} series at once")
        if not labels:
            return Vector.empty(span.count)
        low, high = _between(self.at, span.first), _between(self.at, span.end)
        level = self._level_at(low)[place >= 0]
        row = place[self.series[low:high]]
        kept = row >= 0
        if not kept.any():
            there = np.repeat(self._there(level)[:, None], span.count, axis=1)
            return Vector(labels, steady(level[:, None], there.shape), there)
        # Each value stands until the next one of its row: of several at one place, the last. Within a
        # row they are in order of time; small numbers are sorted by counting them.
        row = np.concatenate([np.arange(len(labels)), row[kept]])
        at = np.concatenate(
            [np.zeros(len(labels), dtype=np.int64), self.at[low:high][kept] - span.first]
        )
        value = np.concatenate([level, self.value[low:high][kept]])
        cells = row * span.count + at
        order = np.argsort(
            row.astype(np.uint16 if len(labels) < 65_536 else row.dtype), kind="stable"
        )
        lengths = np.diff(cells[order], append=len(labels) * span.count)
        value = value[order]
        values, present = (
            np.repeat(own, lengths).reshape(len(labels), span.count)
            for own in (value, self._there(value))
        )
        return Vector(labels, values, present)

    def _there(self, value: Floats) -> Bools:
        there: Bools = ~np.isnan(value) & (value != self.nothing)
        return there

    def _rows(self, matchers: tuple[Matcher, ...]) -> tuple[tuple[Labels, ...], Ints]:
        """Return the labels of those that match, and each series' row among them, -1 for the others."""
        if matchers not in self._chosen:
            fits = np.array(
                [all(matcher.fits(own) for matcher in matchers) for own in self.labels], dtype=bool
            )
            place = np.where(fits, np.cumsum(fits) - 1, -1)
            labels = tuple(own for own, fit in zip(self.labels, fits.tolist(), strict=True) if fit)
            self._chosen[matchers] = labels, place
        return self._chosen[matchers]

    def _level_at(self, low: int) -> Floats:
        """Return what each series was set to before the event at this place."""
        if self._reached is None or self._reached[0] > low:
            self._reached = 0, self.level.copy()
        known, level = self._reached
        level[self.series[known:low]] = self.value[known:low]
        self._reached = low, level
        return level


Sources = Mapping[str, Source]
