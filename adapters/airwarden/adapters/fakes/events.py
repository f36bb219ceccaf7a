"""An `EventMemory` that forgets with the process."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from airwarden.adapters.fakes.faults import Faults
from airwarden.core.reported import Reading


class FakeEvents(Faults):
    """Event ids and last readings in memory."""

    def __init__(self) -> None:
        super().__init__()
        self._ids: set[str] = set()
        self._readings: dict[str, dict[tuple[str, tuple[str, ...]], Reading]] = {}

    def known(self, ids: Collection[str]) -> Collection[str]:
        """Return those of these event ids that were kept before."""
        self._reading()
        return self._ids & set(ids)

    def keep(self, ids: Collection[str], readings: Mapping[str, Sequence[Reading]]) -> None:
        """Keep ids and readings."""
        self._reading()
        self._ids |= set(ids)
        for cluster, several in readings.items():
            held = self._readings.setdefault(cluster, {})
            for one in several:
                before = held.get((one.metric, one.labels))
                if before is None or before.at <= one.at:
                    held[one.metric, one.labels] = one

    def readings(self, cluster: str) -> Sequence[Reading]:
        """Return the last readings of a cluster, the newest first."""
        self._reading()
        return sorted(self._readings.get(cluster, {}).values(), key=lambda one: -one.at)
