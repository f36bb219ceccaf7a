"""When DAGs last succeeded, shared between who follows runs and who judges freshness.

Airflow has no index on a run's end, so asking for the last success of a DAG reads all its successful runs.
It is asked once; from then on what is followed tells.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable
from datetime import datetime

from airwarden.core.clock import Clock

#: Seconds without a look after which what is followed is not believed any more.
STALE = 60.0


class Successes:
    """Last successes by `dag_id`; safe for threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._ends: dict[str, datetime] = {}
        self._began: float | None = None
        self._looked: float | None = None

    def note(self, ends: Iterable[tuple[str, datetime]]) -> None:
        """Take what one look of the follower saw end well; an empty one counts as a look, too."""
        with self._lock:
            self._looked = self._clock.elapsed()
            if self._began is None:
                self._began = self._looked
            for dag_id, end in ends:
                if dag_id not in self._ends or end > self._ends[dag_id]:
                    self._ends[dag_id] = end

    def forget_others(self, dags: Collection[str]) -> None:
        """Drop the DAGs that are none of these."""
        with self._lock:
            self._ends = {dag_id: end for dag_id, end in self._ends.items() if dag_id in dags}

    @property
    def since(self) -> float | None:
        """The moment (elapsed seconds) since which every success has been, or will be, noted."""
        with self._lock:
            if self._looked is None or self._clock.elapsed() - self._looked >= STALE:
                return None
            return self._began

    def latest(self, dag_id: str, read: datetime | None) -> datetime | None:
        """Return the later of what was read once and what was noted since."""
        with self._lock:
            noted = self._ends.get(dag_id)
        if noted is None or read is None:
            return noted or read
        return max(noted, read)
