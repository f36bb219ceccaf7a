"""A MariaDB server's state, set by a test."""

from __future__ import annotations

from airwarden.adapters.fakes.faults import Faults
from airwarden.core.platform import MariaDbState


class FakeMariaDb(Faults):
    """Says what a test lets it say.

    Attributes:
        told: What `state` returns.
    """

    def __init__(self) -> None:
        super().__init__()
        self.told = MariaDbState(
            connected=1,
            running=1,
            connections_max=151,
            oldest_transaction=0.0,
            lock_waits=0,
            queries=1,
            slow_queries=0,
            aborted=0,
            deadlocks=0,
            pages_asked=0,
            pages_read=0,
        )

    def state(self) -> MariaDbState:
        """Return connections, transactions, locks and counters."""
        self._reading()
        return self.told
