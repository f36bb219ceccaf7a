"""The lease row: who leads, until when, and the fencing token that grows with each new holder."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update

from airwarden.remediation.journal.store import LEADER, Fence, Tx
from airwarden.remediation.journal.tables import lease
from airwarden.remediation.journal.upsert import insert_into


@dataclass(frozen=True, slots=True)
class Lease:
    """The lease as stored."""

    holder: str
    token: int
    acquired_at: datetime
    renewed_at: datetime
    expires_at: datetime


def read(tx: Tx, *, lock: bool = False) -> Lease | None:
    """Return the lease, None where nobody ever led."""
    times = (lease.c.acquired_at, lease.c.renewed_at, lease.c.expires_at)
    query = select(lease.c.holder, lease.c.token, *times).where(lease.c.name == LEADER)
    row = tx.connection.execute(query.with_for_update() if lock else query).first()
    return Lease(*row) if row else None


def acquire(tx: Tx, holder: str, ttl: float, *, old_is_dead: bool = False) -> Fence | None:
    """Take the lease if it is free or run out, or renew one's own.

    Args:
        tx: The transaction.
        holder: This process's unique name.
        ttl: Seconds that it lasts.
        old_is_dead: The caller knows by other means that the holder's process is gone.

    Returns:
        The fence to work under, None while another holder has it.
    """
    found = read(tx, lock=True)
    times = {"renewed_at": tx.now, "expires_at": tx.now + timedelta(seconds=ttl)}
    if found is None:
        first = insert_into(tx, lease).values(
            name=LEADER, holder=holder, token=1, acquired_at=tx.now, **times
        )
        # A row count is not promised for an INSERT; what it returns is.
        taken = tx.connection.execute(first.on_conflict_do_nothing().returning(lease.c.token))
        return Fence(holder, 1) if taken.first() is not None else None
    if found.holder == holder and found.expires_at > tx.now:
        tx.connection.execute(update(lease).where(lease.c.name == LEADER).values(**times))
        return Fence(holder, found.token)
    if found.expires_at > tx.now and not old_is_dead:
        return None
    token = found.token + 1
    tx.connection.execute(
        update(lease)
        .where(lease.c.name == LEADER, lease.c.token == found.token)
        .values(holder=holder, token=token, acquired_at=tx.now, **times)
    )
    return Fence(holder, token)


def release(tx: Tx, fence: Fence) -> None:
    """Let go of the lease at a clean stop, so that a standby need not wait."""
    tx.connection.execute(
        update(lease)
        .where(lease.c.name == LEADER, lease.c.holder == fence.holder, lease.c.token == fence.token)
        .values(expires_at=tx.now)
    )
