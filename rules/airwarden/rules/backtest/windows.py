"""Functions over ranges, each window computed from prefix sums so that its length costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from airwarden.rules.backtest.vectors import Bools, Floats, Ints, NotJudgedError

#: What `rate`, `increase` and `delta` extrapolate over at most, in average distances of samples.
_FAR = 1.1
#: Samples at once in a quantile over time.
_WIDEST = 20_000_000


@dataclass(frozen=True, slots=True)
class Window:
    """What a range selector selects at each of some evaluations, out of evenly spaced samples.

    Attributes:
        values, present: Rows by samples.
        samples: How many a window holds; evaluation `i` sees samples `i` to `i + samples - 1`.
        step: Seconds between samples.
        to_start: Seconds from the range's begin to the window's first place for a sample.
        to_end: Seconds from its last one to the range's end.
        born_early: Counters have been counting for so long that none is near its birth at 0.
    """

    values: Floats
    present: Bools
    samples: int
    step: float
    to_start: float
    to_end: float
    born_early: bool = False

    @property
    def count(self) -> int:
        """How many evaluations."""
        return int(self.values.shape[1]) - self.samples + 1


Answer = tuple[Floats, Bools]


def _sums(window: Window, numbers: Floats) -> Floats:
    """Return each window's sum; one with a sample that is no number is none."""
    sums = np.zeros((numbers.shape[0], numbers.shape[1] + 1))
    np.cumsum(numbers, axis=1, out=sums[:, 1:])
    # What is no number, or without end, makes no number of all sums behind it.
    if not np.isfinite(sums[:, -1]).all():
        strange = ~np.isfinite(numbers)
        found = _sums(window, np.where(strange, 0.0, numbers))
        return np.where(_sums(window, strange.astype(np.float64)) > 0, np.nan, found)
    return np.asarray(sums[:, window.samples :] - sums[:, : -window.samples])


def _counts(window: Window) -> Floats:
    if window.present.all():
        return np.full((window.values.shape[0], window.count), float(window.samples))
    return _sums(window, window.present.astype(np.float64))


def _ends(window: Window) -> tuple[Ints, Ints]:
    """Return the places of each window's first and last sample; nonsense where it has none."""
    width = window.values.shape[1]
    places = np.arange(width)
    last = np.maximum.accumulate(np.where(window.present, places, -1), axis=1)
    first = np.minimum.accumulate(np.where(window.present, places, width - 1)[:, ::-1], axis=1)[
        :, ::-1
    ]
    return first[:, : window.count], np.maximum(last[:, window.samples - 1 :], 0)


def _extrapolated(window: Window, *, counter: bool, per_second: bool) -> Answer:
    """As Prometheus does: the change between first and last sample, stretched over the range."""
    if window.samples > 1 and window.born_early and window.present.all():
        return _even(window, per_second=per_second)
    first, last = _ends(window)
    values = np.where(window.present, window.values, 0.0)
    raised = _without_resets(values, window.present) if counter else values
    change = np.take_along_axis(raised, last, 1) - np.take_along_axis(raised, first, 1)
    place = np.arange(window.count)
    to_start = window.to_start + (first - place) * window.step
    to_end = window.to_end + (place + window.samples - 1 - last) * window.step
    sampled = (last - first) * window.step
    enough = _counts(window) >= 2
    with np.errstate(divide="ignore", invalid="ignore"):
        average = sampled / np.maximum(_counts(window) - 1, 1)
        if counter and not window.born_early:
            begun = np.take_along_axis(values, first, 1)
            to_zero = np.where((change > 0) & (begun >= 0), sampled * (begun / change), np.inf)
            to_start = np.minimum(to_start, to_zero)
        far = average * _FAR
        stretched = (
            sampled
            + np.where(to_start < far, to_start, average / 2)
            + np.where(to_end < far, to_end, average / 2)
        )
        found = change * (stretched / sampled)
    if per_second:
        found = found / (window.to_start + window.to_end + (window.samples - 1) * window.step)
    return np.where(enough, found, 0.0), enough


