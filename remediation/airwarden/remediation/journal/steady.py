"""The journal's time where the database has none of its own: wall time that steps do not move.

Cool-downs, budgets, deadlines and the lease are ages of what is stored. A wall clock that is set an
hour ahead would end them all at once, one that is set back would let due work wait for an hour. So
time is counted on the clock that counts suspension, and a step of the wall clock is made up for
slowly.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from airwarden.core.clock import Clock

#: Up to so much the wall clock is followed at once: NTP slews, and two clocks are read in turn.
SMALL = timedelta(seconds=2)
#: Share of the passing time by which a step is made up for: ten minutes are ten, give or take half.
RATE = 0.05


class SteadyTime:
    """Wall time without its steps; safe to use from many threads.

    Args:
        clock: This machine's clock.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._mutex = threading.Lock()
        self._elapsed = clock.elapsed()
        self._now = clock.now()

    def not_before(self, moment: datetime) -> None:
        """Go on from this moment if it is later: what is stored must not lie in the future."""
        with self._mutex:
            self._now = max(self._now, moment)

    def now(self) -> datetime:
        """Return the time, never earlier than what was returned before; UTC."""
        with self._mutex:
            elapsed, wall = self._clock.elapsed(), self._clock.now()
            passed = timedelta(seconds=max(0.0, elapsed - self._elapsed))
            counted = self._now + passed
            off = wall - counted
            if abs(off) <= SMALL:
                counted = max(self._now, wall)
            else:
                counted += max(-RATE * passed, min(off, RATE * passed))
            self._elapsed, self._now = elapsed, counted
            return counted
