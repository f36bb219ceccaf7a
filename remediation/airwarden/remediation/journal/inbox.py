"""The inbox: raw deliveries, durable before they are acknowledged, many of them in one commit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ARRAY, bindparam, case, column, func, literal, select, update
from sqlalchemy.sql.dml import ReturningInsert

from airwarden.core.errors import UnavailableError
from airwarden.remediation.crash import crash_at
from airwarden.remediation.journal.store import Journal, Tx
from airwarden.remediation.journal.tables import inbox
from airwarden.remediation.journal.upsert import insert_on

#: Times that a delivery is tried before it is set aside for a person.
MAX_ATTEMPTS = 5
#: Seconds between the first refusal and the last from which the journal counts as full, and for how
#: long the last one counts: Alertmanager repeats within seconds at first, later within a minute.
_AGAIN, _LATELY = 3.0, 90.0
#: Alerts, and deliveries, that are taken out at once: what is in memory stays small in a storm.
_TAKEN_ALERTS, _TAKEN = 2000, 400
#: Bytes of bodies in one statement: a driver holds them a few times over.
_COPIED = 8 * 1024 * 1024
#: The columns in which new deliveries differ.
_OWN = ("source", "delivery_hash", "body", "alerts", "seen")

# Made once: every turn asks it.
_SIZES = (
    select(inbox.c.id, inbox.c.alerts)
    .where(
        inbox.c.state == "new",
        inbox.c.next_at <= bindparam("now", type_=inbox.c.next_at.type),
    )
    .order_by(inbox.c.id)
    .limit(bindparam("most"))
)


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


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits to be worked off, and what was set aside.

    Attributes:
        deliveries: How many wait.
        alerts: How many alerts they hold.
        age: Age of the oldest in seconds; 0 where none waits.
        set_aside: Deliveries given up after `MAX_ATTEMPTS`, kept for a person.
    """

    deliveries: int = 0
    alerts: int = 0
    age: float = 0.0
    set_aside: int = 0


def put_all(tx: Tx, deliveries: Sequence[Delivery]) -> list[bool]:
    """Store deliveries; returns for each whether it is new, False where the same one is there already."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    first: list[bool] = []
    for one in deliveries:
        row = rows.setdefault((one.source, one.digest), _row(one))
        row["seen"] += 1
        first.append(row["seen"] == 1)
    # In one order everywhere: two replicas that store the same ones must not wait for each other.
    ordered = [rows[key] for key in sorted(rows)]
    fresh = {key for some in _portions(ordered) for key in _store(tx, some)}
    return [
        new and (one.source, one.digest) in fresh
        for one, new in zip(deliveries, first, strict=True)
    ]


def _row(one: Delivery) -> dict[str, Any]:
    return dict(zip(_OWN, (one.source, one.digest, one.body, one.alerts, 0), strict=True))


def _portions(rows: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Divide rows, so that a driver copies only a few large bodies at a time."""
    some: list[dict[str, Any]] = []
    held = 0
    for row in rows:
        if some and held + len(row["body"]) > _COPIED:
            yield some
            some, held = [], 0
        some.append(row)
        held += len(row["body"])
    if some:
        yield some


