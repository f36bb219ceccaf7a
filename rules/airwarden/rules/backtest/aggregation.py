"""`sum`, `max`, `topk` and the others, by labels or without them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from airwarden.rules.backtest.plans import Groups, Plans
from airwarden.rules.backtest.vectors import (
    Bools,
    Floats,
    Labels,
    NotJudgedError,
    Vector,
    signature,
    steady,
    without,
)


def _sum(groups: Groups, rows: Floats, there: Bools) -> Floats:
    numbers = rows if there.all() else np.where(there, rows, 0.0)
    return np.asarray(groups.reduced(np.add, numbers), dtype=np.float64)


def _count(groups: Groups, there: Bools) -> Floats:
    if there.all():
        sizes = np.array([len(rows) for rows in groups.rows], dtype=np.float64)
        return steady(sizes[:, None], (len(sizes), there.shape[1]))
    return np.asarray(groups.reduced(np.add, there.astype(np.float64)), dtype=np.float64)


def _extreme(groups: Groups, rows: Floats, there: Bools, pick: np.ufunc, nothing: float) -> Floats:
    """Return the highest or lowest; what is no number counts only where there is no other."""
    best = np.asarray(groups.reduced(pick, np.where(there, rows, nothing)), dtype=np.float64)
    return np.where(best == nothing, np.nan, best)


#: Over the rows of each group, absent ones left out by a mask that is passed beside them.
_PLAIN: Mapping[str, Callable[[Groups, Floats, Bools], Floats]] = {
    "sum": _sum,
    "count": lambda groups, _, there: _count(groups, there),
    "group": lambda groups, rows, _: np.ones((len(groups.labels), rows.shape[1])),
    "avg": lambda groups, rows, there: (
        _sum(groups, rows, there) / np.maximum(_count(groups, there), 1)
    ),
    "max": lambda groups, rows, there: _extreme(groups, rows, there, np.fmax, -np.inf),
    "min": lambda groups, rows, there: _extreme(groups, rows, there, np.fmin, np.inf),
}

#: Of one series these are its own value.
_ITSELF = frozenset({"sum", "avg", "max", "min"})
_PLANS: Plans[Groups] = Plans()


def aggregate(
    operator: str, vector: Vector, names: Sequence[str], *, by: bool, share: Floats | None = None
) -> Vector:
    """Return an aggregation.

    Args:
        operator: PromQL's name.
        vector: What is aggregated.
        names: The labels after `by` or `without`.
        by: Which of the two.
        share: The parameter of `quantile`, `topk` and `bottomk`, one an evaluation.

    Raises:
        NotJudgedError: The aggregation is not known here.
    """
    groups = _PLANS.of((vector.labels,), (tuple(names), by), lambda: _groups(vector, names, by=by))
    if operator in ("topk", "bottomk") and share is not None:
        return _extremes(vector, groups.rows, share, highest=operator == "topk")
    if operator not in _PLAIN and operator != "quantile":
        raise NotJudgedError(f"the aggregation {operator}")
    if not groups.labels:
        return Vector.empty(vector.values.shape[1])
    if operator in _ITSELF and groups.single:
        return Vector(groups.labels, vector.values, vector.present)
    if operator == "quantile":
        numbers = np.where(vector.present, vector.values, np.nan)
        values = np.stack([_quantile(numbers[rows], share) for rows in groups.rows])
    else:
        values = _PLAIN[operator](groups, vector.values, vector.present)
    return Vector(groups.labels, values, groups.present(vector.present))


def _groups(vector: Vector, names: Sequence[str], *, by: bool) -> Groups:
    def kept(own: Labels) -> Labels:
        return {n: own[n] for n in names if own.get(n)} if by else without(own, names)

    return Groups.of(vector.labels, lambda own: signature(kept(own)), kept)


def _quantile(numbers: Floats, share: Floats | None) -> Floats:
    if share is None or (share != share[0]).any():
        raise NotJudgedError("a quantile whose share changes")
    ordered = np.sort(numbers, axis=0)  # what is no number comes last
    count = (~np.isnan(numbers)).sum(axis=0)
    rank = share[0] * np.maximum(count - 1, 0)
    below = np.floor(rank).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(count - 1, 0))
    columns = np.arange(numbers.shape[1])
    low, high = ordered[below, columns], ordered[above, columns]
    found: Floats = low + (high - low) * (rank - below)
    return found


def _extremes(
    vector: Vector, groups: Sequence[Sequence[int]], number: Floats, *, highest: bool
) -> Vector:
    present = np.zeros_like(vector.present)
    wanted = number.astype(np.int64)
    for rows in groups:
        index = list(rows)
        lowest = -np.inf if highest else np.inf
        numbers = np.where(vector.present[index], vector.values[index], lowest)
        order = np.argsort(-numbers if highest else numbers, axis=0, kind="stable")
        rank = np.argsort(order, axis=0, kind="stable")
        present[index] = vector.present[index] & (rank < wanted)
    return Vector(vector.labels, vector.values, present)
