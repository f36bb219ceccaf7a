"""What the exporter's own queries cost: a decorator round the database; see `collectors/queries.py`."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from airwarden.core.platform import DatabaseSession
from airwarden.core.ports import MetadataDatabase
from airwarden.core.work import read_from_replica
from airwarden.exporters.families import Family, Labels, foreign_counter


class CountedDatabase:
    """A `MetadataDatabase` that adds up time and rows of each query; safe for threads.

    Args:
        database: The one that answers.
    """

    def __init__(self, database: MetadataDatabase) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._rows: defaultdict[str, int] = defaultdict(int)
        #: How far behind it is, where it is a replica, by what it said last.
        self._lag: float | None = None

    def rows(self, query: str, **parameters: object) -> Sequence[Mapping[str, Any]]:
        """Run the named query; one that fails costs its time as well."""
        begun = time.perf_counter()
        found: Sequence[Mapping[str, Any]] = ()
        try:
            found = self._database.rows(query, **parameters)
        finally:
            self._add(query, time.perf_counter() - begun, len(found))
        if query == "replication":
            self._lag = next((row["value"] for row in found if row["name"] == "self"), None)
        if self._lag is not None:
            read_from_replica(self._lag)
        return found

    def probe(self) -> float:
        """Return the seconds that `SELECT 1` took."""
        return self._database.probe()

    def sessions(self) -> Sequence[DatabaseSession]:
        """Return the client sessions of this database, ours excluded."""
        begun = time.perf_counter()
        found: Sequence[DatabaseSession] = ()
        try:
            found = self._database.sessions()
        finally:
            self._add("sessions", time.perf_counter() - begun, len(found))
        return found

    def totals(self) -> Sequence[Family]:
        """Return what was spent since the exporter started."""
        with self._lock:
            seconds: dict[Labels, float] = {(q,): round(n, 6) for q, n in self._seconds.items()}
            rows: dict[Labels, float] = {(query,): n for query, n in self._rows.items()}
        return [
            foreign_counter("airwarden_db_query_seconds_total", seconds),
            foreign_counter("airwarden_db_query_rows_total", rows),
        ]

    def _add(self, query: str, seconds: float, rows: int) -> None:
        with self._lock:
            self._seconds[query] += seconds
            self._rows[query] += rows
