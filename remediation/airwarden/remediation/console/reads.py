"""What pages read of the journal: a few indexed questions each, however long its history is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from airwarden.core.alerts import Severity
from airwarden.remediation.decide.chain import Entry
from airwarden.remediation.decide.states import IncidentState
from airwarden.remediation.journal import alerts, incidents
from airwarden.remediation.journal.alerts import StoredAlert
from airwarden.remediation.journal.incidents import Incident, Wanted
from airwarden.remediation.journal.rails import EVERYWHERE
from airwarden.remediation.journal.store import Tx
from airwarden.remediation.journal.tables import alert, approval, audit, breaker, budget, run

#: The states of an incident that is not over; named one by one, an index finds them.
OPEN = tuple(state for state in IncidentState if not state.terminal)
ENDED = tuple(state for state in IncidentState if state.terminal)
#: Most rows of a list on the first page; the rest is counted.
MOST = 100
_RANK = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2, Severity.NONE: 3}


def open_incidents(tx: Tx) -> list[Incident]:
    """Return what is open, the newest first, at most `MOST`."""
    return incidents.search(tx, Wanted(states=OPEN, limit=MOST))


def ended_incidents(tx: Tx, limit: int) -> list[Incident]:
    """Return what ended last."""
    return incidents.search(tx, Wanted(states=ENDED, limit=limit, replayed=False))


@dataclass(frozen=True, slots=True)
class Firing:
    """What fires: the worst first, at most `MOST` of `total`, and what that means for each component.

    Attributes:
        components: (cluster, component) → (severity → how many fire and are not silenced).
    """

    shown: Sequence[StoredAlert]
    total: int
    components: Mapping[tuple[str, str], Mapping[Severity, int]]


def firing(tx: Tx, cluster: str = "") -> Firing:
    """Return the firing alerts, of one cluster or all."""
    mine = [alert.c.status == "firing"]
    if cluster:
        mine.append(alert.c.cluster == cluster)
    total = tx.connection.execute(select(func.count()).where(*mine)).scalar_one()
    found = alerts.firing(tx, *mine, limit=500)
    found.sort(key=lambda one: (_RANK[one.alert.severity], -one.alert.starts_at.timestamp()))
    components: dict[tuple[str, str], dict[Severity, int]] = {}
    for one in found:
        if one.alert.suppressed_by or one.alert.severity is Severity.NONE:
            continue
        what = one.alert.labels.get("component", "other")
        counts = components.setdefault((one.alert.cluster, what), {})
        counts[one.alert.severity] = counts.get(one.alert.severity, 0) + 1
    # What only says that the chain works is no finding.
    shown = [one for one in found if one.alert.severity is not Severity.NONE]
    return Firing(shown[:MOST], total - (len(found) - len(shown)), components)


def last_words(tx: Tx, some: Collection[Incident]) -> dict[int, str]:
    """Return incident → the last sentence of its story."""
    objects = {one.object: one.id for one in some}
    if not objects:
        return {}
    newest = (
        select(func.max(audit.c.seq)).where(audit.c.object.in_(objects)).group_by(audit.c.object)
    )
    rows = tx.connection.execute(select(audit).where(audit.c.seq.in_(newest)))
    return {objects[entry.object]: entry.sentence for entry in (Entry(*row) for row in rows)}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A plan that waits for a person's yes."""

    incident_id: int
    cluster: str
    summary: str
    expires_at: datetime


def waiting(tx: Tx) -> list[Waiting]:
    """Return the plans that wait, the most urgent first."""
    query = (
        select(run.c.incident_id, approval.c.cluster, approval.c.summary, approval.c.expires_at)
        .join(run, run.c.id == approval.c.run_id)
        .where(
            approval.c.decision.is_(None),
            approval.c.expires_at > tx.now,
            run.c.plan_hash == approval.c.plan_hash,
            run.c.state == "WAIT_APPROVAL",
        )
        .order_by(approval.c.expires_at)
        .limit(MOST)
    )
    return [Waiting(*row) for row in tx.connection.execute(query)]


@dataclass(frozen=True, slots=True)
class Budget:
    """What of a budget is used in its present window."""

    cluster: str
    scope: str
    used: int
    limit: int
    renews_at: datetime

    @property
    def name(self) -> str:
        """What it is for, in words: `playbook scheduler-restart, this hour`."""
        what, _, window = self.scope.rpartition("/")
        what = "every effect" if what == "all" else what.replace("/", " ", 1)
        return f"{what}, {'today' if window == 'day' else 'this hour'}"

    @property
    def where(self) -> str:
        """The cluster in words."""
        return "all clusters" if self.cluster == EVERYWHERE else self.cluster


def budgets(tx: Tx) -> list[Budget]:
    """Return the budgets that were drawn on today; those of single targets only while used up."""
    query = select(
        budget.c.cluster, budget.c.scope, budget.c.window_start, budget.c.used, budget.c.lim
    ).where(budget.c.window_start > tx.now - timedelta(days=1))
    found = []
    for cluster, scope, start, used, limit in tx.connection.execute(
        query.order_by(budget.c.cluster, budget.c.scope)
    ):
        ends = start + timedelta(seconds=86400 if scope.endswith("/day") else 3600)
        spent = used >= limit
        if ends > tx.now and (spent or not scope.startswith("target/")):
            found.append(Budget(cluster, scope, used, limit, ends))
    return found[: 2 * MOST]


@dataclass(frozen=True, slots=True)
class Breaker:
    """One circuit breaker as it stands."""

    cluster: str
    name: str
    state: str
    failures: int
    opened_at: datetime | None
    probe: int | None


def breakers(tx: Tx) -> list[Breaker]:
    """Return the breakers, those that are not closed first."""
    query = select(
        breaker.c.cluster,
        breaker.c.name,
        breaker.c.state,
        breaker.c.window_fail,
        breaker.c.opened_at,
        breaker.c.probe_run_id,
    ).order_by(breaker.c.state == "closed", breaker.c.cluster, breaker.c.name)
    return [Breaker(*row) for row in tx.connection.execute(query.limit(2 * MOST))]


def audit_page(
    tx: Tx, *, before: int = 0, about: str = "", people: bool = False, limit: int = 50
) -> list[Entry]:
    """Return entries, newest first: of one object, or of what people did, older than a number."""
    query = select(audit)
    if about:
        query = query.where(audit.c.object == about)
    if people:
        # As the index has it, by its very words.
        query = query.where(audit.c.actor != "airwarden")
    if before:
        query = query.where(audit.c.seq < before)
    rows = tx.connection.execute(query.order_by(audit.c.seq.desc()).limit(limit))
    return [Entry(*row) for row in rows]


def about_dag(tx: Tx, cluster: str, dag_id: str, limit: int = 10) -> list[Incident]:
    """Return the newest incidents whose labels name a DAG, among the last thousand of its cluster."""
    return incidents.labelled(tx, cluster, "dag_id", dag_id, among=1000)[:limit]
