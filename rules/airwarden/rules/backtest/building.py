"""From columns of events to sources: counters, histograms, gauges of what is open and how old it is."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

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


@dataclass(slots=True)
class Events:
    """Events of one metric, taken piece by piece, each kept in a few bytes: there are millions.

    Attributes:
        grid: The evaluations.
        values: Label → its possible values.
    """

    grid: Grid
    values: Mapping[str, Sequence[str]]
    # Bytes that grow in one place: thousands of small arrays would leave holes in memory.
    _codes: bytearray = field(default_factory=bytearray)
    _at: bytearray = field(default_factory=bytearray)
    _weight: bytearray = field(default_factory=bytearray)

    @classmethod
    def of(cls, grid: Grid, columns: Sequence[Column]) -> Events:
        """Return none yet, with the labels of these columns."""
        return cls(grid, {column.name: column.values for column in columns})

    def happened(
        self,
        moments: Floats,
        places: Sequence[NDArray[Any]],
        weight: NDArray[np.float32] | None = None,
    ) -> None:
        """Take what happened at these moments, each with the places of its labels' values."""
        at = self.grid.sees(moments)
        kept = (at > self.grid.whole.first) & (at < self.grid.whole.end)
        self.seen(at[kept], [p[kept] for p in places], None if weight is None else weight[kept])

    def were_there(self, begun: Floats, ended: Floats, places: Sequence[NDArray[Any]]) -> None:
        """Take things that are there from one moment to another; NaN: not yet over."""
        entered, left = self.grid.sees(begun), self.grid.sees(ended)
        kept = (left > entered) & (entered < self.grid.whole.end)
        own = [place[kept] for place in places]
        one = np.ones(int(kept.sum()), dtype=np.float32)
        self.seen(entered[kept], own, one)
        self.seen(left[kept], own, -one)

    def seen(
        self,
        at: NDArray[np.int32],
        places: Sequence[NDArray[Any]],
        weight: NDArray[np.float32] | None,
    ) -> None:
        """Take events by the evaluation that sees each first."""
        codes = np.zeros(len(at), dtype=np.int64)
        for own, values in zip(places, self.values.values(), strict=True):
            codes = codes * len(values) + own
        self._codes += codes.astype(self._kind).tobytes()
        self._at += at.tobytes()
        if weight is not None:
            self._weight += weight.tobytes()

    def flow(self, common: Labels, born: Iterable[Sequence[str]] = ()) -> Flow:
        """Return all of them counted up.

        Args:
            common: Labels of every series.
            born: Values in the labels' order of series that exist without any event.
        """
        sizes = [len(values) for values in self.values.values()]
        index = [{v: place for place, v in enumerate(values)} for values in self.values.values()]
        births = []
        for own in born:
            code = 0
            for places, size, value in zip(index, sizes, own, strict=True):
                code = code * size + places[value]
            births.append(code)
        codes = np.frombuffer(self._codes, dtype=self._kind)
        known, series = _told_apart(codes, np.array(births, dtype=np.int64), self._size)
        labels: list[Labels] = []
        for code in known.tolist():
            named: dict[str, str] = {}
            for name, values in reversed([*self.values.items()]):
                code, place = divmod(code, len(values))
                named[name] = values[place]
            labels.append({**common, **named})
        at = np.frombuffer(self._at, dtype=np.int32)
        # Of what happens at once the order does not matter; most are in order already.
        order = np.argsort(at, kind="stable")
        weight = np.frombuffer(self._weight, dtype=np.float32)[order] if self._weight else None
        return Flow(labels, series[order], at[order], weight)

    @property
    def _size(self) -> int:
        return math.prod(len(values) for values in self.values.values())

    @property
    def _kind(self) -> np.dtype[Any]:
        return np.min_scalar_type(self._size)


def _told_apart(
    codes: NDArray[Any], births: Ints, size: int
) -> tuple[Ints, NDArray[np.unsignedinteger[Any]]]:
    """Return the codes that there are, ascending, and the place of each among them."""
    if size > _TABLE:
        known, where = np.unique(np.concatenate([codes, births]), return_inverse=True)
        return known, where[: len(codes)].astype(np.min_scalar_type(len(known)))
    there = np.zeros(size, dtype=bool)
    there[codes] = True
    there[births] = True
    known = np.flatnonzero(there)
    places = np.cumsum(there, dtype=np.int64) - 1
    return known, places.astype(np.min_scalar_type(len(known)))[codes]


def counter(
    grid: Grid,
    moments: Floats,
    columns: Sequence[Column],
    common: Labels,
    born: Iterable[Sequence[str]] = (),
    weight: NDArray[np.float32] | None = None,
) -> Flow:
    """Return a counter of things that happened at these moments."""
    events = Events.of(grid, columns)
    events.happened(moments, [column.places for column in columns], weight)
    return events.flow(common, born)


