"""Maintenance windows: times in which alerts are taken and nothing is done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, or_, select, update

from airwarden.remediation.journal.store import Tx
from airwarden.remediation.journal.tables import window

MAINTENANCE = "maintenance"


@dataclass(frozen=True, slots=True)
class Window:
    """An open window; `cluster` is `*` for all."""

    id: int
    cluster: str
    starts_at: datetime
    until: datetime | None
    set_by: str
    reason: str


def begin(tx: Tx, *, cluster: str, until: datetime, by: str, reason: str) -> None:
    """Open a window from now on."""
    tx.connection.execute(
        insert(window).values(
            cluster=cluster,
            kind=MAINTENANCE,
            starts_at=tx.now,
            until=until,
            set_by=by,
            reason=reason,
        )
    )


def end(tx: Tx, *, cluster: str) -> bool:
    """End the open windows of a cluster now; returns whether there was one."""
    done = tx.connection.execute(
        update(window)
        .where(
            window.c.cluster == cluster,
            window.c.kind == MAINTENANCE,
            or_(window.c.until.is_(None), window.c.until > tx.now),
        )
        .values(until=tx.now)
    )
    return done.rowcount > 0


def open_now(tx: Tx) -> list[Window]:
    """Return the windows that are open now."""
    columns = (
        window.c.id,
        window.c.cluster,
        window.c.starts_at,
        window.c.until,
        window.c.set_by,
        window.c.reason,
    )
    query = select(*columns).where(
        window.c.kind == MAINTENANCE,
        window.c.starts_at <= tx.now,
        or_(window.c.until.is_(None), window.c.until > tx.now),
    )
    return [Window(*row) for row in tx.connection.execute(query)]
