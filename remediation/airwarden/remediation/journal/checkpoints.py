"""Checkpoints of the audit: places of its chain that were signed off, never changed afterwards."""

from __future__ import annotations

from sqlalchemy import insert, select, text

from airwarden.remediation.decide.chain import START, Checkpoint, Kind, Point
from airwarden.remediation.journal.store import Tx
from airwarden.remediation.journal.tables import audit_checkpoint

#: The triggers that the revisions make, by table.
TRIGGERS = {
    "sqlite": (
        "audit_no_UPDATE",
        "audit_no_DELETE",
        "audit_checkpoint_no_UPDATE",
        "audit_checkpoint_no_DELETE",
        "audit_checkpoint_true",
    ),
    "postgresql": (
        "audit_append_only",
        "audit_delete_archived",
        "audit_checkpoint_append_only",
        "audit_checkpoint_true",
    ),
}


def add(tx: Tx, one: Checkpoint) -> None:
    """Keep a checkpoint; the database refuses one that names an entry which is not there."""
    tx.connection.execute(
        insert(audit_checkpoint).values(
            seq=one.seq,
            kind=one.kind.value,
            at=one.at,
            hash=one.hash,
            file=one.file,
            digest=one.digest,
            signature=one.signature,
        )
    )


def every(tx: Tx) -> list[Checkpoint]:
    """Return all checkpoints in the chain's order."""
    query = select(audit_checkpoint).order_by(audit_checkpoint.c.seq, audit_checkpoint.c.kind)
    return [
        Checkpoint(row.seq, Kind(row.kind), row.at, row.hash, row.file, row.digest, row.signature)
        for row in tx.connection.execute(query)
    ]


def last(tx: Tx, kind: Kind | None = None) -> Checkpoint | None:
    """Return the newest checkpoint of a kind, or of any."""
    query = select(audit_checkpoint).order_by(audit_checkpoint.c.seq.desc()).limit(1)
    if kind is not None:
        query = query.where(audit_checkpoint.c.kind == kind.value)
    row = tx.connection.execute(query).first()
    if row is None:
        return None
    return Checkpoint(
        row.seq, Kind(row.kind), row.at, row.hash, row.file, row.digest, row.signature
    )


def floor(tx: Tx) -> Point:
    """Return the place up to which the chain is archived; what is left goes on from there."""
    found = last(tx, Kind.ARCHIVED)
    return found.point if found else START


def missing_triggers(tx: Tx) -> list[str]:
    """Return those triggers that keep the audit append-only and are not there or are switched off."""
    if tx.postgresql:
        query = text(
            "SELECT t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
            " WHERE c.relname IN ('audit', 'audit_checkpoint') AND t.tgenabled <> 'D'"
            " AND pg_table_is_visible(c.oid)"
        )
    else:
        query = text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
    there = set(tx.connection.execute(query).scalars())
    wanted = TRIGGERS["postgresql" if tx.postgresql else "sqlite"]
    return [name for name in wanted if name not in there]
