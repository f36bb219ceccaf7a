"""Which dependencies did not answer lately, shared between who asks them and who explains failures."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

from airwarden.core.clock import Clock

#: Seconds for which one that answers again still explains a failure.
LINGERS = 120.0


class DependencyStates:
    """What the probes said; safe for threads.

    Args:
        clock: Time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._down_at: dict[str, float] = {}

    def note(self, up: Mapping[str, bool]) -> None:
        """Take what a round of probes found."""
        now = self._clock.elapsed()
        with self._lock:
            self._down_at.update({name: now for name, ok in up.items() if not ok})

    def down(self, names: Iterable[str]) -> list[str]:
        """Return those that are down, or were a moment ago."""
        now = self._clock.elapsed()
        with self._lock:
            return [name for name in names if now - self._down_at.get(name, -LINGERS) < LINGERS]
