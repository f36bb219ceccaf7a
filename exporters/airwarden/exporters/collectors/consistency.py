"""What does not fit together in Airflow's tables."""

from __future__ import annotations

from collections.abc import Sequence

from airwarden.core.ports import MetadataDatabase
from airwarden.exporters.families import Family, gauge


class ConsistencyCollector:
    """Counts contradictions once a minute; each of them lasts, or it is none."""

    name = "consistency"
    interval = 60.0
    timeout = 15.0

    def __init__(self, database: MetadataDatabase) -> None:
        self._database = database

    def collect(self) -> Sequence[Family]:
        """Return how many of each kind there are."""
        rows = self._database.rows("consistency")
        return [
            gauge("airwarden_consistency_problems", {(row["kind"],): row["found"] for row in rows})
        ]
