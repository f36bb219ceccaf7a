"""Operations between two vectors, and between a vector and a number, matched as PromQL matches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from airwarden.rules.backtest.plans import Groups, Plans
from airwarden.rules.backtest.vectors import (
    Bools,
    Floats,
    Ints,
    Labels,
    NotJudgedError,
    Signature,
    Vector,
    each,
    signature,
    taken,
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


@dataclass(frozen=True, slots=True)
class _Meeting:
    """Which series of one side meet which of the other.

    Attributes:
        others: The other side, grouped by what is matched.
        met: The group that each row meets; the number of groups where it meets none.
    """

    others: Groups
    met: Ints


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Series of the side of many that meet one of the other side, and what their results are called.

    Attributes:
        ones: The side of one, grouped by what is matched.
        rows: The rows of the side of many; None for all of them.
        met: The group that each of them meets; None where they stand in the same order.
        labels: What the results are called.
        names: Those that are called the same.
    """

    ones: Groups
    rows: Ints | None
    met: Ints | None
    labels: tuple[Labels, ...]
    names: Groups


@dataclass(frozen=True, slots=True)
class _Merged:
    """The series of both sides of an `or`.

    Attributes:
        new: Rows of the right side that the left one has not.
        same: Those that it has, and its rows for them.
    """

    labels: tuple[Labels, ...]
    new: Ints
    same: tuple[tuple[int, int], ...]


_MEETINGS: Plans[_Meeting] = Plans()
_PAIRS: Plans[_Pairs] = Plans()
_MERGED: Plans[_Merged] = Plans()


def _meeting(one: Vector, other: Vector, matching: Matching) -> _Meeting:
    def made() -> _Meeting:
        others = Groups.of(other.labels, matching.of)
        none = len(others.labels)
        met = [others.index.get(matching.of(labels), none) for labels in one.labels]
        return _Meeting(others, np.array(met, dtype=np.int64))

    return _MEETINGS.of((one.labels, other.labels), matching, made)


def _there(meeting: _Meeting, present: Bools) -> Bools:
    """Return, for each row of the one side, where any of those that it meets is there."""
    grouped = meeting.others.present(present)
    nobody = np.zeros((1, present.shape[1]), dtype=bool)
    return np.asarray(np.concatenate([grouped, nobody])[meeting.met], dtype=bool)


def set_operation(operator: str, left: Vector, right: Vector, matching: Matching) -> Vector:
    """Return `left and right`, `left or right`, `left unless right`."""
    if operator == "or":
        return _either(left, right, matching)
    there = _there(_meeting(left, right, matching), right.present)
    present = left.present & (there if operator == "and" else ~there)
    return Vector(left.labels, left.values, present)


def _either(left: Vector, right: Vector, matching: Matching) -> Vector:
    if not right.labels:
        return left
    if not left.labels:
        return right
    there = right.present & ~_there(_meeting(right, left, matching), left.present)
    plan = _MERGED.of((left.labels, right.labels), None, lambda: _merged(left.labels, right.labels))
    values = np.concatenate([left.values, right.values[plan.new]])
    present = np.concatenate([left.present, there[plan.new]])
    # The same series may come from one side at one time and from the other at another.
    for row, place in plan.same:
        values[place] = np.where(there[row], right.values[row], values[place])
        present[place] |= there[row]
    return Vector(plan.labels, values, present)


def _merged(left: tuple[Labels, ...], right: tuple[Labels, ...]) -> _Merged:
    places = {signature(labels): row for row, labels in enumerate(left)}
    new, same = [], []
    for row, labels in enumerate(right):
        place = places.get(signature(labels))
        if place is None:
            new.append(row)
        else:
            same.append((row, place))
    labels_ = (*left, *(right[row] for row in new))
    return _Merged(labels_, np.array(new, dtype=np.int64), tuple(same))


