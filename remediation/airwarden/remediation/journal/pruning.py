"""Taking old rows out of the journal, a few at a time.

What hangs on an incident is found by the tables' foreign keys, so that a table that a later revision
adds is archived and pruned without being named here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    ForeignKey,
    Select,
    Table,
    and_,
    delete,
    exists,
    not_,
    or_,
    select,
    text,
    tuple_,
)

from airwarden.remediation.journal.incidents import TERMINAL
from airwarden.remediation.journal.store import Tx
from airwarden.remediation.journal.tables import (
    alert,
    alert_event,
    audit,
    budget,
    inbox,
    incident,
    incident_alert,
    metadata,
    outbox,
    playbook_version,
    run,
    switch,
    target_lock,
    window,
)


def old_incidents(tx: Tx, before: datetime, limit: int) -> list[tuple[int, int]]:
    """Return (number, rev) of incidents that ended before a moment and whose alerts are quiet."""
    fires = exists().where(alert.c.incident_id == incident.c.id, alert.c.status == "firing")
    query = (
        select(incident.c.id, incident.c.rev)
        .where(incident.c.state.in_(TERMINAL), incident.c.ended_at < before, not_(fires))
        .order_by(incident.c.id)
        .limit(limit)
    )
    return [(number, rev) for number, rev in tx.connection.execute(query)]


def rows_of(tx: Tx, incident_id: int) -> Iterator[str]:
    """Yield an incident and all that hangs on it as lines of JSON: `{"table": …, "row": {…}}`."""
    yield from _lines(tx, incident, incident.c.id == incident_id)
    for table, where in _hanging([incident_id]):
        yield from _lines(tx, table, where)
    mine = select(incident_alert.c.event_key).where(incident_alert.c.incident_id == incident_id)
    yield from _lines(tx, alert_event, alert_event.c.event_key.in_(mine))


def drop_incidents(tx: Tx, some: Sequence[tuple[int, int]], limit: int) -> tuple[int, int]:
    """Take incidents out, or as much of them as fits.

    The incidents themselves go last, so that what a crash leaves is found again. One that changed
    since it was archived stays.

    Args:
        tx: The leader's transaction.
        some: Number and rev of each as they were archived.
        limit: Rows to take out at most.

    Returns:
        How many rows went in all, and how many incidents: what is left wants another call as long as
        the first is the limit.
    """
    same = tuple_(incident.c.id, incident.c.rev).in_(some)
    query = select(incident.c.id).where(same, incident.c.state.in_(TERMINAL))
    numbers = list(tx.connection.execute(query.with_for_update()).scalars())
    if not numbers:
        return 0, 0
    gone = 0
    quiet = and_(alert.c.incident_id.in_(numbers), alert.c.status == "resolved")
    sent = and_(outbox.c.incident_id.in_(numbers), outbox.c.state != "new")
    # What hangs deepest goes first.
    for table, where in ((alert, quiet), (outbox, sent), *reversed(_hanging(numbers))):
        gone += _delete(tx, table, where, limit - gone)
        if gone >= limit:
            return gone, 0
    ended = _delete(tx, incident, incident.c.id.in_(numbers), limit - gone)
    return gone + ended, ended


def _hanging(numbers: Sequence[int]) -> list[tuple[Table, ColumnElement[bool]]]:
    """Return the tables that refer to incidents, directly or by others, each with its condition."""
    found: dict[str, tuple[Table, ColumnElement[bool]]] = {
        incident.name: (incident, incident.c.id.in_(numbers))
    }
    for table in metadata.sorted_tables:
        for key in sorted(table.foreign_keys, key=lambda one: one.target_fullname):
            parent = key.column.table
            if table.name not in found and parent.name in found:
                found[table.name] = (table, _refers(key, numbers, found[parent.name][1]))
    del found[incident.name]
    return list(found.values())


def _refers(
    key: ForeignKey, numbers: Sequence[int], where: ColumnElement[bool]
) -> ColumnElement[bool]:
    child: Column[Any] = key.parent
    if key.column is incident.c.id:
        return child.in_(numbers)
    return child.in_(select(key.column).where(where))


def drop_events(tx: Tx, before: datetime, limit: int) -> int:
    """Take out alert events that belong to no incident, and alerts that ended in none."""
    linked = exists().where(incident_alert.c.event_key == alert_event.c.event_key)
    gone = _delete(tx, alert_event, and_(alert_event.c.last_seen < before, not_(linked)), limit)
    ended = and_(
        alert.c.status == "resolved", alert.c.last_seen < before, alert.c.incident_id.is_(None)
    )
    return gone + (_delete(tx, alert, ended, limit - gone) if gone < limit else 0)


def drop_deliveries(tx: Tx, before: datetime, failed_before: datetime, limit: int) -> int:
    """Take out deliveries that were worked off, and later those that were set aside."""
    old = or_(
        and_(inbox.c.state == "done", inbox.c.received_at < before),
        and_(inbox.c.state == "failed", inbox.c.received_at < failed_before),
    )
    return _delete(tx, inbox, old, limit)


def drop_notices(tx: Tx, before: datetime, failed_before: datetime, limit: int) -> int:
    """Take out notices that left or were replaced. A page's stays as long as its incident is open:

    it is what keeps the same page from being sent twice.
    """
    is_open = exists().where(
        incident.c.id == outbox.c.incident_id, incident.c.state.not_in(TERMINAL)
    )
    over = or_(outbox.c.channel == "chat", not_(is_open))
    old = or_(
        and_(outbox.c.state.in_(("sent", "superseded")), outbox.c.created_at < before, over),
        and_(outbox.c.state == "failed", outbox.c.created_at < failed_before, over),
    )
    return _delete(tx, outbox, old, limit)


def drop_leftovers(tx: Tx, before: datetime, windows_before: datetime, limit: int) -> int:
    """Take out what has run out: budgets' windows, locks, switches, maintenance, unused playbooks."""
    used = exists().where(run.c.playbook_sha == playbook_version.c.sha256)
    spent: Sequence[tuple[Table, ColumnElement[bool]]] = (
        (budget, budget.c.window_start < windows_before),
        (target_lock, target_lock.c.expires_at < windows_before),
        (switch, switch.c.until < before),
        (window, and_(window.c.until < before, window.c.rrule.is_(None))),
        (playbook_version, and_(playbook_version.c.first_used_at < before, not_(used))),
    )
    gone = 0
    for table, where in spent:
        gone += _delete(tx, table, where, limit - gone) if gone < limit else 0
    return gone


