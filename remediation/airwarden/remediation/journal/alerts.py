"""Alerts: every event once, and for each alert what is true now."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Row, bindparam, func, select, update

from airwarden.core.alerts import Alert, AlertStatus, Severity
from airwarden.remediation.decide.episodes import Known
from airwarden.remediation.journal.store import Tx
from airwarden.remediation.journal.tables import alert, alert_event, incident, incident_alert
from airwarden.remediation.journal.upsert import Upsert, insert_many, write_many

_CHUNK = 400


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """An alert as it stands; `alert.suppressed_by` is the last poll's."""

    source: str
    alert: Alert
    incident_id: int | None
    last_seen: datetime


def record_events(tx: Tx, source: str, alerts: Iterable[Alert]) -> None:
    """Keep each event once; one that comes again is counted."""
    rows: dict[str, dict[str, Any]] = {}
    for one in alerts:
        key = one.event_key(source)
        if key in rows:
            rows[key]["n_seen"] += 1
            continue
        rows[key] = {
            "event_key": key,
            "cluster": one.cluster,
            "source": source,
            "fingerprint": one.fingerprint,
            "status": one.status.value,
            "starts_at": one.starts_at,
            "ends_at": one.ends_at if one.status is AlertStatus.RESOLVED else None,
            "labels": _dump(one.labels),
            "annotations": _dump(one.annotations),
            "first_seen": tx.now,
            "last_seen": tx.now,
            "n_seen": 1,
        }
    write_many(tx, _counted(postgres=tx.postgresql), list(rows.values()))


def known(tx: Tx, source: str, fingerprints: Sequence[str]) -> dict[str, Known]:
    """Return what is stored of these alerts, by fingerprint."""
    found: dict[str, Known] = {}
    columns = (alert.c.fingerprint, alert.c.episode, alert.c.status, alert.c.incident_id)
    for start in range(0, len(fingerprints), _CHUNK):
        some = fingerprints[start : start + _CHUNK]
        query = select(*columns).where(alert.c.source == source, alert.c.fingerprint.in_(some))
        for fingerprint, episode, status, incident_id in tx.connection.execute(query):
            found[fingerprint] = Known(episode, AlertStatus(status), incident_id)
    return found


def store(tx: Tx, source: str, some: Sequence[tuple[Alert, int | None]]) -> None:
    """Write what is true of alerts now, and which incident each belongs to (None: to none)."""
    # The last word on each alert, and each link once: one statement takes a row at most once.
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    links: dict[tuple[int, str], dict[str, Any]] = {}
    for one, incident_id in some:
        key = one.event_key(source)
        ended = one.ends_at or tx.now if one.status is AlertStatus.RESOLVED else None
        rows[one.fingerprint, one.cluster] = {
            "source": source,
            "fingerprint": one.fingerprint,
            "cluster": one.cluster,
            "name": one.name,
            "episode": one.starts_at,
            "status": one.status.value,
            "severity": one.severity.value,
            "labels": _dump(one.labels),
            "annotations": _dump(one.annotations),
            "last_event": key,
            "last_seen": tx.now,
            "ended_at": ended,
            "suppressed_by": " ".join(one.suppressed_by),
            "incident_id": incident_id,
        }
        if incident_id is not None:
            link = {"incident_id": incident_id, "event_key": key, "cluster": one.cluster}
            links[incident_id, key] = link
    write_many(tx, _replaced(postgres=tx.postgresql), list(rows.values()))
    write_many(tx, _linked(postgres=tx.postgresql), list(links.values()))


# Made once: in a storm, making these statements would cost more than running them.


@cache
def _counted(*, postgres: bool) -> Upsert:
    statement = insert_many(alert_event, alert_event.columns.keys(), postgres=postgres)
    return statement.on_conflict_do_update(
        index_elements=["event_key"],
        set_={
            "n_seen": alert_event.c.n_seen + statement.excluded.n_seen,
            "last_seen": statement.excluded.last_seen,
        },
    )


@cache
def _replaced(*, postgres: bool) -> Upsert:
    key = [column.name for column in alert.primary_key]
    statement = insert_many(alert, alert.columns.keys(), postgres=postgres)
    fresh = {
        name: statement.excluded[name]
        for name in (one.name for one in alert.columns)
        if name not in key
    }
    return statement.on_conflict_do_update(index_elements=key, set_=fresh)


@cache
def _linked(*, postgres: bool) -> Upsert:
    statement = insert_many(incident_alert, incident_alert.columns.keys(), postgres=postgres)
    return statement.on_conflict_do_nothing()


