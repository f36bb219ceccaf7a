"""From columns of events to sources: counters, histograms, gauges of what is open and how old it is."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from airwarden.rules.backtest.aggregation import aggregate
from airwarden.rules.backtest.grid import Grid
from airwarden.rules.backtest.plans import Plans
from airwarden.rules.backtest.sources import Flow, Matcher, Stored
from airwarden.rules.backtest.vectors import (
    Floats,
    Ints,
    Labels,
    Signature,
    Span,
    Vector,
    signature,
    without,
)

#: Combinations of labels that are told apart by a table instead of by sorting.
_TABLE = 10_000_000
#: One stretch of an interval is written out by evaluations; longer ones are cut to bound memory.
_LONGEST = 4 * 86_400.0


@dataclass(frozen=True, slots=True)
class Column:
    """One label of many events: its possible values, and the place of each event's value."""

    name: str
    values: Sequence[str]
    places: NDArray[np.int32] | Ints

    def only(self, chosen: NDArray[np.bool_] | Ints) -> Column:
        """Return it for some of the events."""
        return Column(self.name, self.values, self.places[chosen])


def series_of(
    columns: Sequence[Column], born: Iterable[Sequence[str]], common: Labels
) -> tuple[list[Labels], NDArray[np.int32]]:
    """Return every series there is, and which one each event belongs to.

    Args:
        columns: The labels.
        born: Values in the columns' order of series that exist without any event.
        common: Labels of every series.
    """
    sizes = [len(column.values) for column in columns]
    codes = np.zeros(len(columns[0].places), dtype=np.int64)
    for column, size in zip(columns, sizes, strict=True):
        codes = codes * size + column.places
    index = [{value: place for place, value in enumerate(c.values)} for c in columns]
    births = []
    for values in born:
        code = 0
        for places, size, value in zip(index, sizes, values, strict=True):
            code = code * size + places[value]
        births.append(code)
    known, where = _told_apart(codes, np.array(births, dtype=np.int64), math.prod(sizes))
    labels: list[Labels] = []
    for code in known.tolist():
        own: dict[str, str] = {}
        for column, size in zip(reversed(columns), reversed(sizes), strict=True):
            code, place = divmod(code, size)
            own[column.name] = column.values[place]
        labels.append({**common, **own})
    return labels, where


def _told_apart(codes: Ints, births: Ints, size: int) -> tuple[Ints, NDArray[np.int32]]:
    """Return the codes that there are, ascending, and the place of each among them."""
    if size > _TABLE:
        known, where = np.unique(np.concatenate([codes, births]), return_inverse=True)
        return known, where[: len(codes)].astype(np.int32)
    there = np.zeros(size, dtype=bool)
    there[codes] = True
    there[births] = True
    return np.flatnonzero(there), (np.cumsum(there, dtype=np.int32) - 1)[codes]


def counter(
    grid: Grid,
    moments: Floats,
    columns: Sequence[Column],
    common: Labels,
    born: Iterable[Sequence[str]] = (),
    weight: NDArray[np.float32] | None = None,
) -> Flow:
    """Return a counter of things that happened at these moments."""
    at = grid.sees(moments)
    kept = (at > grid.whole.first) & (at < grid.whole.end)
    labels, series = series_of([c.only(kept) for c in columns], born, common)
    return _in_order(labels, series, at[kept], None if weight is None else weight[kept])


def _in_order(
    labels: list[Labels],
    series: NDArray[np.int32],
    at: NDArray[np.int32],
    weight: NDArray[np.float32] | None,
) -> Flow:
    # Of what happens at once the order does not matter.
    order = np.argsort(at)
    return Flow(labels, series[order], at[order], None if weight is None else weight[order])


def open_things(
    grid: Grid,
    begun: Floats,
    ended: Floats,
    columns: Sequence[Column],
    common: Labels,
    born: Iterable[Sequence[str]] = (),
) -> Flow:
    """Return a gauge of things that are there from one moment to another; NaN: not yet over."""
    entered, left = grid.sees(begun), grid.sees(ended)
    kept = (left > entered) & (entered < grid.whole.end)
    labels, series = series_of([c.only(kept) for c in columns], born, common)
    at = np.concatenate([entered[kept], left[kept]])
    weight = np.ones(len(at), dtype=np.float32)
    weight[len(series) :] = -1.0
    return _in_order(labels, np.concatenate([series, series]), at, weight)