def drop_audit(tx: Tx, up_to: int, limit: int) -> int:
    """Take out entries of the audit; the database refuses those that are not archived."""
    return _delete(tx, audit, audit.c.seq <= up_to, limit)


def give_back(tx: Tx, pages: int) -> None:
    """Return freed pages to the file system (SQLite; PostgreSQL's own vacuum does it there)."""
    if tx.postgresql:
        return
    # The driver ends the statement after its first step, and each page is a step.
    cursor = tx.connection.connection.cursor()
    try:
        for _ in range(min(pages, free_pages(tx))):
            cursor.execute("PRAGMA incremental_vacuum(1)")
    finally:
        cursor.close()


def free_pages(tx: Tx) -> int:
    """Return how many pages of the file are free; 0 on PostgreSQL."""
    if tx.postgresql:
        return 0
    return int(tx.connection.exec_driver_sql("PRAGMA freelist_count").scalar_one())


def size(tx: Tx) -> int:
    """Return the journal's size in bytes: its tables with their indexes, or the whole file."""
    if not tx.postgresql:
        pages = int(tx.connection.exec_driver_sql("PRAGMA page_count").scalar_one())
        return pages * int(tx.connection.exec_driver_sql("PRAGMA page_size").scalar_one())
    names = list(metadata.tables)
    query = text(
        "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c"
        " WHERE c.relname = ANY(:names) AND c.relkind = 'r' AND pg_table_is_visible(c.oid)"
    )
    return int(tx.connection.execute(query, {"names": names}).scalar_one())


def _delete(tx: Tx, table: Table, where: ColumnElement[bool], limit: int) -> int:
    key = list(table.primary_key.columns)
    some: Select[Any] = select(*key).where(where).limit(limit).correlate(None)
    mark = tuple_(*key) if len(key) > 1 else key[0]
    return tx.connection.execute(delete(table).where(mark.in_(some))).rowcount


def _lines(tx: Tx, table: Table, where: ColumnElement[bool]) -> Iterator[str]:
    query = select(table).where(where).order_by(*table.primary_key.columns)
    for row in tx.connection.execute(query).mappings():
        body = {name: _plain(value) for name, value in row.items()}
        yield json.dumps({"table": table.name, "row": body}, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value
