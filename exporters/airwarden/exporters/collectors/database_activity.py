"""The metadata database's server: transactions, locks, its counters, its replicas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airwarden.core.ports import MetadataDatabase
from airwarden.exporters.collectors.database import MAX_APPLICATIONS
from airwarden.exporters.families import Family, Labels, foreign_counter, gauge

_OPERATIONS = ("returned", "fetched", "inserted", "updated", "deleted")


class DatabaseActivityCollector:
    """Reads PostgreSQL's own statistics; nothing of Airflow's tables."""

    name = "database_activity"
    interval = 15.0
    timeout = 10.0

    def __init__(self, database: MetadataDatabase) -> None:
        self._database = database
        self._blocks: tuple[int, int] | None = None

    def collect(self) -> Sequence[Family]:
        """Return what its statistics say now."""
        transactions = self._database.rows("transactions")
        locks = self._database.rows("locks")
        stats = self._database.rows("database_stats")[0]
        replication = self._database.rows("replication")
        return [
            *_transactions(transactions),
            gauge("airwarden_db_locks", {(row["mode"],): row["locks"] for row in locks}),
            gauge("airwarden_db_locks_max", locks[0]["locks_max"] if locks else 0),
            *_counters(stats),
            *self._cache(stats),
            gauge(
                "airwarden_db_replication_lag_seconds",
                {(r["name"],): round(r["value"], 3) for r in replication if r["kind"] == "replica"},
            ),
            gauge(
                "airwarden_db_slot_retained_bytes",
                {(r["name"],): r["value"] for r in replication if r["kind"] == "slot"},
            ),
        ]

    def _cache(self, stats: Mapping[str, Any]) -> list[Family]:
        """Return the share of pages found in shared buffers since the collect before."""
        hit, read = stats["blks_hit"], stats["blks_read"]
        before, self._blocks = self._blocks, (hit, read)
        if before is None:
            return []
        hits, reads = hit - before[0], read - before[1]
        if min(hits, reads) < 0 or hits + reads == 0:  # reset, or nothing was needed
            return []
        return [gauge("airwarden_db_cache_hit_ratio", round(hits / (hits + reads), 6))]


def _transactions(rows: Sequence[Mapping[str, Any]]) -> list[Family]:
    longest = sorted(rows, key=lambda row: -row["oldest"])[:MAX_APPLICATIONS]
    ages: dict[Labels, float] = {
        (row["application"],): round(max(0.0, row["oldest"]), 3) for row in longest
    }
    return [
        gauge("airwarden_db_oldest_transaction_age_seconds", ages),
        gauge("airwarden_db_blocked_sessions", sum(row["blocked"] for row in rows)),
    ]


def _counters(stats: Mapping[str, Any]) -> list[Family]:
    return [
        foreign_counter(
            "airwarden_db_transactions_total",
            {("commit",): stats["xact_commit"], ("rollback",): stats["xact_rollback"]},
        ),
        foreign_counter(
            "airwarden_db_tuples_total",
            {(operation,): stats[f"tup_{operation}"] for operation in _OPERATIONS},
        ),
        foreign_counter(
            "airwarden_db_blocks_total",
            {("hit",): stats["blks_hit"], ("read",): stats["blks_read"]},
        ),
        foreign_counter("airwarden_db_temp_bytes_total", stats["temp_bytes"]),
        foreign_counter("airwarden_db_deadlocks_total", stats["deadlocks"]),
        foreign_counter("airwarden_db_conflicts_total", stats["conflicts"]),
        gauge("airwarden_db_xid_age", stats["xid_age"]),
    ]