def binary(operator: str, left: Vector, right: Vector, matching: Matching) -> Vector:
    """Return an arithmetic operation or comparison of two vectors.

    Raises:
        NotJudgedError: Several series of a side meet where there may be one.
    """
    many, one, swapped = left, right, False
    if matching.many == "right":
        many, one, swapped = right, left, True
    pairs = _PAIRS.of(
        (many.labels, one.labels), matching, lambda: _paired(many.labels, one.labels, matching)
    )
    if not pairs.labels:
        return Vector.empty(left.values.shape[1])
    ones = _taking_turns(one, pairs.ones)
    own_values, own_present = many.values, many.present
    if pairs.rows is not None:
        own_values, own_present = taken(pairs.rows, own_values), own_present[pairs.rows]
    met_values, met_present = ones.values, ones.present
    if pairs.met is not None:
        met_values, met_present = taken(pairs.met, met_values), met_present[pairs.met]
    first, second = (met_values, own_values) if swapped else (own_values, met_values)
    values, kept = _calculated(operator, first, second, matching.as_bool)
    present = own_present & met_present
    if kept is not None:
        present &= kept
    found = Vector(pairs.labels, values, present)
    # Series that came out with the same labels are one, as long as they take turns.
    return _taking_turns(found, pairs.names)


def _paired(many: tuple[Labels, ...], one: tuple[Labels, ...], matching: Matching) -> _Pairs:
    ones = Groups.of(one, matching.of)
    rows: list[int] = []
    met: list[int] = []
    labels: list[Labels] = []
    for row, own in enumerate(many):
        place = ones.index.get(matching.of(own))
        if place is not None:
            rows.append(row)
            met.append(place)
            labels.append(_result(own, ones.labels[place], matching))
    every = len(rows) == len(many)
    alike = met == list(range(len(ones.labels)))
    return _Pairs(
        ones,
        None if every else np.array(rows, dtype=np.int64),
        None if alike else np.array(met, dtype=np.int64),
        tuple(labels),
        Groups.of(labels, signature),
    )


def _taking_turns(vector: Vector, groups: Groups) -> Vector:
    """Return one series a group, of which at most one may be there at a time.

    Raises:
        NotJudgedError: Several are.
    """
    if groups.single:
        return vector
    if (groups.reduced(np.add, vector.present.astype(np.int8)) > 1).any():
        raise NotJudgedError("several series where a match needs one")
    values = groups.reduced(np.add, np.where(vector.present, vector.values, 0.0))
    return Vector(
        groups.labels, np.asarray(values, dtype=np.float64), groups.present(vector.present)
    )


def with_number(
    operator: str, vector: Vector, number: Floats, *, number_first: bool, as_bool: bool
) -> Vector:
    """Return an operation of a vector with one number an evaluation."""
    numbers = np.broadcast_to(number, vector.values.shape)
    first, second = (numbers, vector.values) if number_first else (vector.values, numbers)
    values, kept = _calculated(operator, first, second, as_bool)
    if operator in COMPARISONS and not as_bool:
        values = vector.values
    return Vector(vector.labels, values, vector.present if kept is None else vector.present & kept)


def of_numbers(operator: str, left: Floats, right: Floats) -> Floats:
    """Return an operation of two scalars; a comparison gives 0 and 1."""
    values, _ = _calculated(operator, left, right, as_bool=True)
    return values


def _calculated(
    operator: str, first: Floats, second: Floats, as_bool: bool
) -> tuple[Floats, Bools | None]:
    """Return the values, and where a series is kept; None for everywhere."""
    with np.errstate(all="ignore"):
        if operator in ARITHMETIC:
            return each(ARITHMETIC[operator], first, second), None
        if operator not in COMPARISONS:
            raise NotJudgedError(f"the operator {operator}")
        holds = COMPARISONS[operator](first, second)
    if as_bool:
        return holds.astype(np.float64), None
    return np.asarray(first), holds


def _result(own: Labels, met: Labels, matching: Matching) -> Labels:
    if matching.many:
        included = {name: met[name] for name in matching.include if met.get(name)}
        return {**without(own, matching.include), **included}
    if matching.on:
        return {name: own[name] for name in matching.names if own.get(name)}
    return without(own, matching.names)
