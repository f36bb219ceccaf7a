"""How many requests one sender may make: a bucket each, so that a runaway script troubles nobody else."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

#: Senders that are remembered at once; the one that was silent longest is forgotten first.
_MOST_SENDERS = 4096


class Pace:
    """Lets so many through at once, and then so many a second; safe for threads.

    Args:
        rate: A second, over a longer time.
        burst: At once.
        elapsed: Seconds of a clock that only goes forward.
    """

    def __init__(self, rate: float, burst: float, elapsed: Callable[[], float]) -> None:
        self._rate, self._burst, self._elapsed = rate, burst, elapsed
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, sender: str, *, take: bool = True) -> float:
        """Return 0 where the sender may go on, else after how many seconds.

        Args:
            sender: Who.
            take: Whether this counts; else it is only asked.
        """
        with self._lock:
            now = self._elapsed()
            left, at = self._left.pop(sender, (self._burst, now))
            left = min(self._burst, left + (now - at) * self._rate)
            missing = 1.0 - left
            if missing <= 0 and take:
                left -= 1.0
            self._left[sender] = (left, now)
            if len(self._left) > _MOST_SENDERS:
                self._left.popitem(last=False)
            return max(0.0, missing / self._rate)
