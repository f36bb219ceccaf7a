"""What the journal knows of storms and of flapping: how much opened lately, what came and went."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, bindparam, func, or_, select

from airwarden.remediation.decide.flapping import History
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.storm import STORM, FleetHealth
from airwarden.remediation.journal import incidents
from airwarden.remediation.journal.incidents import Incident
from airwarden.remediation.journal.store import Tx
from airwarden.remediation.journal.tables import alert, alert_event, fleet_snapshot, incident

#: A fleet that was seen longer ago than this says nothing about a storm.
_FLEET_MAX_AGE = timedelta(seconds=30)
#: Events looked at for one question; whatever has more of them flaps.
_MOST_EVENTS = 2000
# Made once: every turn asks it.
_DUE_STORMS = select(incident.c.id).where(
    incident.c.correlation_key.startswith(STORM),
    incident.c.state.not_in(incidents.TERMINAL),
    incident.c.next_at <= bindparam("now", type_=incident.c.next_at.type),
)


def opened(tx: Tx, cluster: str, playbook: str, since: datetime) -> int:
    """Return how many incidents of a playbook were opened, or came back, since then."""
    came_back = and_(incident.c.recurrence > 0, incident.c.started_at >= since)
    query = select(func.count()).where(
        incident.c.cluster == cluster,
        incident.c.playbook == playbook,
        or_(incident.c.opened_at >= since, came_back),
        incident.c.correlation_key.not_like(f"{STORM}%"),
    )
    return int(tx.connection.execute(query).scalar_one())


def arrived(tx: Tx, incident_id: int, since: datetime) -> int:
    """Return how many of an incident's alerts began since then."""
    query = select(func.count()).where(alert.c.incident_id == incident_id, alert.c.episode >= since)
    return int(tx.connection.execute(query).scalar_one())


def storms(tx: Tx, cluster: str) -> list[Incident]:
    """Return the cluster's storms that are not over."""
    return incidents.select_where(
        tx,
        incident.c.cluster == cluster,
        incident.c.correlation_key.startswith(STORM),
        incident.c.state.not_in(incidents.TERMINAL),
    )


def due_storms(tx: Tx) -> list[int]:
    """Return the numbers of the storms to look at now."""
    return list(tx.connection.execute(_DUE_STORMS, {"now": tx.now}).scalars())


def every_storm(tx: Tx) -> list[tuple[str, str]]:
    """Return (cluster, playbook) of all storms that are not over."""
    query = select(incident.c.cluster, incident.c.playbook).where(
        incident.c.correlation_key.startswith(STORM),
        incident.c.state.not_in(incidents.TERMINAL),
    )
    return [(cluster, playbook) for cluster, playbook in tx.connection.execute(query)]


def noted(tx: Tx, what: str) -> dict[str, int]:
    """Return cluster → open incidents that have noted this in their evidence."""
    query = (
        select(incident.c.cluster, func.count())
        .where(
            incident.c.state.not_in(incidents.TERMINAL),
            incident.c.evidence.contains(json.dumps(what), autoescape=True),
        )
        .group_by(incident.c.cluster)
    )
    return {row[0]: row[1] for row in tx.connection.execute(query)}


def open_of(tx: Tx, cluster: str, playbook: str, limit: int = 50) -> list[Incident]:
    """Return the open incidents of a playbook, of all where none is named; storms left out."""
    conditions = [
        incident.c.cluster == cluster,
        incident.c.correlation_key.not_like(f"{STORM}%"),
        incident.c.state.not_in(incidents.TERMINAL),
    ]
    if playbook:
        conditions.append(incident.c.playbook == playbook)
    return incidents.select_where(tx, *conditions)[:limit]


def fleets(tx: Tx, cluster: str) -> list[FleetHealth]:
    """Return the fleets of a cluster as they were seen a moment ago."""
    query = select(fleet_snapshot.c.fleet, fleet_snapshot.c.total, fleet_snapshot.c.healthy).where(
        fleet_snapshot.c.cluster == cluster, fleet_snapshot.c.taken_at >= tx.now - _FLEET_MAX_AGE
    )
    return [FleetHealth(*row) for row in tx.connection.execute(query)]


def histories(
    tx: Tx, source: str, fingerprints: Sequence[str], rails: Rails, counted: datetime | None = None
) -> list[History]:
    """Return what these alerts did lately, and since that moment."""
    which = and_(alert_event.c.source == source, alert_event.c.fingerprint.in_(fingerprints))
    return _histories(tx, which, rails, counted)


def histories_of(
    tx: Tx, incident_id: int, rails: Rails, counted: datetime | None = None
) -> list[History]:
    """Return what an incident's alerts did lately and since that moment, of a storm's not all."""
    mine = select(alert.c.fingerprint).where(alert.c.incident_id == incident_id)
    return _histories(tx, alert_event.c.fingerprint.in_(mine.limit(_MOST_EVENTS)), rails, counted)


def _histories(
    tx: Tx, which: ColumnElement[bool], rails: Rails, counted: datetime | None
) -> list[History]:
    span = tx.now - max(rails.flap_window, rails.flap_every * rails.flap_samples)
    span = max(span, counted or span)
    columns = (
        alert_event.c.fingerprint,
        alert_event.c.status,
        alert_event.c.first_seen,
        alert_event.c.labels,
    )
    query = (
        select(*columns)
        .where(which, alert_event.c.first_seen >= span)
        .order_by(alert_event.c.first_seen.desc())
        .limit(_MOST_EVENTS)
    )
    found: dict[str, list[tuple[str, datetime]]] = {}
    names: dict[str, str] = {}
    for fingerprint, status, at, labels in tx.connection.execute(query):
        found.setdefault(fingerprint, []).append((status, at))
        names[fingerprint] = labels
    window = tx.now - rails.flap_window
    return [
        History(
            str(json.loads(names[fingerprint]).get("alertname", "")),
            sum(1 for status, at in events if status == "resolved" and at >= window),
            [at for _, at in events],
        )
        for fingerprint, events in found.items()
    ]