def open_things(
    grid: Grid,
    begun: Floats,
    ended: Floats,
    columns: Sequence[Column],
    common: Labels,
    born: Iterable[Sequence[str]] = (),
) -> Flow:
    """Return a gauge of things that are there from one moment to another; NaN: not yet over."""
    events = Events.of(grid, columns)
    events.were_there(begun, ended, [column.places for column in columns])
    return events.flow(common, born)


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
    things = Things(since[kept], first[kept], last[kept], np.asarray(group, dtype=np.int64)[kept])
    if np.array_equal(things.since, begun[kept]):
        things = things.oldest()
    else:
        last = np.minimum(things.last, things.first + round(_LONGEST / grid.step))
        things = replace(things, last=last)
    return things.ages(grid, labels)


@dataclass(frozen=True, slots=True)
class Things:
    """What is seen for a while, and has an age.

    Attributes:
        since: Unix time from which on its age counts.
        first, last: The evaluations that see it, the last one left out.
        row: What the oldest one of is asked for.
    """

    since: Floats
    first: NDArray[np.int32]
    last: NDArray[np.int32]
    row: Ints

    @classmethod
    def seen(cls, grid: Grid, begun: Floats, ended: Floats, row: NDArray[Any]) -> Things:
        """Return the oldest ones of those that are seen from when on their age counts."""
        first, last = grid.sees(begun), grid.sees(ended)
        kept = np.flatnonzero((last > first) & ~np.isnan(begun))
        return cls(begun[kept], first[kept], last[kept], row[kept].astype(np.int64)).oldest()

    @classmethod
    def together(cls, pieces: Sequence[Things]) -> Things:
        """Return the oldest of several pieces' oldest."""
        return cls(
            np.concatenate([piece.since for piece in pieces]),
            np.concatenate([piece.first for piece in pieces]),
            np.concatenate([piece.last for piece in pieces]),
            np.concatenate([piece.row for piece in pieces]),
        ).oldest()

    def oldest(self) -> Things:
        """Return what is ever the oldest of its row, and from when on: until then something older is there.

        Only where each is seen from the moment on from which its age counts.
        """
        order = np.lexsort((self.since, self.row))
        # Later rows lie further on, so that what outlasts all before it is told for all rows at once.
        width = int(self.last.max(initial=0)) - int(self.first.min(initial=0)) + 1
        apart = self.row[order] * width
        ends = np.maximum.accumulate(apart + self.last[order])
        outlasted = np.concatenate([[np.iinfo(np.int64).min], ends[:-1]])
        there = apart + self.last[order] > outlasted
        begins = np.maximum(apart + self.first[order], outlasted) - apart
        kept = order[there]
        first = begins[there].astype(np.int32)
        return Things(self.since[kept], first, self.last[kept], self.row[kept])

    def ages(self, grid: Grid, labels: Sequence[Labels]) -> Stored:
        """Return the age of the oldest of each row, 0 where there is none."""
        lengths = (self.last - self.first).astype(np.int64)
        starts = np.cumsum(lengths) - lengths
        places = np.arange(lengths.sum()) - np.repeat(starts - self.first, lengths)
        whole = grid.whole
        found = np.full((len(labels), whole.count), np.inf)
        cells = np.repeat(self.row, lengths), places - whole.first
        np.minimum.at(found, cells, np.repeat(self.since, lengths))
        sampled = grid.sampled(np.arange(whole.first, whole.end))
        ages = np.maximum(np.where(np.isinf(found), 0.0, sampled - found), 0.0)
        return Stored(list(labels), ages.astype(np.float32), whole.first)


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


@dataclass(slots=True)
class Observed:
    """Observations of one of the three kinds of series of a histogram, taken piece by piece."""

    kind: str
    bounds: Sequence[float]
    events: Events

    @classmethod
    def of(
        cls, grid: Grid, kind: str, values: Mapping[str, Sequence[str]], bounds: Sequence[float]
    ) -> Observed:
        """Return none yet."""
        own = {**values, "le": _written(bounds)} if kind == "bucket" else values
        return cls(kind, bounds, Events(grid, own))

    def take(self, moments: Floats, seconds: Floats, places: Sequence[NDArray[Any]]) -> None:
        """Take some, each with the places of its labels' values."""
        if self.kind == "count":
            self.events.happened(moments, places)
        elif self.kind == "sum":
            self.events.happened(moments, places, seconds.astype(np.float32))
        else:
            bucket = np.searchsorted(np.asarray(self.bounds), seconds, side="left")
            self.events.happened(moments, [*places, bucket])

    def source(self, common: Labels, born: Collection[Sequence[str]]) -> Flow | Buckets:
        """Return all of them."""
        if self.kind != "bucket":
            return self.events.flow(common, born)
        bounds = _written(self.bounds)
        return Buckets(self.events.flow(common, [(*own, bounds[-1]) for own in born]), bounds)


def _written(bounds: Sequence[float]) -> list[str]:
    return [*(repr(float(bound)) for bound in bounds), "+Inf"]


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
    observed = Observed.of(grid, kind, {c.name: c.values for c in columns}, buckets)
    observed.take(moments, seconds, [column.places for column in columns])
    return observed.source(common, born)
