"""Runs that ended, handed on by who follows them: runs are followed once, however many tell something of them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable

from airwarden.core.clock import Clock
from airwarden.core.errors import UnavailableError
from airwarden.exporters.follow_runs import Run

#: Seconds without a look after which nobody can say any more what ended.
STALE = 60.0
#: Runs that are kept for who takes them; an hour of a large platform's busiest.
MOST = 20_000


class Endings:
    """From the collector that follows runs to one other; safe for threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._runs: deque[Run] = deque(maxlen=MOST)
        self._looked = clock.elapsed()

    def note(self, ended: Iterable[Run]) -> None:
        """Hand on what one look saw end; an empty one counts as a look, too."""
        with self._lock:
            self._looked = self._clock.elapsed()
            self._runs.extend(ended)

    def take(self) -> list[Run]:
        """Return what ended since the time before.

        Raises:
            UnavailableError: Nobody has looked for a while.
        """
        with self._lock:
            if self._clock.elapsed() - self._looked > STALE:
                raise UnavailableError("runs are not followed: collector dag_runs fails or is off")
            taken = list(self._runs)
            self._runs.clear()
            return taken
