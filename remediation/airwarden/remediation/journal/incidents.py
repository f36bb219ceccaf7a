"""Incidents: opened once per correlation key, moved by compare-and-set only."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, bindparam, func, insert, select, update

from airwarden.core.alerts import Severity
from airwarden.remediation.decide.states import INCIDENT_TRANSITIONS, IncidentState, Mode, allowed
from airwarden.remediation.journal.store import FencedError, Tx
from airwarden.remediation.journal.tables import incident

TERMINAL = tuple(state for state in IncidentState if state.terminal)
_CHUNK = 400
# Made once: every turn asks them.
_ONE = select(incident).where(incident.c.id == bindparam("incident_id"))
_DUE = (
    select(incident)
    .where(
        incident.c.state.in_(bindparam("states", expanding=True)),
        incident.c.next_at <= bindparam("now", type_=incident.c.next_at.type),
    )
    .order_by(incident.c.next_at, incident.c.id)
    .limit(bindparam("most"))
)
_PAGE_DUE = (
    select(incident)
    .where(
        incident.c.page_at <= bindparam("now", type_=incident.c.page_at.type),
        incident.c.paged_at.is_(None),
        incident.c.state.not_in(TERMINAL),
    )
    .limit(bindparam("most"))
)


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident as stored.

    Attributes:
        rev: Grows with each change; the compare-and-set's key.
        started_at: The first firing alert's start.
        next_at: When the engine looks at it again, None for never by itself.
        page_at: When it is to be paged for if it is not healed by then; None for not at all.
        healthy_since: Since when the live check has read healthy without a run of ours.
    """

    id: int
    cluster: str
    correlation_key: str
    playbook: str
    title: str
    state: IncidentState
    rev: int
    severity: Severity
    mode: Mode
    labels: Mapping[str, str]
    reason: str
    cause: str
    evidence: Mapping[str, str]
    human_steps: tuple[str, ...]
    started_at: datetime
    opened_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    next_at: datetime | None
    page_at: datetime | None
    paged_at: datetime | None
    healthy_since: datetime | None
    recurrence: int
    healed_by_itself: bool
    owner: str
    dedup_key: str
    chat_ref: str

    @property
    def object(self) -> str:
        """Its name in the audit."""
        return f"incident/{self.id}"

    def comes_back(self, since: datetime) -> bool:
        """Return whether the same fault now is this incident again: resolved since that moment."""
        resolved = self.state is IncidentState.RESOLVED
        return resolved and self.ended_at is not None and self.ended_at >= since


def _incident(row: Row[Any]) -> Incident:
    values = {column.name: getattr(row, column.name) for column in incident.columns}
    values["state"] = IncidentState(row.state)
    values["severity"] = Severity(row.severity)
    values["mode"] = Mode(row.mode)
    values["labels"] = json.loads(row.labels)
    values["evidence"] = json.loads(row.evidence)
    values["human_steps"] = tuple(json.loads(row.human_steps))
    return Incident(**values)


def _encode(fields: Mapping[str, Any]) -> dict[str, Any]:
    plain = dict(fields)
    for name in ("labels", "evidence"):
        if name in plain:
            plain[name] = json.dumps(dict(plain[name]), sort_keys=True)
    if "human_steps" in plain:
        plain["human_steps"] = json.dumps(list(plain["human_steps"]))
    return plain


def open_new(tx: Tx, **fields: Any) -> Incident:
    """Insert an incident in state OPEN; the partial unique index admits one per key at a time."""
    values = _encode(
        {
            "state": IncidentState.OPEN,
            "opened_at": tx.now,
            "updated_at": tx.now,
            "next_at": tx.now,
            **fields,
        }
    )
    row = tx.connection.execute(insert(incident).values(**values).returning(*incident.columns))
    return _incident(row.one())


def get(tx: Tx, incident_id: int) -> Incident:
    """Return an incident; raises KeyError."""
    row = tx.connection.execute(_ONE, {"incident_id": incident_id}).first()
    if row is None:
        raise KeyError(incident_id)
    return _incident(row)


