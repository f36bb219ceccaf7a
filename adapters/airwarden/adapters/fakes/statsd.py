"""What processes report over StatsD, put in by a test."""

from __future__ import annotations

from collections.abc import Sequence

from airwarden.adapters.fakes.faults import Faults
from airwarden.core.platform import StatsdCounts, StatsdSample


class FakeStatsd(Faults):
    """Holds samples until they are taken.

    Attributes:
        told: What `counts` returns.
    """

    def __init__(self) -> None:
        super().__init__()
        self._samples: list[StatsdSample] = []
        self.told = StatsdCounts()

    def put(self, *samples: StatsdSample) -> None:
        """Let samples come."""
        self._samples += samples

    def drain(self) -> Sequence[StatsdSample]:
        """Take what came since the time before."""
        self._reading()
        taken, self._samples = self._samples, []
        return taken

    def counts(self) -> StatsdCounts:
        """Return what the test set."""
        return self.told
