"""The audit: an append-only chain of hashes over every decision and transition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update

from airwarden.remediation.decide.chain import GENESIS, Entry, Point, Walk, canonical
from airwarden.remediation.journal import checkpoints
from airwarden.remediation.journal.store import Tx
from airwarden.remediation.journal.tables import audit, audit_head

__all__ = ["GENESIS", "Entry", "append", "broken_links", "entries", "head", "page", "span"]

# Statements of every turn and every change are made once: making one costs as much as running it.
_LAST = select(audit_head.c.seq, audit_head.c.hash).with_for_update()
_ADD, _GO_ON = insert(audit), update(audit_head)
_NEWEST = (
    select(audit)
    .where(audit.c.object == bindparam("object"))
    .order_by(audit.c.seq.desc())
    .limit(bindparam("newest"))
)


def append(
    tx: Tx,
    *,
    actor: str,
    action: str,
    object: str,  # noqa: A002 - the audit's standard word
    sentence: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Add a link in the caller's transaction: it is there exactly if the change is."""
    seq, previous = tx.connection.execute(_LAST).one()
    entry = Entry(
        seq=seq + 1,
        at=tx.now,
        actor=actor,
        action=action,
        object=object,
        before=canonical(before or {}),
        after=canonical({**(after or {}), "sentence": sentence}),
        prev_hash=previous,
        hash="",
    )
    digest = entry.digest()
    tx.connection.execute(
        _ADD,
        {
            "seq": entry.seq,
            "at": entry.at,
            "actor": actor,
            "action": action,
            "object": object,
            "before": entry.before,
            "after": entry.after,
            "prev_hash": previous,
            "hash": digest,
        },
    )
    tx.connection.execute(_GO_ON, {"seq": entry.seq, "hash": digest})


def entries(tx: Tx, *, object: str = "", newest: int = 0) -> list[Entry]:  # noqa: A002 - likewise
    """Return links oldest first: of one object or of all, the `newest` so many or all of them."""
    if object and newest:
        rows = tx.connection.execute(_NEWEST, {"object": object, "newest": newest}).all()
        return [Entry(*row) for row in reversed(rows)]
    query = select(audit)
    if object:
        query = query.where(audit.c.object == object)
    if newest:
        rows = tx.connection.execute(query.order_by(audit.c.seq.desc()).limit(newest)).all()
        return [Entry(*row) for row in reversed(rows)]
    return [Entry(*row) for row in tx.connection.execute(query.order_by(audit.c.seq))]


def head(tx: Tx) -> Point:
    """Return the chain's end as its own row says it."""
    row = tx.connection.execute(select(audit_head.c.seq, audit_head.c.hash)).one()
    return Point(*row)


def page(tx: Tx, *, after: int, up_to: int | None = None, limit: int = 2000) -> list[Entry]:
    """Return the next links after a number, oldest first."""
    query = select(audit).where(audit.c.seq > after)
    if up_to is not None:
        query = query.where(audit.c.seq <= up_to)
    return [Entry(*row) for row in tx.connection.execute(query.order_by(audit.c.seq).limit(limit))]


def span(tx: Tx, *, before: datetime) -> int:
    """Return the number of the last link that is older than a moment, 0 where none is.

    Time may have been set back in between: it is the last before the first that is younger.
    """
    younger = select(func.min(audit.c.seq)).where(audit.c.at >= before)
    first = tx.connection.execute(younger).scalar_one_or_none()
    newest = tx.connection.execute(select(func.max(audit.c.seq))).scalar_one_or_none() or 0
    return int(newest if first is None else first - 1)


def broken_links(tx: Tx) -> Iterator[str]:
    """Yield a sentence for each place where what is left of the chain does not hold."""
    begin = checkpoints.floor(tx)
    marks = {one.seq: one for one in checkpoints.every(tx) if one.seq > begin.seq}
    walk = Walk(begin, marks)
    query = select(audit).where(audit.c.seq > begin.seq).order_by(audit.c.seq)
    for row in tx.connection.execute(query):
        yield from walk.step(Entry(*row))
    yield from walk.end(head(tx))