def change(tx: Tx, one: Incident, **fields: Any) -> Incident:
    """Change fields of an incident that nobody else changed since it was read.

    Raises:
        FencedError: Somebody did: drop the work and read again.
    """
    values = {"updated_at": tx.now, **fields, "rev": one.rev + 1}
    done = tx.connection.execute(
        update(incident)
        .where(incident.c.id == one.id, incident.c.rev == one.rev, incident.c.state == one.state)
        .values(**_encode(values))
    )
    if done.rowcount != 1:
        raise FencedError(f"incident {one.id} was changed by another")
    return replace(one, **values)


def touch(tx: Tx, incident_ids: Collection[int]) -> None:
    """Note that open incidents go on; raises FencedError where one has ended in the same instant."""
    done = tx.connection.execute(
        update(incident)
        .where(incident.c.id.in_(incident_ids), incident.c.state.not_in(TERMINAL))
        .values(updated_at=tx.now, rev=incident.c.rev + 1)
    )
    if done.rowcount != len(incident_ids):
        raise FencedError(f"one of the incidents {sorted(incident_ids)} has ended")


def move(tx: Tx, one: Incident, state: IncidentState, **fields: Any) -> Incident:
    """Make a transition; raises ValueError for one that the table does not have."""
    if not allowed(INCIDENT_TRANSITIONS, one.state, state):
        raise ValueError(f"incident {one.id}: {one.state} → {state} is no transition")
    return change(tx, one, state=state, **fields)


def open_by_key(tx: Tx, cluster: str, key: str) -> Incident | None:
    """Return the one incident of this key that is not over."""
    query = select(incident).where(
        incident.c.cluster == cluster,
        incident.c.correlation_key == key,
        incident.c.state.not_in(TERMINAL),
    )
    row = tx.connection.execute(query).first()
    return _incident(row) if row else None


def open_by_dedup_key(tx: Tx, dedup_key: str) -> Incident | None:
    """Return the incident that is not over and is paged for under this key."""
    found = select_where(tx, incident.c.dedup_key == dedup_key, incident.c.state.not_in(TERMINAL))
    return found[-1] if found else None


def paged_and_not_owned(tx: Tx, limit: int) -> list[Incident]:
    """Return open incidents whose page a person may acknowledge elsewhere, the newest pages first."""
    query = (
        select(incident)
        .where(
            incident.c.paged_at.is_not(None),
            incident.c.state.not_in((*TERMINAL, IncidentState.HUMAN_OWNED)),
        )
        .order_by(incident.c.paged_at.desc(), incident.c.id.desc())
        .limit(limit)
    )
    return [_incident(row) for row in tx.connection.execute(query)]


def open_by_keys(tx: Tx, places: Collection[tuple[str, str]]) -> dict[tuple[str, str], Incident]:
    """Return (cluster, key) → the one incident of it that is not over, where there is one."""
    clusters = {cluster for cluster, _ in places}
    keys = [key for _, key in places]
    found: dict[tuple[str, str], Incident] = {}
    for start in range(0, len(keys), _CHUNK):
        for one in select_where(
            tx,
            incident.c.cluster.in_(clusters),
            incident.c.correlation_key.in_(keys[start : start + _CHUNK]),
            incident.c.state.not_in(TERMINAL),
        ):
            found[one.cluster, one.correlation_key] = one
    return found


def select_where(tx: Tx, *conditions: ColumnElement[bool]) -> list[Incident]:
    """Return the incidents that meet all conditions, oldest first."""
    query = select(incident).where(*conditions).order_by(incident.c.id)
    return [_incident(row) for row in tx.connection.execute(query)]


