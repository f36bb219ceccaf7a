"""Instant vectors over a stretch of evaluations: one row a series, one column an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Labels: TypeAlias = Mapping[str, str]
Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
Ints: TypeAlias = NDArray[np.int64]
Signature: TypeAlias = tuple[tuple[str, str], ...]

NAME = "__name__"


class NotJudgedError(Exception):
    """An expression cannot be replayed here; the message says what it needs."""


@dataclass(frozen=True, slots=True)
class Span:
    """Consecutive evaluations: `first`, and how many. Evaluation 0 is the first that is judged."""

    first: int
    count: int

    @property
    def end(self) -> int:
        """One past the last."""
        return self.first + self.count


@dataclass(frozen=True, slots=True)
class Vector:
    """Series with their values.

    Attributes:
        labels: One mapping a row, without the metric's name.
        values: Rows by evaluations; what stands where `present` is false means nothing. Not to be written to: what
            does not change is kept once, see `steady`.
        present: Where the series has a sample. A sample may well be NaN (0 / 0), so it is kept apart.
    """

    labels: tuple[Labels, ...]
    values: Floats
    present: Bools

    @classmethod
    def empty(cls, count: int) -> Vector:
        """Return a vector without series."""
        return cls((), np.empty((0, count)), np.empty((0, count), dtype=bool))

    @classmethod
    def full(cls, labels: Sequence[Labels], values: Floats) -> Vector:
        """Return a vector whose series are all present throughout."""
        return cls(tuple(labels), values, np.ones(values.shape, dtype=bool))

    def rows(self, chosen: Sequence[int]) -> Vector:
        """Return some of its series, in this order."""
        index = list(chosen)
        return Vector(
            tuple(self.labels[row] for row in index),
            taken(index, self.values),
            self.present[index],
        )

    def relabelled(self, change: Callable[[Labels], Labels]) -> Vector:
        """Return the same values under other labels.

        Raises:
            NotJudgedError: Two series would become one.
        """
        labels = tuple(change(row) for row in self.labels)
        if len({signature(row) for row in labels}) < len(labels):
            raise NotJudgedError("a change of labels that makes two series one")
        return Vector(labels, self.values, self.present)


def steady(values: Floats | float, shape: tuple[int, ...]) -> Floats:
    """Return what is the same at all evaluations, kept once for all of them."""
    return np.broadcast_to(np.asarray(values, dtype=np.float64), shape)


def each(how: Callable[..., Floats], *operands: Floats) -> Floats:
    """Return a function of the values at each evaluation; of steady ones it is worked out once."""
    if any(operand.strides[-1] for operand in operands):
        return how(*operands)
    shape = np.broadcast_shapes(*(operand.shape for operand in operands))
    return steady(how(*(operand[..., :1] for operand in operands)), shape)


def taken(rows: Sequence[int] | Ints, values: Floats) -> Floats:
    """Return some rows; steady ones stay so."""
    if values.strides[-1]:
        return values[rows]
    return steady(values[rows, :1], (len(rows), values.shape[1]))


def signature(labels: Labels, names: Iterable[str] | None = None) -> Signature:
    """Return what two series have in common when these labels are equal; all labels if None."""
    if names is None:
        return tuple(sorted(item for item in labels.items() if item[1]))
    return tuple((name, labels.get(name, "")) for name in sorted(names))


def without(labels: Labels, names: Iterable[str]) -> dict[str, str]:
    """Return the labels less these."""
    dropped = set(names)
    return {name: value for name, value in labels.items() if name not in dropped}


def stacked(parts: Sequence[Vector]) -> Vector:
    """Return consecutive stretches as one; a series that a part lacks is absent there."""
    if len(parts) == 1:
        return parts[0]
    labels = next((part.labels for part in parts if part.labels), ())
    alike = all(part.labels is labels or not part.labels for part in parts)
    index: dict[Signature, int] = {}
    if not alike:
        different = {signature(row): row for part in reversed(parts) for row in part.labels}
        labels = tuple(different.values())
        index = {key: place for place, key in enumerate(different)}
    width = sum(part.values.shape[1] for part in parts)
    values, present = np.zeros((len(labels), width)), np.zeros((len(labels), width), dtype=bool)
    at = 0
    for part in parts:
        to = at + part.values.shape[1]
        if part.labels:
            rows = slice(None) if alike else [index[signature(row)] for row in part.labels]
            values[rows, at:to] = part.values
            present[rows, at:to] = part.present
        at = to
    return Vector(labels, values, present)
