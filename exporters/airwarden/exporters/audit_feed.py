"""Following Airflow's audit log by id, so that the cost is what happened since the last look.

A transaction may commit an id below one already seen; such rows are found by reading the last thousand
ids again, and given once. A restart begins at the present.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airwarden.core.ports import MetadataDatabase

#: Ids that are read again, for transactions that commit late.
LOOK_BACK = 1000
#: Most ids that are read at once; the next look takes the rest.
MOST = 50_000


@dataclass(frozen=True, slots=True)
class AuditReading:
    """One look at the log.

    Attributes:
        rows: What was not given before, in order of id.
        ids: All that was seen.
        until: The id up to which it was read.
    """

    rows: Sequence[Mapping[str, Any]]
    ids: frozenset[int]
    until: int


class AuditFeed:
    """Gives each row of a query over the log once.

    Args:
        database: Where the log is.
        query: The query's name; it takes `after` and `until`, and gives `id`.
    """

    def __init__(self, database: MetadataDatabase, query: str) -> None:
        self._database = database
        self._query = query
        self._last: int | None = None
        #: Ids within the part that is read again that were given, or were there at the start.
        self._seen: frozenset[int] = frozenset()

    def read(self) -> AuditReading:
        """Look at the log; nothing counts as given before `take`, so that a failed look is repeated."""
        newest = int(self._database.rows("latest_event")[0]["id"])
        last = newest if self._last is None else self._last
        until = min(newest, last + MOST)
        rows = self._database.rows(self._query, after=max(0, last - LOOK_BACK), until=until)
        ids = frozenset(row["id"] for row in rows)
        new = [] if self._last is None else [row for row in rows if row["id"] not in self._seen]
        return AuditReading(new, ids, until)

    def take(self, reading: AuditReading) -> None:
        """Count a reading as given."""
        self._seen = frozenset(id_ for id_ in reading.ids if id_ > reading.until - LOOK_BACK)
        self._last = reading.until
