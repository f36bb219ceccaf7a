"""Collectors that take turns, so that what is nice to know never holds up what alarms rest on.

Connections to the metadata database are few. On a slow network each query costs one for as long as its
round trip; were all collectors to ask at once, those that tell whether the platform works would wait
behind those that tell details. The details therefore share one connection's worth: one of them at a time.
One that failed the last time, and may hang again, does not hold the turn.
"""

from __future__ import annotations

from collections.abc import Sequence

from airwarden.core.turns import Turns
from airwarden.exporters.collector import Collector
from airwarden.exporters.families import Family

#: Seconds within which a turn comes, or the collect has failed; its own work has the rest of its time.
PATIENCE = 45.0
#: Seconds after which a collect is overdue, the wait for its turn included.
TIMEOUT = 60.0


class InTurn:
    """A collector that collects when no other one of its group does.

    Args:
        collector: Which.
        turns: The group's, with one place.
        patience: Seconds to wait for the turn.
    """

    timeout = TIMEOUT

    def __init__(self, collector: Collector, turns: Turns, *, patience: float = PATIENCE) -> None:
        self._collector = collector
        self._turns = turns
        self._patience = patience
        self._failed = False

    @property
    def name(self) -> str:
        """The collector's."""
        return self._collector.name

    @property
    def interval(self) -> float:
        """The collector's."""
        return self._collector.interval

    def collect(self) -> Sequence[Family]:
        """Wait for the turn, then collect.

        Raises:
            UnavailableError: The turn did not come in time.
        """
        if self._failed:
            return self._collect()
        with self._turns.turn(
            self._patience, "other collectors of details take all the time there is"
        ):
            return self._collect()

    def _collect(self) -> Sequence[Family]:
        self._failed = True
        families = self._collector.collect()
        self._failed = False
        return families
