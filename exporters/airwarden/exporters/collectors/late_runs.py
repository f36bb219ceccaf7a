"""Open runs by age, runs that are late, and scheduled runs that will never be made."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from airwarden.core.ports import MetadataDatabase
from airwarden.exporters.families import Counter, Family, Labels, gauge
from airwarden.exporters.labels import UNSET, DagRegistry
from airwarden.exporters.open_runs import OpenNow, OpenRuns, waiting_since

#: Seconds after which a run is late: two turns of a healthy scheduler, and some.
GRACE = 15.0
KINDS = ("not_created", "not_started", "deadline")
_OPEN = ("queued", "running")


class LateRunsCollector:
    """Reads open and overdue runs; remembers what was due, to see whether it was made."""

    name = "late_runs"
    interval = 15.0
    timeout = 15.0

    def __init__(
        self,
        database: MetadataDatabase,
        registry: DagRegistry,
        open_runs: OpenRuns | None = None,
    ) -> None:
        self._database = database
        self._registry = registry
        self._open = open_runs
        #: DAG → logical date of the run that was due and not made at the look before.
        self._due: dict[str, datetime] = {}
        #: What was ever late; it stays, at 0. All kinds of all owners would be a thousand series.
        self._late: set[Labels] = {(UNSET, UNSET, kind) for kind in KINDS}
        self._never = Counter("airwarden_dag_runs_never_created_total")

    def collect(self) -> Sequence[Family]:
        """Return ages, overdue runs and lost ones."""
        overdue = self._database.rows("overdue_runs", grace=GRACE)
        fleet = self._registry.fleet().owners
        oldest = self._ages({(state, tier): 0.0 for state in _OPEN for tier, _ in fleet})
        labels = self._registry.of({row["dag_id"] for row in overdue})
        self._never.born(fleet)
        self._follow({row["dag_id"]: row["due"] for row in overdue if row["due"] is not None})
        late: Tally[Labels] = Tally(dict.fromkeys(self._late, 0))
        for row in overdue:
            dag = labels[row["dag_id"]]
            late[dag.tier, dag.team, row["kind"]] += row["runs"]
        teams = self._registry.teams()
        self._late = {place for place in late if place[1] in teams}
        self._never.retire(lambda owner: owner[-1] in teams)
        return [
            gauge("airwarden_dag_run_oldest_age_seconds", oldest),
            gauge("airwarden_dag_runs_overdue", late),
            self._never.family(),
        ]

    def _ages(self, oldest: dict[Labels, float]) -> dict[Labels, float]:
        """Add the age of the oldest open run by state and tier, from who follows runs or by a query."""
        found = self._open.look() if self._open is not None else None
        if found is not None:
            return oldest_of(found, self._registry, oldest)
        rows = self._database.rows("open_run_ages")
        labels = self._registry.of({row["dag_id"] for row in rows})
        for row in rows:
            key = (row["state"], labels[row["dag_id"]].tier)
            oldest[key] = max(oldest.get(key, 0.0), round(row["age"] or 0.0, 3))
        return oldest

    def _follow(self, due: Mapping[str, datetime]) -> None:
        """Count what was due, is no longer, and was not made: the schedule went on without it."""
        passed = {dag: at for dag, at in self._due.items() if due.get(dag) != at}
        if passed:
            rows = self._database.rows(
                "due_runs", dags=list(passed), due=[passed[dag] for dag in passed]
            )
            labels = self._registry.of(passed)
            for row in rows:
                lost = runs_lost(row, passed[row["dag_id"]])
                if lost:
                    dag = labels[row["dag_id"]]
                    self._never.add((dag.tier, dag.team), lost)
        self._due = dict(due)


def oldest_of(
    found: OpenNow, registry: DagRegistry, ages: dict[Labels, float]
) -> dict[Labels, float]:
    """Add the age of the oldest open run by state and tier; what a paused DAG has queued waits for nobody."""
    labels = registry.of({run.dag_id for run in found.runs})
    known = registry.fleet().dags
    first: dict[Labels, datetime] = {}
    for run in found.runs:
        dag = labels[run.dag_id]
        if run.state == "queued" and (dag.paused or run.dag_id not in known):
            continue
        since = waiting_since(run)
        if since is None:
            continue
        key = (run.state, dag.tier)
        before = first.get(key)
        if before is None or since < before:
            first[key] = since
    return ages | {
        key: round(max(0.0, (found.now - since).total_seconds()), 3) for key, since in first.items()
    }


def runs_lost(row: Mapping[str, Any], due: datetime) -> int:
    """Return how many runs will never be made, from one that was due to the latest that was made.

    Args:
        row: A row of `due_runs`.
        due: Logical date of the run that was due.
    """
    following = row["next_due"]
    if row["created"] or not row["active"] or following is None or following <= due:
        return 0
    latest = row["latest"]
    if latest is None:
        return 1
    step = (following - latest).total_seconds()
    return max(1, round((latest - due).total_seconds() / step)) if step > 0 else 1