def _store(tx: Tx, rows: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Store rows, and return the source and hash of those that were not there."""
    statement = _stored(postgres=tx.postgresql)
    if tx.postgresql:
        columns = {name: [row[name] for row in rows] for name in _OWN}
        stored = list(tx.connection.execute(statement, {**columns, "now": tx.now}))
    else:
        stored = [tx.connection.execute(statement, {**row, "now": tx.now}).one() for row in rows]
    came = {(row["source"], row["delivery_hash"]): row["seen"] for row in rows}
    return [(source, digest) for source, digest, seen in stored if seen == came[source, digest]]


@cache
def _stored(*, postgres: bool) -> ReturningInsert[Any]:
    columns = [inbox.c[name] for name in _OWN]
    now = bindparam("now", type_=inbox.c.next_at.type)
    alike = {"received_at": now, "next_at": now, "state": literal("new")}
    statement = insert_on(inbox, postgres=postgres)
    if postgres:
        # All rows in one statement: each for itself is a round trip, and a wait for the interpreter.
        arrays = [bindparam(one.name, type_=ARRAY(one.type)) for one in columns]
        rows = func.unnest(*arrays).table_valued(*(column(one.name, one.type) for one in columns))
        every = select(*rows.render_derived().c, *alike.values())
        statement = statement.from_select([*_OWN, *alike], every)
    else:
        own = {one.name: bindparam(one.name, type_=one.type) for one in columns}
        statement = statement.values({**own, **alike})
    # The same body again is the same delivery. One that was set aside gets another chance.
    aside = inbox.c.state == "failed"
    return statement.on_conflict_do_update(
        index_elements=["source", "delivery_hash"],
        set_={
            "seen": inbox.c.seen + statement.excluded.seen,
            "state": case((aside, "new"), else_=inbox.c.state),
            "attempts": case((aside, MAX_ATTEMPTS - 1), else_=inbox.c.attempts),
        },
    ).returning(inbox.c.source, inbox.c.delivery_hash, inbox.c.seen)


def take(tx: Tx, limit: int = _TAKEN) -> Sequence[Stored]:
    """Return the oldest deliveries that are due, at least one and not many alerts more."""
    chosen: list[int] = []
    held = 0
    for delivery_id, alerts in tx.connection.execute(_SIZES, {"now": tx.now, "most": limit}):
        if chosen and held + alerts > _TAKEN_ALERTS:
            break
        chosen.append(delivery_id)
        held += alerts
    if not chosen:
        return []
    columns = (inbox.c.id, inbox.c.source, inbox.c.body, inbox.c.received_at, inbox.c.attempts)
    query = select(*columns).where(inbox.c.id.in_(chosen)).order_by(inbox.c.id)
    return [Stored(*row) for row in tx.connection.execute(query)]


def finish(tx: Tx, *delivery_ids: int) -> None:
    """Mark deliveries as processed. Their bodies go; their hashes stay: they are known again."""
    if delivery_ids:
        tx.connection.execute(
            update(inbox).where(inbox.c.id.in_(delivery_ids)).values(state="done", body=b"")
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


def backlog(tx: Tx) -> Backlog:
    """Return what waits and what was set aside."""
    total = func.coalesce(func.sum(inbox.c.alerts), 0)
    query = (
        select(inbox.c.state, func.count(), total, func.min(inbox.c.received_at))
        .where(inbox.c.state.in_(("new", "failed")))
        .group_by(inbox.c.state)
    )
    rows = {state: row for state, *row in tx.connection.execute(query)}
    count, alerts, oldest = rows.get("new", (0, 0, None))
    age = (tx.now - oldest).total_seconds() if oldest else 0.0
    return Backlog(count, alerts, age, rows.get("failed", (0, 0, None))[0])


class InboxWriter:
    """Stores deliveries durably, ahead of whatever else is to be written."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._refusals: tuple[float, float, UnavailableError] | None = None

    def put(self, delivery: Delivery) -> bool:
        """Return once the delivery is durable; False where it was there before."""
        return self.put_all([delivery])[0]

    def put_all(self, deliveries: Sequence[Delivery]) -> list[bool]:
        """Store deliveries in one transaction; returns for each whether it is new.

        Raises:
            UnavailableError: None of them is stored: the sender has to send them again.
        """
        try:
            with self._journal.write(urgent=True) as tx:
                news = put_all(tx, deliveries)
                crash_at("mid-group-commit")
        except UnavailableError as error:
            now = self._journal.elapsed()
            self._refusals = (self._refusals or (now,))[0], now, error
            raise
        self._refusals = None
        crash_at("after-inbox-commit")
        return news

    @property
    def trouble(self) -> UnavailableError | None:
        """Why nothing can be stored: refused again and again, lately, and nothing taken between.

        A journal that is full may still renew a lease: then only what comes in shows it.
        """
        if self._refusals is None:
            return None
        first, last, error = self._refusals
        lately = self._journal.elapsed() - last < _LATELY
        return error if lately and last - first >= _AGAIN else None
