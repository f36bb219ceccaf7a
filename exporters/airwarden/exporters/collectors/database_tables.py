"""Airflow's tables in PostgreSQL: size, bloat, vacuum, and how near transaction ids are to their end."""

from __future__ import annotations

from collections.abc import Sequence

from airwarden.core.ports import MetadataDatabase
from airwarden.exporters.families import Family, Labels, gauge

_GAUGES = {
    "airwarden_db_table_bytes": "bytes",
    "airwarden_db_table_live_tuples": "live",
    "airwarden_db_table_dead_tuples": "dead",
    "airwarden_db_table_last_autovacuum_timestamp_seconds": "vacuumed",
    "airwarden_db_table_xid_age": "xid_age",
}


class DatabaseTablesCollector:
    """Reads the statistics of the fifteen tables that grow or that scheduling rests on."""

    name = "database_tables"
    interval = 60.0
    timeout = 15.0

    def __init__(self, database: MetadataDatabase) -> None:
        self._database = database

    def collect(self) -> Sequence[Family]:
        """Return each table's numbers; what PostgreSQL does not know is left out."""
        rows = self._database.rows("table_stats")

        def column(name: str) -> dict[Labels, float]:
            return {(row["table"],): row[name] for row in rows if row[name] is not None}

        return [gauge(name, column(source)) for name, source in _GAUGES.items()]
