"""`sum`, `max`, `topk` and the others, by labels or without them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from airwarden.rules.backtest.vectors import (
    Floats,
    Labels,
    NotJudgedError,
    Signature,
    Vector,
    signature,
    without,
)


def _extreme(rows: Floats, pick: np.ufunc, nothing: float) -> Floats:
    """Return the highest or lowest; what is no number counts only where there is no other."""
    best: Floats = pick.reduce(rows, axis=0)
    return np.where(best == nothing, np.nan, best)


#: Over the rows of one group, absent ones left out by a mask that is passed beside them.
_PLAIN: Mapping[str, Callable[..., Floats]] = {
    "sum": lambda rows, there: np.where(there, rows, 0.0).sum(axis=0),
    "count": lambda _, there: there.sum(axis=0).astype(np.float64),
    "group": lambda rows, _: np.ones(rows.shape[1]),
    "avg": lambda rows, there: (
        np.where(there, rows, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    ),
    "max": lambda rows, there: _extreme(np.where(there, rows, -np.inf), np.fmax, -np.inf),
    "min": lambda rows, there: _extreme(np.where(there, rows, np.inf), np.fmin, np.inf),
}

#: Of one series these are its own value.
_ITSELF = frozenset({"sum", "avg", "max", "min"})


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
    groups: dict[Signature, list[int]] = {}
    labels: list[Labels] = []
    for row, own in enumerate(vector.labels):
        kept = {n: own[n] for n in names if own.get(n)} if by else without(own, names)
        key = signature(kept)
        if key not in groups:
            groups[key] = []
            labels.append(kept)
        groups[key].append(row)
    if operator in ("topk", "bottomk") and share is not None:
        return _extremes(vector, list(groups.values()), share, highest=operator == "topk")
    if operator not in _PLAIN and operator != "quantile":
        raise NotJudgedError(f"the aggregation {operator}")
    if not labels:
        return Vector.empty(vector.values.shape[1])
    if operator in _ITSELF and len(groups) == len(vector.labels):
        return Vector(tuple(labels), vector.values, vector.present)
    values, present = [], []
    for rows in groups.values():
        numbers, there = vector.values[rows], vector.present[rows]
        if operator == "quantile":
            values.append(_quantile(np.where(there, numbers, np.nan), share))
        else:
            values.append(_PLAIN[operator](numbers, there))
        present.append(there.any(axis=0))
    return Vector(tuple(labels), np.stack(values), np.stack(present))


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
