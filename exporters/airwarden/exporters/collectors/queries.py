"""What the exporter's own queries cost the database."""

from __future__ import annotations

from collections.abc import Sequence

from airwarden.exporters.families import Family
from airwarden.exporters.queries import CountedDatabase


class QueriesCollector:
    """Tells what was counted; asks nobody."""

    name = "queries"
    interval = 15.0
    timeout = 5.0

    def __init__(self, database: CountedDatabase) -> None:
        self._database = database

    def collect(self) -> Sequence[Family]:
        """Return time and rows by query."""
        return self._database.totals()
