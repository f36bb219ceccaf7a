"""How many DAGs there are, by what they are, and how many are nobody's."""

from __future__ import annotations

from collections.abc import Sequence

from airwarden.exporters.families import Family, Labels, gauge
from airwarden.exporters.labels import UNSET, DagRegistry


class DagsCollector:
    """Counts what the registry read; the registry reads at most once per its own interval."""

    name = "dags"
    interval = 15.0
    timeout = 10.0

    def __init__(self, registry: DagRegistry) -> None:
        self._registry = registry

    def collect(self) -> Sequence[Family]:
        """Return DAGs by status, an import error apart from active and paused; and those of no team."""
        counts: dict[Labels, float] = {
            (status,): 0 for status in ("active", "paused", "stale", "import_error")
        }
        labels = self._registry.all()
        unowned = 0
        for row in self._registry.rows():
            status = _status(row["is_stale"], row["has_import_errors"], row["is_paused"])
            counts[(status,)] += 1
            if status in ("active", "paused"):
                one = labels.get(row["dag_id"])
                unowned += one is not None and one.team == UNSET and not one.canary
        return [gauge("airwarden_dags", counts), gauge("airwarden_dags_unowned", {(): unowned})]


def _status(stale: bool, import_error: bool | None, paused: bool) -> str:
    if stale:
        return "stale"
    if import_error:
        return "import_error"
    return "paused" if paused else "active"
