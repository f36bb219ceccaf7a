"""Whether anything changed: asked of the journal once a second at most, however many pages are open."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sqlalchemy import func, select

from airwarden.remediation.journal.store import Journal
from airwarden.remediation.journal.tables import alert, audit_head

#: Seconds between two questions, and after which a page is renewed although nothing changed.
_EVERY, _RENEW = 1.0, 15.0
_CHANGES = select(audit_head.c.seq)
_FIRING = select(func.count(), func.max(alert.c.episode)).where(alert.c.status == "firing")


class Pulse:
    """Tells a word that is another one after each change; safe for threads.

    Args:
        journal: Whose changes.
        elapsed: Seconds of a clock that only goes forward.
    """

    def __init__(self, journal: Journal, elapsed: Callable[[], float]) -> None:
        self._journal, self._elapsed = journal, elapsed
        self._mutex = threading.Lock()
        self._told, self._at = "", float("-inf")

    def last(self) -> str:
        """Return the word if it is of this second; else nothing. Waits for nothing."""
        if self._elapsed() - self._at > _EVERY:
            return ""
        return self._told

    def now(self) -> str:
        """Return the word; raises UnavailableError."""
        with self._mutex:
            if told := self.last():
                return told
            with self._journal.read() as tx:
                changes = tx.connection.execute(_CHANGES).scalar_one()
                firing = tx.connection.execute(_FIRING).one()
            self._at = self._elapsed()
            self._told = f"{changes}.{firing[0]}.{int(self._at / _RENEW)}"
            return self._told
