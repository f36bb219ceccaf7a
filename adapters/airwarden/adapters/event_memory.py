"""The `EventMemory` port over SQLite: one file beside the exporter, written once a request.

A commit survives the exporter's end, also by SIGKILL. It is not synced to the disk at each commit: a
machine that loses its power may forget the last moments, and then an event that is sent again counts
again. Nothing but ids, numbers and labels stands in it.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from airwarden.core.errors import UnavailableError
from airwarden.core.reported import Reading

#: Seconds for which an id is known, and how many are kept at most.
REMEMBER = 8 * 86_400.0
MAX_IDS = 1_000_000
#: Readings of one cluster that are kept.
MAX_READINGS = 20_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS event (id TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS event_at ON event (at);
CREATE TABLE IF NOT EXISTS reading (
  cluster TEXT NOT NULL, metric TEXT NOT NULL, labels TEXT NOT NULL,
  value REAL NOT NULL, at REAL NOT NULL, source TEXT NOT NULL, keep REAL NOT NULL,
  PRIMARY KEY (cluster, metric, labels)
) WITHOUT ROWID;
"""


class SqliteEvents:
    """Event ids and last readings in a file.

    Args:
        path: The file; made if it is not there, its folder too.
        now: Unix time.

    Raises:
        UnavailableError: It cannot be opened or is no such file.
    """

    def __init__(self, path: Path, *, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._now = now
        self._lock = threading.Lock()
        self._keeps = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=2.0, check_same_thread=False)
            path.chmod(0o600)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.executescript(_SCHEMA)
        except (sqlite3.Error, OSError) as error:
            raise UnavailableError(f"{path} cannot be used: {error}") from None

    def known(self, ids: Collection[str]) -> Collection[str]:
        """Return those of these event ids that were kept before."""
        with self._lock:
            try:
                rows = self._connection.execute(
                    "SELECT id FROM event WHERE id IN (SELECT value FROM json_each(?))",
                    [json.dumps(list(ids))],
                ).fetchall()
            except sqlite3.Error as error:
                raise self._broken(error) from None
        return {row[0] for row in rows}

    def keep(self, ids: Collection[str], readings: Mapping[str, Sequence[Reading]]) -> None:
        """Keep ids and readings in one transaction; an older reading replaces no newer one."""
        now = self._now()
        with self._lock:
            try:
                with self._connection:
                    self._connection.executemany(
                        "INSERT OR IGNORE INTO event VALUES (?, ?)", [(id_, now) for id_ in ids]
                    )
                    self._connection.executemany(
                        "INSERT INTO reading VALUES (?, ?, ?, ?, ?, ?, ?)"
                        " ON CONFLICT (cluster, metric, labels) DO UPDATE SET value = excluded.value,"
                        " at = excluded.at, source = excluded.source, keep = excluded.keep"
                        " WHERE excluded.at >= reading.at",
                        [
                            (cluster, one.metric, json.dumps(one.labels), one.value, one.at,
                             one.source, one.keep)
                            for cluster, several in readings.items()
                            for one in several
                        ],
                    )  # fmt: skip
                    self._keeps += 1
                    if self._keeps % 100 == 1:
                        self._prune(now)
            except sqlite3.Error as error:
                raise self._broken(error) from None

    def readings(self, cluster: str) -> Sequence[Reading]:
        """Return the last readings of a cluster, the newest first."""
        with self._lock:
            try:
                rows = self._connection.execute(
                    "SELECT metric, labels, value, at, source, keep FROM reading WHERE cluster = ?"
                    " ORDER BY at DESC LIMIT ?",
                    [cluster, MAX_READINGS],
                ).fetchall()
            except sqlite3.Error as error:
                raise self._broken(error) from None
        return [
            Reading(m, tuple(json.loads(labels)), v, at, s, k) for m, labels, v, at, s, k in rows
        ]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _prune(self, now: float) -> None:
        self._connection.execute("DELETE FROM event WHERE at < ?", [now - REMEMBER])
        self._connection.execute(
            "DELETE FROM event WHERE at < (SELECT at FROM event ORDER BY at DESC LIMIT 1 OFFSET ?)",
            [MAX_IDS],
        )
        self._connection.execute(
            "DELETE FROM reading WHERE at <= (SELECT at FROM reading ORDER BY at DESC LIMIT 1 OFFSET ?)",
            [MAX_READINGS],
        )

    def _broken(self, error: sqlite3.Error) -> UnavailableError:
        return UnavailableError(f"{self._path}: {error}")