def touch(tx: Tx, source: str, seen: Mapping[str, tuple[str, ...]]) -> None:
    """Note that a poll saw these alerts active: fingerprint → by what each is suppressed."""
    alike: dict[str, list[str]] = {}
    for fingerprint, by in seen.items():
        alike.setdefault(" ".join(by), []).append(fingerprint)
    for suppressed_by, fingerprints in alike.items():
        tx.connection.execute(
            update(alert)
            .where(
                alert.c.source == source,
                alert.c.fingerprint.in_(fingerprints),
                alert.c.status == "firing",
            )
            .values(last_seen=tx.now, suppressed_by=suppressed_by)
        )


def unseen_since(tx: Tx, source: str, moment: datetime) -> list[StoredAlert]:
    """Return firing alerts that no delivery and no poll has shown since then."""
    query = select(alert).where(
        alert.c.source == source, alert.c.status == "firing", alert.c.last_seen < moment
    )
    return [_stored(row) for row in tx.connection.execute(query)]


_OF = (
    select(alert)
    .where(alert.c.incident_id == bindparam("incident_id"))
    .order_by(alert.c.status, alert.c.episode, alert.c.fingerprint)
    .limit(bindparam("most"))
)
_FIRING_OF = _OF.where(alert.c.status == "firing")
_TALLY = select(
    func.count(),
    func.count().filter(alert.c.status == "firing"),
    func.count().filter(alert.c.status == "firing", alert.c.suppressed_by != ""),
).where(alert.c.incident_id == bindparam("incident_id"))

#: Alerts of one incident that are looked at one by one; a storm has thousands.
SHOWN = 200


def of_incident(
    tx: Tx, incident_id: int, *, firing: bool = False, limit: int = SHOWN
) -> list[StoredAlert]:
    """Return an incident's alerts, firing ones first, oldest first, at most `limit`."""
    query = _FIRING_OF if firing else _OF
    asked = {"incident_id": incident_id, "most": limit}
    return [_stored(row) for row in tx.connection.execute(query, asked)]


def firing(tx: Tx, *conditions: ColumnElement[bool], limit: int) -> list[StoredAlert]:
    """Return alerts that meet all conditions, at most `limit`, the worst first."""
    query = select(alert).where(*conditions).order_by(alert.c.severity, alert.c.episode.desc())
    return [_stored(row) for row in tx.connection.execute(query.limit(limit))]


@dataclass(frozen=True, slots=True)
class Tally:
    """How many alerts an incident has: in all, firing, and firing but suppressed."""

    total: int
    firing: int
    suppressed: int


def tally(tx: Tx, incident_id: int) -> Tally:
    """Count an incident's alerts."""
    return Tally(*tx.connection.execute(_TALLY, {"incident_id": incident_id}).one())


def severities(tx: Tx, incident_id: int) -> list[Severity]:
    """Return the severities that an incident's firing alerts have."""
    query = select(alert.c.severity).where(
        alert.c.incident_id == incident_id, alert.c.status == "firing"
    )
    return [Severity(one) for one in tx.connection.execute(query.distinct()).scalars()]


def firing_prints(tx: Tx, incident_id: int) -> frozenset[str]:
    """Return the fingerprints of an incident's firing alerts."""
    query = select(alert.c.fingerprint).where(
        alert.c.incident_id == incident_id, alert.c.status == "firing"
    )
    return frozenset(tx.connection.execute(query).scalars())


def firing_counts(tx: Tx) -> dict[tuple[str, str], int]:
    """Return (cluster, alertname) → firing alerts that are decided on."""
    query = (
        select(alert.c.cluster, alert.c.name, func.count())
        .where(alert.c.status == "firing", alert.c.incident_id.is_not(None))
        .group_by(alert.c.cluster, alert.c.name)
    )
    return {(cluster, name): count for cluster, name, count in tx.connection.execute(query)}


def firing_of_ended_incidents(tx: Tx, ended_before: datetime) -> list[StoredAlert]:
    """Return alerts that still fire although their incident was resolved before that moment."""
    query = (
        select(alert)
        .join(incident, incident.c.id == alert.c.incident_id)
        .where(
            alert.c.status == "firing",
            alert.c.last_seen > incident.c.ended_at,
            incident.c.state == "RESOLVED",
            incident.c.ended_at < ended_before,
        )
    )
    return [_stored(row) for row in tx.connection.execute(query)]


def _stored(row: Row[Any]) -> StoredAlert:
    one = Alert(
        fingerprint=row.fingerprint,
        status=AlertStatus(row.status),
        starts_at=row.episode,
        labels=json.loads(row.labels),
        annotations=json.loads(row.annotations),
        ends_at=row.ended_at,
        suppressed_by=tuple(row.suppressed_by.split()),
    )
    return StoredAlert(row.source, one, row.incident_id, row.last_seen)


def _dump(labels: Mapping[str, str]) -> str:
    return json.dumps(dict(labels), sort_keys=True)
