"""The machine's clocks, behind the `Clock` port."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime


class SystemClock:
    """Wall time, a clock that never steps back, and a wait that `stop` ends at once."""

    def __init__(self) -> None:
        self._stopping = threading.Event()

    def now(self) -> datetime:
        """Return the wall time in UTC."""
        return datetime.now(UTC)

    def elapsed(self) -> float:
        """Return seconds since boot, suspension included (CLOCK_BOOTTIME)."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds`; return True at once when the process is being stopped."""
        return self._stopping.wait(max(0.0, seconds))

    def stop(self) -> None:
        """Make every `wait`, now and later, return True."""
        self._stopping.set()
