"""Label values that were seen lately, and no more of them than there is room for.

Queues, workers, senders and teams come and go. One that has not been seen for a while gives its place to a
new one, and the series under it are dropped.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from airwarden.core.clock import Clock
from airwarden.exporters.families import OVERFLOW

#: Seconds after which what is there all the time counts as gone: a team's DAGs, a sender, a gauge.
HOUR = 3600.0
#: The same for what may be quiet, and yet be there: a queue in which nothing ran overnight.
DAY = 86_400.0


class Sightings:
    """Values with when each was last seen; for one thread.

    Args:
        clock: Time.
        keep: Seconds for which one that is not seen any more is kept.
        most: How many there may be.
        always: Values that stay.
    """

    def __init__(
        self, clock: Clock, *, keep: float, most: int = 10_000, always: Collection[str] = ()
    ) -> None:
        self._clock = clock
        self._keep = keep
        self._most = most
        self._always = frozenset(always)
        self._at: dict[str, float] = {}

    def note(self, values: Iterable[str]) -> None:
        """See values; those beyond the room are not kept."""
        for value in values:
            self.place(value)

    def place(self, value: str) -> str:
        """See a value; return the label it is counted under: itself, or `_overflow` without room."""
        now = self._clock.elapsed()
        if value not in self._at and len(self._at) >= self._most:
            self._forget(now)
            if len(self._at) >= self._most:
                return value if value in self._always else OVERFLOW
        self._at[value] = now
        return value

    def seen(self) -> frozenset[str]:
        """Return the values that there are now."""
        self._forget(self._clock.elapsed())
        return self._always | self._at.keys()

    def _forget(self, now: float) -> None:
        self._at = {value: at for value, at in self._at.items() if now - at <= self._keep}
