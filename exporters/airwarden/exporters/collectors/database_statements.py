"""Which statements take the database's time, where PostgreSQL counts them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airwarden.core.ports import MetadataDatabase
from airwarden.exporters.families import OVERFLOW, Family, Labels, foreign_counter

#: Kinds of statement that are told apart.
MOST = 20


class DatabaseStatementsCollector:
    """Adds up what each kind of statement took since the exporter started.

    A kind that falls out of the first twenty loses its series; what it took stays counted there, and
    what it takes from then on is counted in `_overflow`, so that no series ever falls.
    """

    name = "database_statements"
    interval = 60.0
    timeout = 15.0

    def __init__(self, database: MetadataDatabase) -> None:
        self._database = database
        self._known = False
        self._before: dict[str, tuple[float, int]] | None = None
        #: Fingerprint → seconds and calls since the exporter started.
        self._sums: dict[str, list[float]] = {}
        #: The same of those that have a series, since they have it; and of all others.
        self._shown: dict[str, list[float]] = {OVERFLOW: [0.0, 0.0]}

    def collect(self) -> Sequence[Family]:
        """Return the sums; nothing where PostgreSQL does not count statements."""
        self._known = self._known or bool(self._database.rows("statements_known")[0]["known"])
        if not self._known:
            return []
        rows = self._database.rows("statements")
        if self._before is not None:
            self._add(_since(rows, self._before))
        self._before = {row["fingerprint"]: (row["seconds"], row["calls"]) for row in rows}
        return [
            foreign_counter("airwarden_db_statement_seconds_total", self._column(0)),
            foreign_counter("airwarden_db_statement_calls_total", self._column(1)),
        ]

    def _add(self, spent: Mapping[str, tuple[float, int]]) -> None:
        for name, (seconds, calls) in spent.items():
            total = self._sums.setdefault(name, [0.0, 0.0])
            total[0] += seconds
            total[1] += calls
        ranked = sorted(self._sums, key=lambda name: -self._sums[name][0])
        self._sums = {name: self._sums[name] for name in ranked[: 50 * MOST]}
        first = set(ranked[:MOST])
        self._shown = {
            name: value for name, value in self._shown.items() if name in first | {OVERFLOW}
        }
        for name, (seconds, calls) in spent.items():
            shown = self._shown.setdefault(name, [0.0, 0.0]) if name in first else None
            target = shown if shown is not None else self._shown[OVERFLOW]
            target[0] += seconds
            target[1] += calls

    def _column(self, index: int) -> dict[Labels, float]:
        return {(name,): round(value[index], 6) for name, value in self._shown.items()}


def _since(
    rows: Sequence[Mapping[str, Any]], before: Mapping[str, tuple[float, int]]
) -> dict[str, tuple[float, int]]:
    """Return what each kind took since; one that counts less than before was reset or evicted."""
    spent = {}
    for row in rows:
        seconds, calls = before.get(row["fingerprint"], (0.0, 0))
        if row["calls"] < calls:
            seconds, calls = 0.0, 0
        if row["calls"] > calls:
            spent[row["fingerprint"]] = (
                max(0.0, row["seconds"] - seconds),
                row["calls"] - calls,
            )
    return spent
