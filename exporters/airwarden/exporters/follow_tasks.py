"""Following task attempts of the runs in sight, so that each start and each end is counted once.

Pure: the collector hands in rows of `task_instance` and `task_instance_history`. An attempt is named by
its id: a retry or a clear gives the task instance a new one, and the old one goes to the history. What
was counted is remembered per run and forgotten when the run has been settled.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

_FINISHED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
#: States whose attempt really ran; the others get start and end at the same moment.
_RAN = frozenset({"success", "failed"})
_STARTED = frozenset({"running", "restarting", "deferred", "up_for_reschedule", *_RAN})
#: Clocks of scheduler and database may differ by this much.
_SKEW = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One row of `tasks_of_runs`.

    Attributes:
        run: The run's serial id.
        history: It was replaced by a newer attempt.
    """

    id: str
    run: int
    dag_id: str
    state: str | None
    queue: str
    start_date: datetime | None
    end_date: datetime | None
    queued_dttm: datetime | None
    history: bool

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Attempt:
        """Make one from a database row."""
        values = {name: row[name] for name in cls.__slots__}
        return cls(**{**values, "id": str(row["id"]), "queue": row["queue"] or "default"})

    @property
    def has_ended(self) -> bool:
        """Whether it is over."""
        return self.state in _FINISHED

    @property
    def ran(self) -> bool:
        """Whether it began to run, and did not only inherit the start of the attempt before it."""
        if self.start_date is None or self.state not in _STARTED:
            return False
        return self.queued_dttm is not None and self.start_date >= self.queued_dttm - _SKEW

    @property
    def outcome(self) -> str:
        """The state to count it under: a failed attempt that was replaced is up_for_retry."""
        return "up_for_retry" if self.history and self.state == "failed" else str(self.state)

    @property
    def duration(self) -> float | None:
        """Seconds that it ran, None where it did not."""
        if not self.ran or self.end_date is None or self.start_date is None:
            return None
        return (
            max(0.0, (self.end_date - self.start_date).total_seconds())
            if self.state in _RAN
            else None
        )

    @property
    def queue_wait(self) -> float | None:
        """Seconds from queueing to start."""
        if not self.ran or self.start_date is None or self.queued_dttm is None:
            return None
        return max(0.0, (self.start_date - self.queued_dttm).total_seconds())


@dataclass(slots=True)
class _Counted:
    started: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)


@dataclass(slots=True)
class TaskFollower:
    """What of each run in sight was counted."""

    _runs: dict[int, _Counted] = field(default_factory=dict)

    def baseline(
        self, attempts: Sequence[Attempt], *, before: Callable[[Attempt], datetime | None]
    ) -> None:
        """Take attempts as counted before.

        Args:
            attempts: Of runs that come into sight now.
            before: The moment from which on an attempt counts; None for none before now.
        """
        for attempt in attempts:
            counted = self._runs.setdefault(attempt.run, _Counted())
            limit = before(attempt)
            if attempt.ran and _earlier(attempt.start_date, limit):
                counted.started.add(attempt.id)
            if attempt.has_ended and _earlier(attempt.end_date, limit):
                counted.ended.add(attempt.id)

    def take(self, attempts: Sequence[Attempt]) -> tuple[list[Attempt], list[Attempt]]:
        """Return the attempts that began, and those that ended, and were not returned before."""
        started: list[Attempt] = []
        ended: list[Attempt] = []
        for attempt in attempts:
            counted = self._runs.setdefault(attempt.run, _Counted())
            if attempt.ran and attempt.id not in counted.started:
                counted.started.add(attempt.id)
                started.append(attempt)
            if attempt.has_ended and attempt.id not in counted.ended:
                counted.ended.add(attempt.id)
                ended.append(attempt)
        return started, ended

    def forget(self, runs: Collection[int]) -> None:
        """Drop runs that have been settled."""
        for run in runs:
            self._runs.pop(run, None)


def _earlier(moment: datetime | None, limit: datetime | None) -> bool:
    return limit is None or moment is None or moment < limit
