"""Deadlines of DAGs: missed ones, each once, and those that will be missed at the usual pace."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Sequence

from airwarden.core.ports import MetadataDatabase
from airwarden.exporters.families import Counter, Family, Labels, gauge
from airwarden.exporters.labels import UNSET, DagRegistry

KIND = "dag"


class DeadlinesCollector:
    """Follows missed deadlines by their ids; those that were missed at the start are history."""

    name = "deadlines"
    interval = 30.0
    timeout = 10.0

    def __init__(self, database: MetadataDatabase, registry: DagRegistry) -> None:
        self._database = database
        self._registry = registry
        self._missed: set[str] | None = None
        #: Whose runs were ever at risk; they stay, at 0.
        self._risky: set[Labels] = {(KIND, UNSET, UNSET)}
        self._breaches = Counter("airwarden_sla_breaches_total")

    def collect(self) -> Sequence[Family]:
        """Return breaches, and runs at risk."""
        fleet = self._registry.fleet().owners
        self._breaches.born((KIND, *owner) for owner in fleet)
        rows = self._database.rows("deadlines")
        labels = self._registry.of({row["dag_id"] for row in rows})
        risk: Tally[Labels] = Tally(dict.fromkeys(self._risky, 0))
        missed = set()
        for row in rows:
            dag = labels[row["dag_id"]]
            place = (KIND, dag.tier, dag.team)
            if row["missed"]:
                missed.add(row["id"])
                if self._missed is not None and row["id"] not in self._missed:
                    self._breaches.add(place)
            elif (row["expected"] or 0.0) > row["remaining"]:
                risk[place] += 1
        self._missed = missed
        teams = self._registry.teams()
        self._risky = {place for place in risk if place[-1] in teams}
        self._breaches.retire(lambda place: place[-1] in teams)
        return [self._breaches.family(), gauge("airwarden_sla_at_risk", risk)]