def oldest(
    grid: Grid,
    since: Floats,
    begun: Floats,
    ended: Floats,
    group: NDArray[np.int32] | Ints,
    labels: Sequence[Labels],
) -> Stored:
    """Return a gauge of the age of the oldest thing, 0 where there is none.

    Args:
        grid: The evaluations.
        since: From when on each thing's age counts.
        begun, ended: When it is seen; NaN: to the end.
        group: Which row each thing belongs to.
        labels: The rows.
    """
    first, last = grid.sees(begun), grid.sees(ended)
    # Whatever begins and ends between two samples is never seen.
    kept = np.flatnonzero((last > first) & ~np.isnan(since))
    first, last, since = first[kept], last[kept], since[kept]
    row = np.asarray(group, dtype=np.int64)[kept]
    if np.array_equal(since, begun[kept]):
        kept, first = _oldest_of_all(since, first, last, row)
        last, since, row = last[kept], since[kept], row[kept]
    else:
        last = np.minimum(last, first + round(_LONGEST / grid.step))
    lengths = (last - first).astype(np.int64)
    starts = np.cumsum(lengths) - lengths
    places = np.arange(lengths.sum()) - np.repeat(starts - first, lengths)
    whole = grid.whole
    found = np.full((len(labels), whole.count), np.inf)
    cells = np.repeat(row, lengths), places - whole.first
    np.minimum.at(found, cells, np.repeat(since, lengths))
    sampled = grid.sampled(np.arange(whole.first, whole.end))
    ages = np.maximum(np.where(np.isinf(found), 0.0, sampled - found), 0.0)
    return Stored(list(labels), ages.astype(np.float32), whole.first)


def _oldest_of_all(
    since: Floats, first: NDArray[np.int32], last: NDArray[np.int32], row: Ints
) -> tuple[Ints, NDArray[np.int32]]:
    """Return what is ever the oldest of its row, and from when on: until then something older is there.

    Only where each is seen from the moment on from which its age counts.
    """
    order = np.lexsort((since, row))
    # Later rows lie further on, so that what outlasts all before it is told for all rows at once.
    apart = row[order] * (int(last.max(initial=0)) - int(first.min(initial=0)) + 1)
    ends = np.maximum.accumulate(apart + last[order])
    outlasted = np.concatenate([[np.iinfo(np.int64).min], ends[:-1]])
    there = apart + last[order] > outlasted
    begins = np.maximum(apart + first[order], outlasted) - apart
    return order[there], begins[there].astype(np.int32)


@dataclass(frozen=True, slots=True)
class _Cumulated:
    """How buckets add up: of each series the row of each bound (one past the last where there is none),
    and which of the sums are wanted, with their labels.
    """

    places: Ints
    kept: Ints
    labels: tuple[Labels, ...]


@dataclass(slots=True)
class Buckets:
    """A histogram's `_bucket` series, kept as one event each and added up by bound when asked for.

    Attributes:
        flow: Events with a series for each bound, not yet cumulative.
        bounds: The values of `le`, ascending.
    """

    flow: Flow
    bounds: Sequence[str]
    phase: float = field(init=False)
    born_early: bool = True
    lasting: bool = False
    _plans: Plans[_Cumulated] = field(default_factory=Plans)

    def __post_init__(self) -> None:
        self.phase = self.flow.phase

    def vector(self, matchers: Sequence[Matcher], span: Span, by: Sequence[str] | None) -> Vector:
        """See `Source`."""
        others = [matcher for matcher in matchers if matcher.label != "le"]
        grouped = None if by is None else (*(n for n in by if n != "le"), "le")
        found = self.flow.vector(others, span, grouped)
        wanted = tuple(matcher for matcher in matchers if matcher.label == "le")
        plan = self._plans.of(
            (found.labels,), wanted, lambda: self._cumulated(found.labels, wanted)
        )
        if not plan.labels:
            return Vector.empty(span.count)
        nothing = np.zeros((1, span.count))
        values = np.concatenate([found.values, nothing])[plan.places]
        np.cumsum(values, axis=1, out=values)
        whole = Vector.full(plan.labels, values.reshape(-1, span.count)[plan.kept])
        return whole if by is None or "le" in by else aggregate("sum", whole, by, by=True)

    def _cumulated(self, labels: Sequence[Labels], wanted: Sequence[Matcher]) -> _Cumulated:
        rows: dict[Signature, dict[str, int]] = {}
        for row, own in enumerate(labels):
            rows.setdefault(signature(without(own, ["le"])), {})[own["le"]] = row
        made = [{**dict(rest), "le": bound} for rest in rows for bound in self.bounds]
        kept = [n for n, own in enumerate(made) if all(matcher.fits(own) for matcher in wanted)]
        return _Cumulated(
            np.array(
                [[own.get(bound, len(labels)) for bound in self.bounds] for own in rows.values()]
            ),
            np.array(kept, dtype=np.int64),
            tuple(made[n] for n in kept),
        )


#: The series of a histogram, by the ends of their names.
KINDS = ("bucket", "count", "sum")


def histogram(
    grid: Grid,
    kind: str,
    moments: Floats,
    seconds: Floats,
    columns: Sequence[Column],
    common: Labels,
    born: Collection[Sequence[str]],
    buckets: Sequence[float],
) -> Flow | Buckets:
    """Return one of the three kinds of series of a histogram."""
    if kind == "count":
        return counter(grid, moments, columns, common, born)
    if kind == "sum":
        return counter(grid, moments, columns, common, born, seconds.astype(np.float32))
    bounds = [*(repr(float(bound)) for bound in buckets), "+Inf"]
    place = np.searchsorted(np.asarray(buckets), seconds, side="left").astype(np.int32)
    inner = counter(
        grid,
        moments,
        [*columns, Column("le", bounds, place)],
        common,
        [(*values, bounds[-1]) for values in born],
    )
    return Buckets(inner, bounds)
