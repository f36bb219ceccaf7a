"""Places that few may have at a time: whoever has the least time left is next.

A lock or a queue gives a place to whoever comes by when one is free, so that one who asks again at once
may pass one who waits. Here a place is handed to one that waits; and who is next follows from the work in
hand (`airwarden.core.work`): what has to be known soonest goes before what may take a minute.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from airwarden.core.errors import UnavailableError
from airwarden.core.work import left, until


@dataclass(order=True, slots=True)
class _Waiter:
    until: float
    number: int
    called: threading.Event = field(compare=False, default_factory=threading.Event)


class Turns:
    """A number of places; safe for threads.

    Args:
        places: How many have one at the same time.
    """

    def __init__(self, places: int) -> None:
        self._lock = threading.Lock()
        self._free = places  # none, as long as anybody waits
        self._waiting: list[_Waiter] = []
        self._numbers = itertools.count()

    @contextmanager
    def turn(self, seconds: float, otherwise: str) -> Iterator[None]:
        """Have a place for as long as the block lasts.

        Args:
            seconds: To wait for it at most; no more than the work in hand has left.
            otherwise: The error's message.

        Raises:
            UnavailableError: None became free in time.
        """
        if not self._acquire(left(seconds)):
            raise UnavailableError(otherwise)
        try:
            yield
        finally:
            self._release()

    def _acquire(self, seconds: float) -> bool:
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            waiter = _Waiter(until(time.monotonic() + seconds), next(self._numbers))
            heapq.heappush(self._waiting, waiter)
        if waiter.called.wait(seconds):
            return True
        with self._lock:
            if waiter.called.is_set():  # it was handed one at the last moment
                return True
            self._waiting.remove(waiter)
            heapq.heapify(self._waiting)
            return False

    def _release(self) -> None:
        with self._lock:
            if self._waiting:
                heapq.heappop(self._waiting).called.set()
            else:
                self._free += 1
