"""Deferred work: which triggerer has it, and what waits for one."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Sequence

from airwarden.core.ports import MetadataDatabase
from airwarden.exporters.families import Family, Labels, gauge


class TriggersCollector:
    """Reads the triggers and the jobs of their triggerers."""

    name = "triggers"
    interval = 15.0
    timeout = 10.0

    def __init__(self, database: MetadataDatabase) -> None:
        self._database = database

    def collect(self) -> Sequence[Family]:
        """Return triggers by triggerer, and what waits by queue."""
        holders: Tally[Labels] = Tally({("none",): 0})
        waiting: Tally[Labels] = Tally({("default",): 0})
        oldest: dict[Labels, float] = {("default",): 0.0}
        for row in self._database.rows("triggers"):
            holders[(row["hostname"],)] += row["triggers"]
            queue = (row["queue"],)
            waiting[queue] += row["waiting"]
            oldest[queue] = max(oldest.get(queue, 0.0), round(row["oldest"], 3))
        return [
            gauge("airwarden_triggers", holders),
            gauge("airwarden_triggers_waiting", waiting),
            gauge("airwarden_trigger_oldest_waiting_age_seconds", oldest),
        ]
