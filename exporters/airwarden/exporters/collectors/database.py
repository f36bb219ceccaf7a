"""The metadata database: whether and how fast it answers, its sessions, and who sits on what."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from typing import Any

from airwarden.core.errors import AirwardenError
from airwarden.core.platform import DatabaseSession
from airwarden.core.ports import MetadataDatabase
from airwarden.exporters.collector import PartialCollectError
from airwarden.exporters.families import OVERFLOW, Family, Histogram, Labels, gauge

ROLE = "metadata"
#: Applications that are told apart; the smaller ones are summed.
MAX_APPLICATIONS = 50
_IDLE_IN_TRANSACTION = ("idle in transaction", "idle in transaction (aborted)")


class DatabaseCollector:
    """Uses a standing connection, which still answers when no new one can be had."""

    name = "database"
    interval = 5.0
    timeout = 10.0

    def __init__(self, database: MetadataDatabase) -> None:
        self._database = database
        self._probe = Histogram("airwarden_db_probe_duration_seconds")
        self._probe.born([(ROLE,)])

    def collect(self) -> Sequence[Family]:
        """Return everything, or `airwarden_db_up 0` alone."""
        try:
            seconds = self._database.probe()
        except AirwardenError as error:
            down = [gauge("airwarden_db_up", 0), self._probe.family()]
            raise PartialCollectError(down, error) from error
        self._probe.observe((ROLE,), seconds)
        families = [
            gauge("airwarden_db_up", 1),
            gauge("airwarden_db_probe_last_seconds", {(ROLE,): round(seconds, 6)}),
            self._probe.family(),
        ]
        try:
            families += self._connections(self._database.rows("connections"))
            families += self._sessions(self._database.sessions())
        except AirwardenError as error:
            raise PartialCollectError(families, error) from error
        return families

    @staticmethod
    def _connections(rows: Sequence[Mapping[str, Any]]) -> list[Family]:
        limit = int(rows[0]["connections_max"]) if rows else 0
        used = sum(row["sessions"] for row in rows)
        totals: Tally[str] = Tally()
        for row in rows:
            totals[row["application"]] += row["sessions"]
        largest = {name for name, _ in totals.most_common(MAX_APPLICATIONS)}
        sessions: Tally[Labels] = Tally()
        for row in rows:
            application = row["application"] if row["application"] in largest else OVERFLOW
            sessions[row["state"], application, row["role"]] += row["sessions"]
        return [
            gauge("airwarden_db_connections", sessions),
            gauge("airwarden_db_connections_max", limit),
            gauge("airwarden_db_connection_utilization_ratio", used / limit if limit else 0.0),
        ]

    @staticmethod
    def _sessions(sessions: Sequence[DatabaseSession]) -> list[Family]:
        idle: dict[Labels, float] = {}
        held: dict[Labels, float] = {}
        for session in sessions:
            if session.state not in _IDLE_IN_TRANSACTION:
                continue
            labels = (session.application or "none",)
            idle[labels] = max(idle.get(labels, 0.0), session.state_age)
            if session.holds_scheduler_lock:
                held[labels] = max(held.get(labels, 0.0), session.state_age)
        longest = sorted(idle, key=lambda labels: idle[labels], reverse=True)[:MAX_APPLICATIONS]
        return [
            gauge(
                "airwarden_db_idle_in_transaction_age_seconds",
                {labels: round(idle[labels], 3) for labels in longest},
            ),
            gauge(
                "airwarden_db_scheduler_lock_held_seconds",
                {labels: round(age, 3) for labels, age in held.items()},
            ),
        ]
