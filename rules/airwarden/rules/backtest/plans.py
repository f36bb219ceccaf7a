"""What follows from labels alone, worked out once for all stretches of evaluations that share them.

The same expression gives the same series in most stretches, as the very same tuple of labels: so tuples are
told apart by identity, and are kept for as long as what was worked out for them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from airwarden.rules.backtest.vectors import Bools, Ints, Labels, Signature, Vector

#: Entries after which all are dropped: series that come and go would fill memory otherwise.
_MOST = 2000
P = TypeVar("P")


@dataclass(slots=True)
class Plans(Generic[P]):
    """Plans by the tuples of labels that they were made for, and what else they depend on."""

    _known: dict[Hashable, tuple[Sequence[tuple[Labels, ...]], P]] = field(default_factory=dict)

    def of(self, labels: Sequence[tuple[Labels, ...]], rest: Hashable, make: Callable[[], P]) -> P:
        """Return the plan for these tuples, made now if there is none."""
        key = (*map(id, labels), rest)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _MOST:
                self._known.clear()
            found = self._known[key] = (labels, make())
        return found[1]


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows that belong together.

    Attributes:
        labels: One mapping a group.
        index: The place of each signature among the groups.
        rows: The rows of each group.
        order: All rows, group by group; None where they stand like that already.
        starts: Where in that order each group begins.
    """

    labels: tuple[Labels, ...]
    index: dict[Signature, int]
    rows: tuple[list[int], ...]
    order: Ints | None
    starts: Ints

    @classmethod
    def of(
        cls,
        labels: Sequence[Labels],
        sign: Callable[[Labels], Signature],
        shown: Callable[[Labels], Labels] = lambda own: own,
    ) -> Groups:
        """Group rows by a signature, in the order in which the groups are met.

        Args:
            labels: The rows.
            sign: What those of one group have in common.
            shown: The labels of a group, from those of its first row.
        """
        index: dict[Signature, int] = {}
        names: list[Labels] = []
        rows: list[list[int]] = []
        for row, own in enumerate(labels):
            place = index.setdefault(sign(own), len(rows))
            if place == len(rows):
                names.append(shown(own))
                rows.append([])
            rows[place].append(row)
        order = np.array([row for group in rows for row in group], dtype=np.int64)
        sizes = np.array([len(group) for group in rows], dtype=np.int64)
        sorted_already = bool((order == np.arange(len(order))).all())
        return cls(
            tuple(names),
            index,
            tuple(rows),
            None if sorted_already else order,
            np.cumsum(sizes) - sizes,
        )

    @property
    def single(self) -> bool:
        """Whether each group has one row, and they stand in order."""
        return self.order is None and len(self.starts) == sum(map(len, self.rows))

    def reduced(self, how: np.ufunc, numbers: NDArray[Any]) -> NDArray[Any]:
        """Return one row a group: a ufunc over the rows of each."""
        if not len(self.starts):
            return numbers[:0]
        if self.single:
            return numbers
        ordered = numbers if self.order is None else numbers[self.order]
        return np.asarray(how.reduceat(ordered, self.starts, axis=0))

    def present(self, there: Bools) -> Bools:
        """Return where any row of a group is there."""
        return np.asarray(self.reduced(np.logical_or, there), dtype=bool)


def shrunk(vector: Vector) -> Vector:
    """Return a vector without the series that are never there, where that makes it much smaller."""
    there: Bools = np.any(vector.present, axis=1)
    number = int(there.sum())
    if not number:
        return Vector.empty(vector.values.shape[1])
    if number * 4 > len(there):
        return vector
    return vector.rows(np.flatnonzero(there).tolist())
