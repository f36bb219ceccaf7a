"""DAG files by bundle: parsed when and how long, which ones fail, and what Airflow warns of."""

from __future__ import annotations

from collections.abc import Sequence

from airwarden.core.clock import Clock
from airwarden.core.ports import MetadataDatabase
from airwarden.exporters.families import Family, Labels, gauge

#: Bundles that are told apart; a platform has a handful.
MAX_BUNDLES = 100
#: Seconds between two looks for DAGs that were never stored: each of them is looked up.
SELDOM = 300.0


class ParsingCollector:
    """Reads what the DAG processors left in the database."""

    name = "parsing"
    interval = 30.0
    timeout = 15.0

    def __init__(self, database: MetadataDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        #: Bundle → DAGs that were never stored, and when that was read.
        self._unserialized: tuple[float, dict[str, int]] | None = None

    def collect(self) -> Sequence[Family]:
        """Return each bundle's state, and warnings by kind."""
        rows = sorted(self._database.rows("parsing"), key=lambda r: -r["files"])[:MAX_BUNDLES]
        warnings = self._database.rows("dag_warnings")
        unserialized = self._never_stored()

        def column(name: str) -> dict[Labels, float]:
            return {(row["bundle"],): round(row[name], 3) for row in rows if row[name] is not None}

        return [
            gauge("airwarden_dag_import_errors", column("import_errors")),
            gauge("airwarden_dag_files", column("files")),
            gauge("airwarden_dag_parse_total_seconds", column("seconds")),
            gauge("airwarden_dag_file_oldest_parse_age_seconds", column("oldest")),
            gauge("airwarden_dag_bundle_last_refresh_timestamp_seconds", column("refreshed")),
            gauge("airwarden_dags_behind_bundle", column("behind")),
            gauge(
                "airwarden_dags_unserialized",
                {(row["bundle"],): unserialized.get(row["bundle"], 0) for row in rows},
            ),
            gauge("airwarden_dag_warnings", {(row["warning"],): row["dags"] for row in warnings}),
        ]

    def _never_stored(self) -> dict[str, int]:
        now = self._clock.elapsed()
        if self._unserialized is None or now - self._unserialized[0] >= SELDOM:
            found = {row["bundle"]: row["dags"] for row in self._database.rows("unserialized")}
            self._unserialized = (now, found)
        return self._unserialized[1]
