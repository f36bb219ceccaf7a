"""The inbox: raw deliveries, durable before they are acknowledged, many of them in one commit."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import func, select, update

from airwarden.core.errors import UnavailableError
from airwarden.remediation.crash import crash_at
from airwarden.remediation.journal.store import Journal, Tx
from airwarden.remediation.journal.tables import inbox
from airwarden.remediation.journal.upsert import insert_into

#: Times that a delivery is tried before it is set aside for a person.
MAX_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Delivery:
    """One accepted request, or one poll's new findings, as stored.

    Attributes:
        source: Which Alertmanager.
        digest: SHA-256 of the body: the same body delivered again is the same delivery.
        alerts: How many it holds.
    """

    source: str
    digest: str
    body: bytes
    alerts: int


@dataclass(frozen=True, slots=True)
class Stored:
    """A delivery waiting to be processed."""

    id: int
    source: str
    body: bytes
    received_at: datetime
    attempts: int


def put(tx: Tx, delivery: Delivery) -> bool:
    """Store a delivery; returns False where the same one is there already."""
    statement = insert_into(tx, inbox).values(
        source=delivery.source,
        delivery_hash=delivery.digest,
        received_at=tx.now,
        body=delivery.body,
        alerts=delivery.alerts,
        state="new",
        next_at=tx.now,
    )
    counted = statement.on_conflict_do_update(
        index_elements=["source", "delivery_hash"], set_={"seen": inbox.c.seen + 1}
    ).returning(inbox.c.seen)
    seen: int = tx.connection.execute(counted).scalar_one()
    return seen == 1


def take(tx: Tx, limit: int = 20) -> Sequence[Stored]:
    """Return the oldest deliveries that are due."""
    columns = (inbox.c.id, inbox.c.source, inbox.c.body, inbox.c.received_at, inbox.c.attempts)
    query = (
        select(*columns)
        .where(inbox.c.state == "new", inbox.c.next_at <= tx.now)
        .order_by(inbox.c.id)
        .limit(limit)
    )
    return [Stored(*row) for row in tx.connection.execute(query)]


def finish(tx: Tx, delivery_id: int) -> None:
    """Mark a delivery as processed. Its body goes; its hash stays, so that it is known again."""
    tx.connection.execute(
        update(inbox).where(inbox.c.id == delivery_id).values(state="done", body=b"")
    )


def fail(tx: Tx, delivery: Stored, error: str) -> None:
    """Try a delivery again later, or set it aside with its body after `MAX_ATTEMPTS`."""
    attempts = delivery.attempts + 1
    tx.connection.execute(
        update(inbox)
        .where(inbox.c.id == delivery.id)
        .values(
            attempts=attempts,
            error=error,
            next_at=tx.now + timedelta(seconds=2**attempts),
            state="failed" if attempts >= MAX_ATTEMPTS else "new",
        )
    )


def pending(tx: Tx) -> tuple[int, float]:
    """Return how many deliveries wait, and the age of the oldest in seconds."""
    query = select(func.count(), func.min(inbox.c.received_at)).where(inbox.c.state == "new")
    count, oldest = tx.connection.execute(query).one()
    return count, (tx.now - oldest).total_seconds() if oldest else 0.0


@dataclass(slots=True)
class _Ticket:
    delivery: Delivery
    done: bool = False
    new: bool = False
    error: Exception | None = field(default=None)


class InboxWriter:
    """Group commit without a thread of its own: whoever gets to the lock commits for all who wait.

    A commit costs one disk flush whether it holds one delivery or a hundred.
    """

    def __init__(self, journal: Journal, *, patience: float = 5.0) -> None:
        self._journal = journal
        self._patience = patience
        self._mutex = threading.Lock()
        self._committing = threading.Lock()
        self._waiting: list[_Ticket] = []

    def put(self, delivery: Delivery) -> bool:
        """Return once the delivery is durable; False where it was there before.

        Raises:
            UnavailableError: It is not stored: the sender has to send it again.
        """
        ticket = _Ticket(delivery)
        with self._mutex:
            self._waiting.append(ticket)
        if not self._committing.acquire(timeout=self._patience):
            with self._mutex:
                if ticket in self._waiting:
                    self._waiting.remove(ticket)
            raise UnavailableError("journal: writers queue up", retry_after=self._patience)
        try:
            if not ticket.done:
                self._commit()
        finally:
            self._committing.release()
        if ticket.error is not None:
            raise UnavailableError(f"the delivery was not stored: {ticket.error}")
        return ticket.new

    def _commit(self) -> None:
        with self._mutex:
            batch, self._waiting = self._waiting, []
        try:
            with self._journal.write() as tx:
                for ticket in batch:
                    ticket.new = put(tx, ticket.delivery)
                crash_at("mid-group-commit")
            crash_at("after-inbox-commit")
        except Exception as error:
            for ticket in batch:
                ticket.error = error
        for ticket in batch:
            ticket.done = True
