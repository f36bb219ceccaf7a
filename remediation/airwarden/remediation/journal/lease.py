"""Lease rows: who leads, until when, and the fencing token that grows with each new holder.

The remediators' is called `LEADER`; other programs have rows of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from sqlalchemy import bindparam, func, select, update

from airwarden.remediation.decide.succession import Seen
from airwarden.remediation.journal.store import LEADER, Fence, Tx
from airwarden.remediation.journal.tables import attempt, lease, run, target_lock
from airwarden.remediation.journal.upsert import insert_into


@dataclass(frozen=True, slots=True)
class Lease:
    """The lease as stored."""

    holder: str
    token: int
    acquired_at: datetime
    renewed_at: datetime
    expires_at: datetime

    def seen(self, now: datetime) -> Seen:
        """Return what a standby judges by."""
        life = (self.expires_at - self.renewed_at).total_seconds()
        age = (now - self.renewed_at).total_seconds()
        return Seen(self.token, self.renewed_at, life, age)


class Lock(Enum):
    """How a lease is locked while it is written.

    The leader's transactions share it. Its holder may prolong it beside them: else a busy leader, whose
    transactions overlap without a gap, could never renew. Whoever takes it over waits for all of them.
    """

    NONE = auto()
    RENEWAL = auto()
    TAKEOVER = auto()


_TIMES = (lease.c.acquired_at, lease.c.renewed_at, lease.c.expires_at)
_NAMED = select(lease.c.holder, lease.c.token, *_TIMES).where(lease.c.name == bindparam("wanted"))
#: Made once: each renewal asks two of them.
_READ = {
    Lock.NONE: _NAMED,
    Lock.RENEWAL: _NAMED.with_for_update(key_share=True),
    Lock.TAKEOVER: _NAMED.with_for_update(),
}


def read(tx: Tx, *, lock: Lock = Lock.NONE, name: str = LEADER) -> Lease | None:
    """Return the lease, None where nobody ever led."""
    row = tx.connection.execute(_READ[lock], {"wanted": name}).first()
    return Lease(*row) if row else None


def acquire(
    tx: Tx,
    holder: str,
    ttl: float,
    *,
    free: Callable[[Lease | None], bool] | None = None,
    above: int = 0,
    name: str = LEADER,
) -> Fence | None:
    """Renew one's own lease, or take it if it is free.

    Args:
        tx: The transaction.
        holder: This process's unique name.
        ttl: Seconds that it lasts.
        free: Judges whether another holder's lease, or none at all, may be taken; by the journal's
            time alone where it is not given.
        above: The highest token that this process knows of, for a row that was lost.
        name: Which lease.

    Returns:
        The fence to work under, None while another holder has it.
    """
    # Looked at first without a lock: a standby that only looks must not hold up the leader's writes.
    found = read(tx, name=name)
    if not _may_have(tx, found, holder, free):
        return None
    times = {"renewed_at": tx.now, "expires_at": tx.now + timedelta(seconds=ttl)}
    if _held(tx, found, holder) is not None:
        ours = _held(tx, read(tx, lock=Lock.RENEWAL, name=name), holder)
        if ours is not None:
            tx.connection.execute(update(lease).where(lease.c.name == name).values(**times))
            return Fence(holder, ours.token)
    found = read(tx, lock=Lock.TAKEOVER, name=name)
    if not _may_have(tx, found, holder, free):
        return None
    if found is None:
        # What was written under a token was written under the remediators'.
        token = 1 + max(above, _highest_used(tx) if name == LEADER else 0)
        first = insert_into(tx, lease).values(
            name=name, holder=holder, token=token, acquired_at=tx.now, **times
        )
        # A row count is not promised for an INSERT; what it returns is.
        taken = tx.connection.execute(first.on_conflict_do_nothing().returning(lease.c.token))
        return Fence(holder, token) if taken.first() is not None else None
    token = found.token + 1
    tx.connection.execute(
        update(lease)
        .where(lease.c.name == name, lease.c.token == found.token)
        .values(holder=holder, token=token, acquired_at=tx.now, **times)
    )
    return Fence(holder, token)


def _held(tx: Tx, found: Lease | None, holder: str) -> Lease | None:
    """Return the lease where it is this holder's and has not run out."""
    ours = found is not None and found.holder == holder and found.expires_at > tx.now
    return found if ours else None


def _may_have(
    tx: Tx, found: Lease | None, holder: str, free: Callable[[Lease | None], bool] | None
) -> bool:
    if found is not None and found.holder == holder:
        return True
    return free(found) if free is not None else found is None or found.expires_at <= tx.now


def _highest_used(tx: Tx) -> int:
    """Return the highest token that anything was ever written under; 0 in a new journal."""
    used = (attempt.c.fence_token, run.c.claim_token, target_lock.c.token)
    found = [tx.connection.execute(select(func.max(column))).scalar() for column in used]
    return max((token for token in found if token is not None), default=0)


def release(tx: Tx, fence: Fence, *, name: str = LEADER) -> None:
    """Let go of the lease at a clean stop, so that a standby need not wait."""
    tx.connection.execute(
        update(lease)
        .where(lease.c.name == name, lease.c.holder == fence.holder, lease.c.token == fence.token)
        # A life of nothing: a standby that goes by its own clock need not wait either.
        .values(expires_at=lease.c.renewed_at)
    )
