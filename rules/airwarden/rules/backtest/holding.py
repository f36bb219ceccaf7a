"""From "the expression holds" to "the alert fires": `for` and `keep_firing_for` as Prometheus applies them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from airwarden.rules.backtest.vectors import Labels, Signature, Vector, signature


@dataclass(slots=True)
class Active:
    """When each series of an expression was there: half-open stretches of evaluations.

    Attributes:
        labels: By series.
        stretches: By series, in order: first evaluation, one past the last, and the value at each end.
    """

    labels: dict[Signature, Labels] = field(default_factory=dict)
    stretches: dict[Signature, list[tuple[int, int]]] = field(default_factory=dict)
    values: dict[Signature, list[tuple[int, float]]] = field(default_factory=dict)

    def add(self, vector: Vector, first: int) -> None:
        """Take the next evaluations."""
        present = vector.present
        if not present.any():
            return
        count = present.shape[1]
        # One row after the other, with a gap before each: so begins and ends take turns.
        padded = np.zeros((len(present), count + 1), dtype=bool)
        padded[:, 1:] = present
        flat = np.append(padded.ravel(), False)
        turns = np.flatnonzero(flat[1:] != flat[:-1])
        rows, lows = np.divmod(turns[::2], count + 1)
        highs = turns[1::2] - rows * (count + 1)
        # The greatest value of every stretch at once: from each begin to its end, what lies between left out.
        edges = np.stack([rows * count + lows, rows * count + highs], axis=1).ravel()
        worst = np.maximum.reduceat(np.append(np.abs(vector.values).ravel(), 0.0), edges)[::2]
        turn = np.flatnonzero(np.diff(rows, prepend=-1))
        for begun, ended in zip(turn.tolist(), [*turn[1:].tolist(), len(rows)], strict=True):
            mine = slice(begun, ended)
            self._of_one(
                vector.labels[int(rows[begun])],
                (first + lows[mine]).tolist(),
                (first + highs[mine]).tolist(),
                worst[mine].tolist(),
            )

    def _of_one(
        self, labels: Labels, begins: list[int], ends: list[int], values: list[float]
    ) -> None:
        """Take the next stretches of one series; the first may go on from the last that is known."""
        key = signature(labels)
        self.labels.setdefault(key, labels)
        known, kept = self.stretches.setdefault(key, []), self.values.setdefault(key, [])
        if known and known[-1][1] == begins[0]:
            begins[0] = known.pop()[0]
            values[0] = max(kept.pop()[1], values[0])
        known += zip(begins, ends, strict=True)
        kept += zip(begins, values, strict=True)


@dataclass(frozen=True, slots=True)
class Firing:
    """One alert that fired.

    Attributes:
        labels: Those of its series and of its rule, `alertname` included.
        active: The evaluation from which on the condition held.
        fires: The evaluation at which it began to fire.
        resolved: The evaluation at which it was resolved; None where it fires at the end.
        worst: The greatest value while the condition held.
    """

    labels: Labels
    active: int
    fires: int
    resolved: int | None
    worst: float


def fired(
    active: Active, hold: float, keep: float, step: float, end: int, labels: Labels
) -> list[Firing]:
    """Return when an alert fired.

    Args:
        active: When its expression held.
        hold, keep: `for` and `keep_firing_for`, seconds.
        step: Seconds between evaluations.
        end: One past the last evaluation.
        labels: Those that the rule adds.
    """
    wait, linger = math.ceil(hold / step - 1e-9), math.ceil(keep / step - 1e-9)
    found: list[Firing] = []
    for key, stretches in active.stretches.items():
        worst = dict(active.values[key])
        own = {**active.labels[key], **labels}
        found += _of_series(own, stretches, worst, wait, linger, end)
    return sorted(found, key=lambda firing: firing.fires)


def _of_series(
    labels: Labels,
    stretches: Sequence[tuple[int, int]],
    worst: dict[int, float],
    wait: int,
    linger: int,
    end: int,
) -> Iterable[Firing]:
    current: tuple[int, int, int, float] | None = None
    for begin, stop in stretches:
        if current is not None and begin <= current[2] + linger and linger:
            current = (current[0], current[1], stop, max(current[3], worst[begin]))
            continue
        if current is not None:
            yield _ended(labels, current, linger, end)
            current = None
        if begin + wait < stop:
            current = (begin, begin + wait, stop, worst[begin])
    if current is not None:
        yield _ended(labels, current, linger, end)


def _ended(labels: Labels, current: tuple[int, int, int, float], linger: int, end: int) -> Firing:
    active, fires, stop, worst = current
    resolved = stop + linger
    return Firing(labels, active, fires, resolved if resolved < end else None, worst)
