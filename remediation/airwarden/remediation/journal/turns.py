"""Whose turn it is: whoever waits for an acknowledgement goes first, and so does the lease.

A request must not wait for a storm to be worked off. Where a database takes one writer at a time (SQLite)
there is one turn, and after a few urgent ones another goes, so that neither starves. PostgreSQL takes as
many as come; there the interpreter is what they would wait for, and the others begin a little later.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from airwarden.core.errors import UnavailableError

#: Urgent turns in a row while somebody else waits.
_IN_A_ROW = 3


class Turns:
    """Hands out one turn at a time.

    Args:
        patience: Seconds to wait for a turn.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._free = threading.Condition()
        self._busy = False
        self._urgent = 0
        self._others = 0
        self._row = 0

    @contextmanager
    def turn(self, *, urgent: bool) -> Iterator[None]:
        """Hold the one turn for the block.

        Raises:
            UnavailableError: No turn came in time.
        """
        with self._free:
            self._wait(1, urgent=urgent)
            try:
                got = self._free.wait_for(lambda: self._mine(urgent=urgent), self._patience)
                if got:
                    self._busy = True
                    self._row = self._row + 1 if urgent else 0
            finally:
                self._wait(-1, urgent=urgent)
        if not got:
            raise UnavailableError("journal: writers queue up", retry_after=self._patience)
        try:
            yield
        finally:
            with self._free:
                self._busy = False
                self._free.notify_all()

    def _wait(self, change: int, *, urgent: bool) -> None:
        if urgent:
            self._urgent += change
        else:
            self._others += change

    def _mine(self, *, urgent: bool) -> bool:
        if self._busy:
            return False
        if urgent:
            return not self._others or self._row < _IN_A_ROW
        return not self._urgent or self._row >= _IN_A_ROW


class Courtesy:
    """Lets transactions that are not urgent begin a little later while an urgent one is under way.

    Args:
        most: Seconds by which one is late at most.
    """

    def __init__(self, most: float) -> None:
        self._most = most
        self._free = threading.Condition()
        self._urgent = 0

    @contextmanager
    def turn(self, *, urgent: bool) -> Iterator[None]:
        """Begin the block when it is its turn; many may be in it at once."""
        if not urgent:
            with self._free:
                self._free.wait_for(lambda: not self._urgent, self._most)
            yield
            return
        with self._free:
            self._urgent += 1
        try:
            yield
        finally:
            with self._free:
                self._urgent -= 1
                self._free.notify_all()
