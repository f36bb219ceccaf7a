"""The outbox: notices that are written with the change they tell of, and sent afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import bindparam, func, select, update

from airwarden.remediation.journal.store import Tx
from airwarden.remediation.journal.tables import incident, outbox
from airwarden.remediation.journal.upsert import insert_into


class Channel(StrEnum):
    """Where a notice goes."""

    PAGER = "pager"
    CHAT = "chat"


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice that waits; `body` is an `IncidentView` as JSON."""

    id: int
    channel: str
    dedup_key: str
    kind: str
    incident_id: int
    body: str
    attempts: int
    created_at: datetime


# Made once: both senders ask them at every step.
_CHAT_REF = select(incident.c.chat_ref).where(incident.c.id == bindparam("incident_id"))
_OLDEST = (
    select(func.min(outbox.c.id))
    .where(outbox.c.channel == bindparam("wanted"), outbox.c.state == "new")
    .group_by(outbox.c.incident_id)
)
_DUE = (
    select(
        outbox.c.id,
        outbox.c.channel,
        outbox.c.dedup_key,
        outbox.c.kind,
        outbox.c.incident_id,
        outbox.c.body,
        outbox.c.attempts,
        outbox.c.created_at,
    )
    .where(
        outbox.c.id.in_(_OLDEST),
        outbox.c.next_at <= bindparam("now", type_=outbox.c.next_at.type),
    )
    .order_by(outbox.c.id)
    .limit(bindparam("most"))
)


def put(
    tx: Tx, *, channel: Channel, dedup_key: str, kind: str, incident_id: int, body: str
) -> bool:
    """Write a notice; the same one a second time changes nothing, and gives False.

    A newer chat message replaces the ones that have not left yet: there is one message per incident.
    """
    if channel is Channel.CHAT:
        tx.connection.execute(
            update(outbox)
            .where(
                outbox.c.channel == channel,
                outbox.c.incident_id == incident_id,
                outbox.c.state == "new",
            )
            .values(state="superseded", body="")
        )
    written = tx.connection.execute(
        insert_into(tx, outbox)
        .values(
            channel=channel,
            dedup_key=dedup_key,
            kind=kind,
            incident_id=incident_id,
            body=body,
            state="new",
            created_at=tx.now,
            next_at=tx.now,
        )
        .on_conflict_do_nothing()
        .returning(outbox.c.id)
    )
    return written.first() is not None


def due(tx: Tx, channel: Channel, limit: int = 20) -> Sequence[Notice]:
    """Return waiting notices of a channel, oldest first, one per incident so that order holds."""
    asked = {"wanted": channel.value, "now": tx.now, "most": limit}
    return [Notice(*row) for row in tx.connection.execute(_DUE, asked)]


def sent(tx: Tx, notice: Notice, *, chat_ref: str = "") -> None:
    """Mark a notice as delivered, and keep the chat message's reference for its updates.

    A chat message's body goes: there may be dozens for one incident, each with the whole of it.
    """
    slim = {"body": ""} if notice.channel == Channel.CHAT else {}
    tx.connection.execute(
        update(outbox)
        .where(outbox.c.id == notice.id)
        .values(state="sent", sent_at=tx.now, attempts=notice.attempts + 1, error="", **slim)
    )
    if chat_ref:
        tx.connection.execute(
            update(incident).where(incident.c.id == notice.incident_id).values(chat_ref=chat_ref)
        )


def retry(tx: Tx, notice: Notice, *, error: str, next_at: datetime, give_up: bool) -> None:
    """Try a notice again later, or give it up where sending again cannot help."""
    tx.connection.execute(
        update(outbox)
        .where(outbox.c.id == notice.id)
        .values(
            attempts=notice.attempts + 1,
            error=error,
            next_at=next_at,
            state="failed" if give_up else "new",
        )
    )


def hold(tx: Tx, notice: Notice, until: datetime) -> None:
    """Let a notice wait until somebody wants to hear it: its age counts from then on."""
    tx.connection.execute(
        update(outbox).where(outbox.c.id == notice.id).values(created_at=until, next_at=until)
    )


def drop(tx: Tx, notice: Notice) -> None:
    """Take a notice away that there is no reason to send any more."""
    tx.connection.execute(
        update(outbox).where(outbox.c.id == notice.id).values(state="superseded", body="")
    )


def chat_ref(tx: Tx, incident_id: int) -> str:
    """Return the reference of the incident's chat message, empty before the first one is sent."""
    found = tx.connection.execute(_CHAT_REF, {"incident_id": incident_id})
    return found.scalar_one_or_none() or ""


def waiting(tx: Tx) -> dict[str, tuple[int, float]]:
    """Return channel → (notices that wait, age of the oldest in seconds)."""
    query = (
        select(outbox.c.channel, func.count(), func.min(outbox.c.created_at))
        .where(outbox.c.state == "new")
        .group_by(outbox.c.channel)
    )
    found = {channel.value: (0, 0.0) for channel in Channel}
    for channel, count, oldest in tx.connection.execute(query):
        found[channel] = (count, max(0.0, (tx.now - oldest).total_seconds()))
    return found


def given_up(tx: Tx) -> dict[str, int]:
    """Return channel → notices that were given up, as far as they are still kept."""
    query = (
        select(outbox.c.channel, func.count())
        .where(outbox.c.state == "failed")
        .group_by(outbox.c.channel)
    )
    return {row[0]: row[1] for row in tx.connection.execute(query)}
