"""Time as a port, so that tests own it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time for records, elapsed time for deadlines, and waiting that can be interrupted."""

    def now(self) -> datetime:
        """Return the wall time, time zone UTC. It may step; use it for records only."""
        ...

    def elapsed(self) -> float:
        """Return seconds on a clock that never steps back and counts suspension (CLOCK_BOOTTIME)."""
        ...

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds`; return True at once if the process is being stopped."""
        ...
