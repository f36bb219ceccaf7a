"""PromQL's functions of instant vectors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np

from airwarden.rules.backtest.vectors import (
    Floats,
    Labels,
    NotJudgedError,
    Signature,
    Vector,
    each,
    signature,
    without,
)

#: Of the value alone, series by series.
PLAIN: Mapping[str, Callable[[Floats], Floats]] = {
    "abs": np.abs,
    "ceil": np.ceil,
    "floor": np.floor,
    "exp": np.exp,
    "ln": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "sqrt": np.sqrt,
    "sgn": np.sign,
}


def plain(name: str, vector: Vector) -> Vector:
    """Return a function of each value."""
    with np.errstate(all="ignore"):
        return Vector(vector.labels, PLAIN[name](vector.values), vector.present)


def clamp(vector: Vector, lowest: Floats | None, highest: Floats | None) -> Vector:
    """Return the values kept within limits."""
    values = vector.values
    if lowest is not None:
        values = each(np.maximum, values, lowest)
    if highest is not None:
        values = each(np.minimum, values, highest)
    return Vector(vector.labels, values, vector.present)


def rounded(vector: Vector, nearest: Floats) -> Vector:
    """Return the values rounded to multiples, halves upwards."""
    return Vector(vector.labels, np.floor(vector.values / nearest + 0.5) * nearest, vector.present)


def absent(vector: Vector, labels: Labels) -> Vector:
    """Return 1 where no series is there."""
    count = vector.values.shape[1]
    nothing = np.ones((1, count), dtype=bool)
    for row in vector.present:
        nothing[0] &= ~row
    return Vector((labels,), np.ones((1, count)), nothing)


def scalar(vector: Vector) -> Floats:
    """Return the value of the only series, NaN where there is none or more than one."""
    there = vector.present.sum(axis=0) if len(vector.labels) else np.zeros(vector.values.shape[1])
    values = np.where(vector.present, vector.values, 0.0).sum(axis=0)
    found: Floats = np.where(there == 1, values, np.nan)
    return found


def label_replace(
    vector: Vector, target: str, replacement: str, source: str, pattern: str
) -> Vector:
    """Return the vector with a label set where another one matches."""
    compiled = re.compile(pattern)
    template = re.sub(r"\$\{?(\w+)\}?", r"\\g<\1>", replacement)

    def change(labels: Labels) -> Labels:
        found = compiled.fullmatch(labels.get(source, ""))
        if found is None:
            return labels
        value = found.expand(template)
        return {**labels, target: value} if value else without(labels, [target])

    return vector.relabelled(change)


def histogram_quantile(share: Floats, vector: Vector) -> Vector:
    """Return a quantile of classic histograms, interpolated within its bucket.

    Raises:
        NotJudgedError: The share changes with time.
    """
    groups: dict[Signature, list[tuple[float, int]]] = {}
    labels: dict[Signature, Labels] = {}
    for row, own in enumerate(vector.labels):
        rest = without(own, ["le"])
        labels[signature(rest)] = rest
        groups.setdefault(signature(rest), []).append((float(own.get("le", "nan")), row))
    found, present, names = [], [], []
    for key, buckets in groups.items():
        buckets.sort()
        bounds = np.array([bound for bound, _ in buckets])
        if len(bounds) < 2 or not np.isinf(bounds[-1]):
            continue
        rows = [row for _, row in buckets]
        counts = np.maximum.accumulate(np.where(vector.present[rows], vector.values[rows], 0), 0)
        names.append(labels[key])
        found.append(_interpolated(share, bounds, counts))
        present.append(vector.present[rows].any(axis=0))
    if not names:
        return Vector.empty(vector.values.shape[1])
    return Vector(tuple(names), np.stack(found), np.stack(present))


def _interpolated(share: Floats, bounds: Floats, counts: Floats) -> Floats:
    if ((share < 0) | (share > 1)).any():
        raise NotJudgedError("a share outside 0 to 1")
    total = counts[-1]
    rank = share * total
    bucket = np.minimum((counts < rank).sum(axis=0), len(bounds) - 1)
    columns = np.arange(counts.shape[1])
    below = np.where(bucket > 0, counts[np.maximum(bucket - 1, 0), columns], 0.0)
    inside = counts[bucket, columns] - below
    start = np.where(bucket > 0, bounds[np.maximum(bucket - 1, 0)], 0.0)
    end = bounds[bucket]
    with np.errstate(divide="ignore", invalid="ignore"):
        value = start + (end - start) * (rank - below) / inside
    if bounds[0] <= 0:
        value = np.where(bucket == 0, bounds[0], value)
    value = np.where(bucket == len(bounds) - 1, bounds[-2], value)
    result: Floats = np.where(total > 0, value, np.nan)
    return result
