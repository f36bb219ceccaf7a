"""The audit: an append-only chain of hashes over every decision and transition."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select, update

from airwarden.remediation.journal.store import Tx
from airwarden.remediation.journal.tables import audit, audit_head

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Entry:
    """One link of the chain. `before` and `after` are JSON objects; `after.sentence` is for people."""

    seq: int
    at: datetime
    actor: str
    action: str
    object: str
    before: str
    after: str
    prev_hash: str
    hash: str

    @property
    def sentence(self) -> str:
        """What happened, in words."""
        return str(json.loads(self.after).get("sentence", self.action))

    def digest(self) -> str:
        """Return the hash that this entry must have."""
        parts = (
            str(self.seq),
            self.at.astimezone(UTC).isoformat(timespec="microseconds"),
            self.actor,
            self.action,
            self.object,
            self.before,
            self.after,
            self.prev_hash,
        )
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


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
    head = select(audit_head.c.seq, audit_head.c.hash).with_for_update()
    seq, previous = tx.connection.execute(head).one()
    entry = Entry(
        seq=seq + 1,
        at=tx.now,
        actor=actor,
        action=action,
        object=object,
        before=json.dumps(before or {}, sort_keys=True, default=str),
        after=json.dumps({**(after or {}), "sentence": sentence}, sort_keys=True, default=str),
        prev_hash=previous,
        hash="",
    )
    digest = entry.digest()
    tx.connection.execute(
        insert(audit).values(
            seq=entry.seq,
            at=entry.at,
            actor=actor,
            action=action,
            object=object,
            before=entry.before,
            after=entry.after,
            prev_hash=previous,
            hash=digest,
        )
    )
    tx.connection.execute(update(audit_head).values(seq=entry.seq, hash=digest))


def entries(tx: Tx, *, object: str = "", newest: int = 0) -> list[Entry]:  # noqa: A002
    """Return links oldest first: of one object or of all, the `newest` so many or all of them."""
    query = select(audit)
    if object:
        query = query.where(audit.c.object == object)
    if newest:
        rows = tx.connection.execute(query.order_by(audit.c.seq.desc()).limit(newest)).all()
        return [Entry(*row) for row in reversed(rows)]
    return [Entry(*row) for row in tx.connection.execute(query.order_by(audit.c.seq))]


def broken_links(tx: Tx) -> Iterator[str]:
    """Yield a sentence for each place where the chain does not hold."""
    previous, seq = GENESIS, 0
    for row in tx.connection.execute(select(audit).order_by(audit.c.seq)):
        entry = Entry(*row)
        if entry.seq != seq + 1:
            yield f"entry {seq + 1} is missing"
        if entry.prev_hash != previous:
            yield f"entry {entry.seq} does not follow the one before it"
        if entry.digest() != entry.hash:
            yield f"entry {entry.seq} was changed"
        previous, seq = entry.hash, entry.seq
    head = tx.connection.execute(select(audit_head.c.seq, audit_head.c.hash)).one()
    if tuple(head) != (seq, previous):
        yield f"the chain ends at {seq}, its head says {head[0]}: entries were cut off"
