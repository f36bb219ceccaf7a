"""The runs that have not ended, handed on by who follows them: they are read once, however many tell of them."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from airwarden.core.clock import Clock
from airwarden.exporters.follow_runs import Run

#: Seconds after which a look is too old to tell from.
STALE = 20.0


@dataclass(frozen=True, slots=True)
class OpenNow:
    """One look.

    Attributes:
        runs: Those that have not ended.
        now: The present by the clock of whoever keeps them.
    """

    runs: tuple[Run, ...]
    now: datetime


class OpenRuns:
    """From the collector that follows runs to one other; safe for threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last: tuple[float, OpenNow] | None = None

    def note(self, runs: Iterable[Run], now: datetime | None) -> None:
        """Hand on what one look found; without its time nothing can be told from it."""
        if now is not None:
            found = OpenNow(tuple(runs), now)
            with self._lock:
                self._last = (self._clock.elapsed(), found)

    def look(self) -> OpenNow | None:
        """Return what was found last, None where that is a while ago."""
        with self._lock:
            last = self._last
        if last is None:
            return None
        age = self._clock.elapsed() - last[0]
        if age > STALE:
            return None
        return OpenNow(last[1].runs, last[1].now + timedelta(seconds=age))


def waiting_since(run: Run) -> datetime | None:
    """Return since when a run has been in its state."""
    if run.state != "queued":
        return run.start_date
    return max(run.queued_at or run.run_after, run.run_after)