def _even(window: Window, *, per_second: bool) -> Answer:
    """The same where no sample is missing and no counter near its birth: every window is alike."""
    raised = _without_resets(window.values, window.present)
    change = raised[:, window.samples - 1 :] - raised[:, : window.count]
    sampled = (window.samples - 1) * window.step
    far = window.step * _FAR
    stretched = sampled + sum(
        rest if rest < far else window.step / 2 for rest in (window.to_start, window.to_end)
    )
    factor = stretched / sampled
    if per_second:
        factor /= window.to_start + window.to_end + sampled
    return change * factor, np.ones(change.shape, dtype=bool)


def _without_resets(values: Floats, present: Bools) -> Floats:
    """Return a counter as if it had never begun again at 0."""
    if present.all():
        before = values[:, :-1]
        fell = values[:, 1:] < before
        if not fell.any():
            return values
        lost = np.where(fell, before, 0.0)
    else:
        places = np.arange(values.shape[1])
        last = np.maximum.accumulate(np.where(present, places, 0), axis=1)
        carried = np.take_along_axis(values, last, 1)
        before = carried[:, :-1]
        lost = np.where(present[:, 1:] & (values[:, 1:] < before), before, 0.0)
    if not lost.any():
        return values
    raised = values.copy()
    raised[:, 1:] += np.cumsum(lost, axis=1)
    return raised


def _extreme(window: Window, pick: Callable[..., Floats], nothing: float) -> Answer:
    """Return the highest or lowest of each window, by windows of doubling length.

    As in Prometheus, a sample that is no number counts only where there is no other.
    """
    best = np.where(window.present, window.values, nothing)
    length = 1
    while length * 2 <= window.samples:
        best = pick(best[:, :-length], best[:, length:])
        length *= 2
    rest = window.samples - length
    if rest:
        best = pick(best[:, :-rest], best[:, rest:])
    return np.where(best == nothing, np.nan, best), _counts(window) > 0


def _average(window: Window) -> Answer:
    counts = _counts(window)
    return _sums(window, _values(window)) / np.maximum(counts, 1), counts > 0


def _sum(window: Window) -> Answer:
    return _sums(window, _values(window)), _counts(window) > 0


def _values(window: Window) -> Floats:
    """Return the samples, 0 where there is none."""
    if window.present.all():
        return window.values
    return np.where(window.present, window.values, 0.0)


def _count(window: Window) -> Answer:
    counts = _counts(window)
    return counts, counts > 0


def _present(window: Window) -> Answer:
    found = _counts(window) > 0
    return np.ones(found.shape), found


def _last(window: Window) -> Answer:
    _, last = _ends(window)
    return np.take_along_axis(window.values, last, 1), _counts(window) > 0


def _changes(window: Window) -> Answer:
    if window.samples < 2:
        there = _counts(window) > 0
        return np.zeros(there.shape), there
    places = np.arange(window.values.shape[1])
    last = np.maximum.accumulate(np.where(window.present, places, 0), axis=1)
    carried = np.take_along_axis(window.values, last, 1)
    changed = np.zeros(window.values.shape)
    changed[:, 1:] = window.present[:, 1:] & (window.values[:, 1:] != carried[:, :-1])
    # A window's first sample is compared with nothing.
    first, _ = _ends(window)
    numbers = _sums(window, changed) - np.take_along_axis(changed, first, 1)
    return numbers, _counts(window) > 0


def _quantile(window: Window, share: float) -> Answer:
    if window.values.size * window.samples > _WIDEST:
        raise NotJudgedError("a quantile over so long a range")
    numbers = np.where(window.present, window.values, np.nan)
    views = np.lib.stride_tricks.sliding_window_view(numbers, window.samples, axis=1)
    present = _counts(window) > 0
    found = np.full(present.shape, np.nan)
    found[present] = np.nanquantile(views[present], share, axis=-1)
    return found, present


#: PromQL's name → the function. `quantile_over_time` takes a share as well.
OVER_TIME: Mapping[str, Callable[[Window], Answer]] = {
    "rate": lambda w: _extrapolated(w, counter=True, per_second=True),
    "increase": lambda w: _extrapolated(w, counter=True, per_second=False),
    "delta": lambda w: _extrapolated(w, counter=False, per_second=False),
    "max_over_time": lambda w: _extreme(w, np.fmax, -np.inf),
    "min_over_time": lambda w: _extreme(w, np.fmin, np.inf),
    "avg_over_time": _average,
    "sum_over_time": _sum,
    "count_over_time": _count,
    "present_over_time": _present,
    "last_over_time": _last,
    "changes": _changes,
}
quantile_over_time = _quantile
