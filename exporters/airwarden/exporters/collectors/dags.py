"""How many DAGs there are, by what they are, and how many are nobody's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airwarden.exporters.families import Family, Labels, gauge
from airwarden.exporters.labels import UNSET, DagRegistry


class DagsCollector:
    """Counts what the registry read; the registry reads at most once per its own interval."""

    name = "dags"
    interval = 15.0
    timeout = 10.0

    def __init__(self, registry: DagRegistry) -> None:
        self._registry = registry
        #: What was counted last: it is counted again when it was read again.
        self._read: object = None
        self._counts: dict[Labels, float] = {}
        self._unowned = 0

    def collect(self) -> Sequence[Family]:
        """Return DAGs by status, an import error apart from active and paused; and those of no team."""
        rows = self._registry.rows()
        if rows is not self._read:
            self._count(rows)
            self._read = rows
        return [
            gauge("airwarden_dags", self._counts),
            gauge("airwarden_dags_unowned", {(): self._unowned}),
        ]

    def _count(self, rows: Sequence[Mapping[str, Any]]) -> None:
        labels = self._registry.all()
        self._counts = {(status,): 0 for status in ("active", "paused", "stale", "import_error")}
        self._unowned = 0
        for row in rows:
            status = _status(row["is_stale"], row["has_import_errors"], row["is_paused"])
            self._counts[(status,)] += 1
            if status in ("active", "paused"):
                one = labels.get(row["dag_id"])
                self._unowned += one is not None and one.team == UNSET and not one.canary


def _status(stale: bool, import_error: bool | None, paused: bool) -> str:
    if stale:
        return "stale"
    if import_error:
        return "import_error"
    return "paused" if paused else "active"
