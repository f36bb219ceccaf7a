"""Deployments: DAGs that are new or changed, by the versions that Airflow stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from airwarden.core.ports import MetadataDatabase
from airwarden.exporters.families import Counter, Family, gauge
from airwarden.exporters.labels import DagRegistry

#: A version's id carries its time in its first 48 bits, in milliseconds; so far is read again, for
#: transactions that commit late.
LOOK_BACK_MS = 60_000
#: Rows that the query gives at once.
PAGE = 5000
_NONE = str(UUID(int=0))
_KINDS = ("new", "changed")


class DeploymentsCollector:
    """Follows the versions of DAGs by id, which grows with time; a restart begins at the present."""

    name = "deployments"
    interval = 30.0
    timeout = 10.0

    def __init__(self, database: MetadataDatabase, registry: DagRegistry) -> None:
        self._database = database
        self._registry = registry
        #: Ids as text, which sorts as they do.
        self._last: str | None = None
        self._seen: set[str] = set()
        self._changed_at: float | None = None
        self._versions = Counter("airwarden_dag_versions_total")

    def collect(self) -> Sequence[Family]:
        """Return versions by kind, and when the newest was stored."""
        teams = self._registry.fleet().teams
        self._versions.born((kind, team) for kind in _KINDS for team in teams)
        last = self._last
        if last is None:
            newest = self._database.rows("latest_dag_version")
            last = newest[0]["id"] if newest else _NONE
        since = _before(last)
        rows = self._rows(since)
        labels = self._registry.of({row["dag_id"] for row in rows})
        known = self._registry.teams()
        self._versions.retire(lambda place: place[-1] in known)
        for row in rows:
            self._changed_at = max(self._changed_at or 0.0, row["created"])
            if self._last is not None and row["id"] not in self._seen:
                kind = "new" if row["version_number"] == 1 else "changed"
                self._versions.add((kind, labels[row["dag_id"]].team))
        found = {row["id"] for row in rows}
        self._last = max(found | {last})
        since = _before(self._last)
        self._seen = {id_ for id_ in self._seen | found if id_ > since}
        families = [self._versions.family()]
        if self._changed_at is not None:
            families.append(
                gauge("airwarden_dag_version_last_change_timestamp_seconds", self._changed_at)
            )
        return families

    def _rows(self, after: str) -> list[Mapping[str, Any]]:
        """Read every version above an id; a deployment may store all DAGs at once."""
        found: list[Mapping[str, Any]] = []
        while True:
            rows = self._database.rows("new_dag_versions", after=after)
            found += rows
            if len(rows) < PAGE:
                return found
            after = rows[-1]["id"]


def _before(id_: str) -> str:
    """Return the id that lies `LOOK_BACK_MS` before this one."""
    return str(UUID(int=max(0, (UUID(id_).int >> 80) - LOOK_BACK_MS) << 80))