def last_ended(tx: Tx, cluster: str, key: str, since: datetime) -> Incident | None:
    """Return the incident of this key that ended last, if that was since then."""
    query = (
        select(incident)
        .where(
            incident.c.cluster == cluster,
            incident.c.correlation_key == key,
            incident.c.state.in_(TERMINAL),
            incident.c.ended_at >= since,
        )
        .order_by(incident.c.ended_at.desc(), incident.c.id.desc())
        .limit(1)
    )
    row = tx.connection.execute(query).first()
    return _incident(row) if row else None


def due(tx: Tx, states: Sequence[IncidentState], limit: int = 200) -> list[Incident]:
    """Return incidents in these states that are to be looked at now."""
    asked = {"states": list(states), "now": tx.now, "most": limit}
    return [_incident(row) for row in tx.connection.execute(_DUE, asked)]


def page_due(tx: Tx, limit: int = 200) -> list[Incident]:
    """Return open incidents whose page is due and not yet written."""
    asked = {"now": tx.now, "most": limit}
    return [_incident(row) for row in tx.connection.execute(_PAGE_DUE, asked)]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which incidents a person asks for; an empty field asks for all.

    Attributes:
        open_only: Leaves out those that are over.
        states: In one of these states.
        since: That changed at or after this moment.
        limit: At most so many.
        before: Older than this number: the last of the page before.
        replayed: Also those that only a replay of recorded alerts made.
    """

    open_only: bool = False
    states: tuple[IncidentState, ...] = ()
    cluster: str = ""
    playbook: str = ""
    since: datetime | None = None
    limit: int = 100
    before: int = 0
    replayed: bool = True


def search(tx: Tx, wanted: Wanted = Wanted()) -> list[Incident]:
    """Return incidents, newest first."""
    query = select(incident)
    if wanted.open_only:
        query = query.where(incident.c.state.not_in(TERMINAL))
    if wanted.states:
        query = query.where(incident.c.state.in_(wanted.states))
    if wanted.cluster:
        query = query.where(incident.c.cluster == wanted.cluster)
    if wanted.playbook:
        query = query.where(incident.c.playbook == wanted.playbook)
    if wanted.since is not None:
        query = query.where(incident.c.updated_at >= wanted.since)
    if wanted.before:
        query = query.where(incident.c.id < wanted.before)
    if not wanted.replayed:
        query = query.where(incident.c.correlation_key.not_like("replay/%"))
    rows = tx.connection.execute(query.order_by(incident.c.id.desc()).limit(wanted.limit))
    return [_incident(row) for row in rows]


def labelled(tx: Tx, cluster: str, label: str, value: str, *, among: int) -> list[Incident]:
    """Return the incidents with this label among the newest of a cluster, newest first."""
    newest = (
        select(incident)
        .where(incident.c.cluster == cluster)
        .order_by(incident.c.id.desc())
        .limit(among)
        .subquery()
    )
    # By the text as it is written, so that not every row is read as JSON.
    text = json.dumps({label: value})[1:-1]
    rows = tx.connection.execute(
        select(newest)
        .where(newest.c.labels.contains(text, autoescape=True))
        .order_by(newest.c.id.desc())
    )
    found = [_incident(row) for row in rows]
    return [one for one in found if one.labels.get(label) == value]


#: Whose incidents say that there is too much capacity: no trouble, and no reason to keep any.
_NO_TROUBLE = "workers-idle"


def others_open(tx: Tx, one: Incident) -> list[int]:
    """Return the numbers of the cluster's other incidents that are not over, and are trouble."""
    query = select(incident.c.id).where(
        incident.c.cluster == one.cluster,
        incident.c.id != one.id,
        incident.c.playbook != _NO_TROUBLE,
        incident.c.state.not_in(TERMINAL),
    )
    return list(tx.connection.execute(query).scalars())


def counts(tx: Tx) -> dict[tuple[str, str], int]:
    """Return (cluster, state) → how many; ended ones are left out."""
    query = (
        select(incident.c.cluster, incident.c.state, func.count())
        .where(incident.c.state.not_in(TERMINAL))
        .group_by(incident.c.cluster, incident.c.state)
    )
    return {(cluster, state): n for cluster, state, n in tx.connection.execute(query)}
