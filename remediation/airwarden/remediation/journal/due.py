"""When the journal says that something is to be done: for whoever lets virtual time pass."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select, union_all

from airwarden.remediation.journal import tables
from airwarden.remediation.journal.store import Tx

_DUE = (
    (tables.inbox.c.next_at, tables.inbox.c.state == "new"),
    (tables.run.c.next_at, tables.run.c.ended_at.is_(None)),
    (tables.incident.c.next_at, tables.incident.c.ended_at.is_(None)),
    (tables.incident.c.page_at, tables.incident.c.paged_at.is_(None)),
)


def following(tx: Tx) -> datetime | None:
    """Return the next moment at which something falls due; None for never.

    What was due before and is still there waits for something else, not for time.
    """
    query = union_all(*(select(func.min(at)).where(where, at > tx.now) for at, where in _DUE))
    moments = [m for m in tx.connection.execute(query).scalars() if m is not None]
    return min(moments, default=None)


def now(tx: Tx) -> bool:
    """Return whether a run or a delivery is due at this moment."""
    pieces = (select(func.count()).where(at <= tx.now, where) for at, where in _DUE[:2])
    return any(tx.connection.execute(piece).scalar_one() for piece in pieces)
