"""What the journal knows of a target's surroundings: fleets, repairs under way, versions, lag."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, func, select

from airwarden.core.alerts import Alert, AlertStatus
from airwarden.remediation.actions.base import Danger, Effect
from airwarden.remediation.decide.states import AttemptState
from airwarden.remediation.journal.runs import load_effect
from airwarden.remediation.journal.store import Tx
from airwarden.remediation.journal.tables import (
    alert,
    attempt,
    fleet_snapshot,
    inbox,
    platform_seen,
    target_lock,
)
from airwarden.remediation.journal.upsert import insert_into

#: The one fleet of interchangeable units there is today.
WORKERS = "workers"

# Made once: each look at a cluster asks both.
_HELD = select(target_lock.c.target).where(
    target_lock.c.cluster == bindparam("wanted"),
    target_lock.c.expires_at > bindparam("now", type_=target_lock.c.expires_at.type),
)
_VERSIONS = (
    select(
        platform_seen.c.what,
        platform_seen.c.value,
        platform_seen.c.previous,
        platform_seen.c.changed_at,
    )
    .where(platform_seen.c.cluster == bindparam("wanted"))
    .order_by(platform_seen.c.what)
)


@dataclass(frozen=True, slots=True)
class FleetSnapshot:
    """A fleet as it was last seen; `healthy` leaves out what is in repair."""

    total: int
    healthy: int
    in_repair: int
    taken_at: datetime


def put_fleet(
    tx: Tx, *, cluster: str, fleet: str, total: int, healthy: int, in_repair: int
) -> None:
    """Keep how a fleet looks now."""
    values = {"total": total, "healthy": healthy, "in_repair": in_repair, "taken_at": tx.now}
    statement = insert_into(tx, fleet_snapshot).values(cluster=cluster, fleet=fleet, **values)
    tx.connection.execute(
        statement.on_conflict_do_update(index_elements=["cluster", "fleet"], set_=values)
    )


def fleet(tx: Tx, *, cluster: str, fleet: str) -> FleetSnapshot | None:
    """Return how a fleet looked when it was last seen."""
    columns = (
        fleet_snapshot.c.total,
        fleet_snapshot.c.healthy,
        fleet_snapshot.c.in_repair,
        fleet_snapshot.c.taken_at,
    )
    row = tx.connection.execute(
        select(*columns).where(fleet_snapshot.c.cluster == cluster, fleet_snapshot.c.fleet == fleet)
    ).first()
    return FleetSnapshot(*row) if row else None


def in_repair(tx: Tx, cluster: str) -> set[str]:
    """Return the processes that a remedy has touched and not yet let go of.

    A run holds its targets' locks until it ends: healed and verified, or handed to people.
    """
    held = tx.connection.execute(_HELD, {"wanted": cluster, "now": tx.now}).scalars()
    process = f"{cluster}/process/"
    return {target.removeprefix(process) for target in held if target.startswith(process)}


def held_by_others(tx: Tx, cluster: str, run_id: int) -> list[Effect]:
    """Return what other runs did to the targets that they have not yet let go of."""
    query = (
        select(attempt.c.request_json)
        .join(
            target_lock,
            (target_lock.c.run_id == attempt.c.run_id) & (target_lock.c.target == attempt.c.target),
        )
        .where(
            target_lock.c.cluster == cluster,
            target_lock.c.expires_at > tx.now,
            target_lock.c.run_id != run_id,
        )
    )
    return [load_effect(json.loads(request)) for request in tx.connection.execute(query).scalars()]


def taken_down(tx: Tx, cluster: str, since: datetime) -> dict[str, datetime]:
    """Return when each process that was not proved dead was last taken down by a remedy."""
    query = (
        select(attempt.c.target, attempt.c.request_json, attempt.c.created_at)
        .where(
            attempt.c.cluster == cluster,
            attempt.c.created_at >= since,
            attempt.c.danger != Danger.A,
            attempt.c.undo_of.is_(None),
            attempt.c.state != AttemptState.NOT_DONE,
            attempt.c.target.startswith(f"{cluster}/process/", autoescape=True),
        )
        .order_by(attempt.c.created_at)
    )
    return {
        target.split("/", 2)[2]: at
        for target, request, at in tx.connection.execute(query)
        if not json.loads(request).get("dead")
    }


def same_before(tx: Tx, effect: Effect, since: datetime) -> list[Effect]:
    """Return the effects of this very kind that were confirmed on the target, newest first.

    What we did to the target in between ends the row: only somebody else can have taken back an effect
    that is followed by the same one.
    """
    query = (
        select(attempt.c.action, attempt.c.request_json)
        .where(
            attempt.c.target == effect.target,
            attempt.c.created_at >= since,
            attempt.c.state == AttemptState.CONFIRMED,
        )
        .order_by(attempt.c.id.desc())
    )
    wanted = json.loads(json.dumps(dict(effect.parameters), default=str))
    found: list[Effect] = []
    for action, request in tx.connection.execute(query):
        earlier = load_effect(json.loads(request))
        if action != effect.action or earlier.parameters != wanted:
            break
        found.append(earlier)
    return found


def inbox_lag(tx: Tx) -> float:
    """Return for how many seconds the oldest due delivery has waited, 0 where none does."""
    query = select(func.min(inbox.c.next_at)).where(
        inbox.c.state == "new", inbox.c.next_at <= tx.now
    )
    oldest = tx.connection.execute(query).scalar_one()
    return (tx.now - oldest).total_seconds() if oldest else 0.0


def firing(tx: Tx, cluster: str) -> list[Alert]:
    """Return the cluster's alerts that fire and are not suppressed."""
    query = select(alert.c.fingerprint, alert.c.labels, alert.c.episode).where(
        alert.c.cluster == cluster, alert.c.status == "firing", alert.c.suppressed_by == ""
    )
    return [
        Alert(fingerprint, AlertStatus.FIRING, since, json.loads(labels))
        for fingerprint, labels, since in tx.connection.execute(query)
    ]


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the platform's as it was last seen; `changed_at` is None while it was the first."""

    what: str
    value: str
    previous: str
    changed_at: datetime | None


def versions(tx: Tx, cluster: str) -> list[Version]:
    """Return the versions that were seen of a cluster."""
    return [Version(*row) for row in tx.connection.execute(_VERSIONS, {"wanted": cluster})]


def note_version(tx: Tx, *, cluster: str, what: str, value: str) -> None:
    """Keep a version that was seen now, and when it became another one."""
    known = {one.what: one for one in versions(tx, cluster)}.get(what)
    if known is not None and known.value == value:
        return
    values = {
        "value": value,
        "previous": known.value if known else "",
        "changed_at": tx.now if known else None,
    }
    statement = insert_into(tx, platform_seen).values(cluster=cluster, what=what, **values)
    tx.connection.execute(
        statement.on_conflict_do_update(index_elements=["cluster", "what"], set_=values)
    )
