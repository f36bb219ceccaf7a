"""The windows that were begun by API and command line: maintenance, freezes, quiet hours."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, insert, or_, select, update

from airwarden.remediation.decide.calendar import Kind, Window
from airwarden.remediation.journal.store import Tx
from airwarden.remediation.journal.tables import window

#: What a window without an end counts as.
_FOR_EVER = timedelta(days=3650)


def add(tx: Tx, one: Window) -> int:
    """Keep a window; returns its number."""
    begins = one.starts.replace(tzinfo=ZoneInfo(one.tz)).astimezone(UTC)
    ends = one.until
    if not one.rrule:
        ends = (one.starts + one.lasts).replace(tzinfo=ZoneInfo(one.tz), fold=1).astimezone(UTC)
    # The local time is kept as it was given: read back from UTC, one that the clock skips would move.
    selector = {
        "starts": one.starts.isoformat(),
        "lasts": one.lasts.total_seconds(),
        "playbooks": list(one.playbooks),
        "name": one.name,
    }
    statement = insert(window).values(
        cluster=one.cluster,
        kind=one.kind,
        rrule=one.rrule or None,
        tz=one.tz,
        selector=json.dumps(selector),
        starts_at=begins,
        until=ends,
        set_by=one.set_by,
        reason=one.reason,
    )
    number: int = tx.connection.execute(statement.returning(window.c.id)).scalar_one()
    return number


def end(tx: Tx, window_id: int) -> bool:
    """End a window now, with all its repetitions; returns False where it was over."""
    done = tx.connection.execute(
        update(window)
        .where(window.c.id == window_id, or_(window.c.until.is_(None), window.c.until > tx.now))
        .values(until=tx.now)
    )
    return done.rowcount > 0


def standing(tx: Tx) -> list[Window]:
    """Return the windows that are open or will be."""
    query = (
        select(window)
        .where(or_(window.c.until.is_(None), window.c.until > tx.now))
        .order_by(window.c.id)
    )
    return [_window(row) for row in tx.connection.execute(query)]


def _window(row: Row[Any]) -> Window:
    selector = json.loads(row.selector)
    # An older version wrote no local time, and windows in UTC only.
    starts = selector.get("starts")
    begins = datetime.fromisoformat(starts) if starts else row.starts_at.replace(tzinfo=None)
    lasts = selector.get("lasts")
    ends = row.until or row.starts_at + _FOR_EVER
    return Window(
        kind=Kind(row.kind),
        starts=begins,
        lasts=timedelta(seconds=lasts) if lasts else ends - row.starts_at,
        tz=row.tz,
        rrule=row.rrule or "",
        until=row.until,
        cluster=row.cluster,
        playbooks=tuple(selector.get("playbooks", ())),
        reason=row.reason,
        set_by=row.set_by,
        id=row.id,
        name=selector.get("name", ""),
    )
