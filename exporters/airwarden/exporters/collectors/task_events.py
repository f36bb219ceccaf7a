"""Lost task attempts by what ended them, from Airflow's audit log; see `audit_feed`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airwarden.core.ports import MetadataDatabase
from airwarden.exporters.audit_feed import AuditFeed
from airwarden.exporters.families import Counter, Family
from airwarden.exporters.labels import DagLabels, DagRegistry

MAX_OPERATORS = 50
OTHER = "other"
_REASONS = {
    "up_for_retry": "task",
    "heartbeat timeout": "heartbeat",
    "state mismatch": "executor",
    "stuck in queued reschedule": "stuck_in_queued",
}
#: Airflow writes one of these for every attempt that failed, whoever ended it.
_FAILED = ("up_for_retry", "failed")


class TaskEventsCollector:
    """Follows the audit log by id; a restart begins at the present."""

    name = "task_events"
    interval = 15.0
    timeout = 15.0

    def __init__(self, database: MetadataDatabase, registry: DagRegistry) -> None:
        self._registry = registry
        self._log = AuditFeed(database, "task_events")
        self._operators: set[str] = set()
        self._retries = Counter("airwarden_task_retries_total")
        self._failures = Counter("airwarden_operator_failures_total")
        self._timeouts = Counter("airwarden_task_heartbeat_timeouts_total")
        self._timeouts.born([("default",)])
        self._failures.born([(OTHER,)])

    def collect(self) -> Sequence[Family]:
        """Return the counters; a failed query leaves them as they were, and nothing is lost."""
        teams = self._registry.fleet().teams
        self._retries.born((reason, team) for reason in _REASONS.values() for team in teams)
        known = self._registry.teams()
        self._retries.retire(lambda labels: labels[-1] in known)
        reading = self._log.read()
        labels = self._registry.of({row["dag_id"] for row in reading.rows})
        for row in reading.rows:
            if not labels[row["dag_id"]].canary:
                self._count(row, labels)
        self._log.take(reading)
        return [self._retries.family(), self._failures.family(), self._timeouts.family()]

    def _count(self, row: Mapping[str, Any], labels: Mapping[str, DagLabels]) -> None:
        event = row["event"]
        if event in _REASONS:
            self._retries.add((_REASONS[event], labels[row["dag_id"]].team))
        if event in _FAILED:
            self._failures.add((self._operator(row["operator"] or OTHER),))
        if event == "heartbeat timeout":
            self._timeouts.add((row["queue"],))

    def _operator(self, name: str) -> str:
        if len(self._operators) < MAX_OPERATORS:
            self._operators.add(name)
        return name if name in self._operators else OTHER
