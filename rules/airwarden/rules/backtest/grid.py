"""The evaluations that are replayed, and which of them sees a moment of the past first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from airwarden.rules.backtest.sources import PHASE
from airwarden.rules.backtest.vectors import Floats, Ints, Span


@dataclass(frozen=True, slots=True)
class Grid:
    """Evaluations at `start`, `start + step`, …

    Attributes:
        start: Unix time of evaluation 0.
        step: Seconds between two; also between two scrapes.
        count: How many are judged.
        before: How many more there are before the first, for ranges that reach back.
    """

    start: float
    step: float
    count: int
    before: int

    @property
    def end(self) -> float:
        """Unix time of the end."""
        return self.start + self.count * self.step

    @property
    def whole(self) -> Span:
        """Every evaluation, those before the first included."""
        return Span(-self.before, self.before + self.count)

    def at(self, evaluation: float) -> float:
        """Return an evaluation's Unix time."""
        return self.start + evaluation * self.step

    def sees(self, moments: Floats) -> NDArray[np.int32]:
        """Return the first evaluation whose sample was taken at or after each moment.

        A moment that is NaN is never seen; one before the grid is seen by its first evaluation.
        """
        first, last = self.whole.first, self.whole.end
        places = (moments - (self.start - PHASE)) / self.step
        np.ceil(places, out=places)
        np.nan_to_num(places, copy=False, nan=last)
        np.clip(places, first, last, out=places)
        return places.astype(np.int32)

    def sampled(self, evaluations: Ints) -> Floats:
        """Return when the samples that evaluations see were taken."""
        return np.asarray(self.start + evaluations * self.step - PHASE, dtype=np.float64)
