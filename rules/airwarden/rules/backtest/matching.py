"""Operations between two vectors, and between a vector and a number, matched as PromQL matches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from airwarden.rules.backtest.vectors import (
    Bools,
    Floats,
    Labels,
    NotJudgedError,
    Signature,
    Vector,
    signature,
    without,
)

Numbers = Callable[[Floats, Floats], Floats]

ARITHMETIC: Mapping[str, Numbers] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.power,
    "atan2": np.arctan2,
}
COMPARISONS: Mapping[str, Callable[[Floats, Floats], Bools]] = {
    ">": np.greater,
    ">=": np.greater_equal,
    "<": np.less,
    "<=": np.less_equal,
    "==": np.equal,
    "!=": np.not_equal,
}
SETS = ("and", "or", "unless")


@dataclass(frozen=True, slots=True)
class Matching:
    """Which labels two sides are matched by, and how many series of a side one of the other meets.

    Attributes:
        names: The labels named by `on` or `ignoring`.
        on: Whether `on` was written; without either, all labels count.
        many: `left`, `right`, or empty for one to one.
        include: Labels taken over from the side of which there is one.
        as_bool: A comparison gives 0 and 1 instead of leaving out.
    """

    names: tuple[str, ...] = ()
    on: bool = False
    many: str = ""
    include: tuple[str, ...] = ()
    as_bool: bool = False

    def of(self, labels: Labels) -> Signature:
        """Return what a series is matched by."""
        return signature(labels, self.names) if self.on else signature(without(labels, self.names))


def _by_signature(labels: Sequence[Labels], matching: Matching) -> dict[Signature, list[int]]:
    found: dict[Signature, list[int]] = {}
    for row, own in enumerate(labels):
        found.setdefault(matching.of(own), []).append(row)
    return found


def _any(present: Bools, rows: Iterable[int]) -> Bools:
    found: Bools = np.any(present[list(rows)], axis=0)
    return found


def set_operation(operator: str, left: Vector, right: Vector, matching: Matching) -> Vector:
    """Return `left and right`, `left or right`, `left unless right`."""
    if operator == "or":
        return _either(left, right, matching)
    others = _by_signature(right.labels, matching)
    present = left.present.copy()
    for row, labels in enumerate(left.labels):
        rows = others.get(matching.of(labels))
        if rows is None:
            if operator == "and":
                present[row] = False
        else:
            there = _any(right.present, rows)
            present[row] &= there if operator == "and" else ~there
    return Vector(left.labels, left.values, present)


def _either(left: Vector, right: Vector, matching: Matching) -> Vector:
    own = _by_signature(left.labels, matching)
    there = right.present.copy()
    for row, labels in enumerate(right.labels):
        rows = own.get(matching.of(labels))
        if rows is not None:
            there[row] &= ~_any(left.present, rows)
    # The same series may come from one side at one time and from the other at another.
    values, present, labels_ = [left.values], [left.present], list(left.labels)
    index = {signature(labels): row for row, labels in enumerate(left.labels)}
    merged_values, merged_present = left.values.copy(), left.present.copy()
    for row, labels in enumerate(right.labels):
        same = index.get(signature(labels))
        if same is None:
            labels_.append(labels)
            values.append(right.values[row : row + 1])
            present.append(there[row : row + 1])
        else:
            merged_values[same] = np.where(there[row], right.values[row], merged_values[same])
            merged_present[same] |= there[row]
    values[0], present[0] = merged_values, merged_present
    return Vector(tuple(labels_), np.concatenate(values), np.concatenate(present))


def binary(operator: str, left: Vector, right: Vector, matching: Matching) -> Vector:
    """Return an arithmetic operation or comparison of two vectors.

    Raises:
        NotJudgedError: Several series of a side meet where there may be one.
    """
    many, one, swapped = left, right, False
    if matching.many == "right":
        many, one, swapped = right, left, True
    ones = {key: _only(one, rows) for key, rows in _by_signature(one.labels, matching).items()}
    rows: list[int] = []
    labels: list[Labels] = []
    there: list[tuple[Floats, Bools]] = []
    for row, own in enumerate(many.labels):
        met = ones.get(matching.of(own))
        if met is None:
            continue
        rows.append(row)
        there.append((met[1], met[2]))
        labels.append(_result(own, met[0], matching))
    if not rows:
        return Vector.empty(left.values.shape[1])
    own_values, own_present = many.values[rows], many.present[rows]
    met_values = np.stack([values for values, _ in there])
    met_present = np.stack([present for _, present in there])
    first, second = (met_values, own_values) if swapped else (own_values, met_values)
    values, kept = _calculated(operator, first, second, matching.as_bool)
    found = Vector(tuple(labels), values, own_present & met_present & kept)
    return _one_a_name(found)


def with_number(
    operator: str, vector: Vector, number: Floats, *, number_first: bool, as_bool: bool
) -> Vector:
    """Return an operation of a vector with one number an evaluation."""
    numbers = np.broadcast_to(number, vector.values.shape)
    first, second = (numbers, vector.values) if number_first else (vector.values, numbers)
    values, kept = _calculated(operator, first, second, as_bool)
    if operator in COMPARISONS and not as_bool:
        values = vector.values
    return Vector(vector.labels, values, vector.present & kept)


def of_numbers(operator: str, left: Floats, right: Floats) -> Floats:
    """Return an operation of two scalars; a comparison gives 0 and 1."""
    values, _ = _calculated(operator, left, right, as_bool=True)
    return values


def _calculated(
    operator: str, first: Floats, second: Floats, as_bool: bool
) -> tuple[Floats, Bools]:
    with np.errstate(all="ignore"):
        if operator in ARITHMETIC:
            values = ARITHMETIC[operator](first, second)
            return values, np.ones(values.shape, dtype=bool)
        if operator not in COMPARISONS:
            raise NotJudgedError(f"the operator {operator}")
        holds = COMPARISONS[operator](first, second)
    if as_bool:
        return holds.astype(np.float64), np.ones(holds.shape, dtype=bool)
    return np.asarray(first), holds


def _only(vector: Vector, rows: Sequence[int]) -> tuple[Labels, Floats, Bools]:
    """Return the one series of a signature: of several, at most one may be there at a time."""
    first = rows[0]
    if len(rows) == 1:
        return vector.labels[first], vector.values[first], vector.present[first]
    present = vector.present[list(rows)]
    if (present.sum(axis=0) > 1).any():
        raise NotJudgedError("several series where a match needs one")
    values = np.where(present, vector.values[list(rows)], 0.0).sum(axis=0)
    there: Bools = np.any(present, axis=0)
    return vector.labels[first], values, there


def _result(own: Labels, met: Labels, matching: Matching) -> Labels:
    if matching.many:
        taken = {name: met[name] for name in matching.include if met.get(name)}
        return {**without(own, matching.include), **taken}
    if matching.on:
        return {name: own[name] for name in matching.names if own.get(name)}
    return without(own, matching.names)


def _one_a_name(vector: Vector) -> Vector:
    """Put together series that came out with the same labels, as long as they take turns."""
    rows: dict[Signature, list[int]] = {}
    for row, labels in enumerate(vector.labels):
        rows.setdefault(signature(labels), []).append(row)
    if len(rows) == len(vector.labels):
        return vector
    parts = [_only(vector, places) for places in rows.values()]
    return Vector(
        tuple(labels for labels, _, _ in parts),
        np.stack([values for _, values, _ in parts]),
        np.stack([present for _, _, present in parts]),
    )
