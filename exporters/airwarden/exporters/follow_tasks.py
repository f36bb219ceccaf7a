"""Following task attempts of the runs in sight, so that each start and each end is counted once.

Pure: the collector hands in rows of `task_instance` and `task_instance_history`. An attempt is named by
its id: a retry or a clear gives the task instance a new one, and the old one goes to the history. What
was counted is remembered per run, and for an hour after the run was settled: it may be cleared.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

FINISHED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
#: States whose attempt really ran; the others get start and end at the same moment.
_RAN = frozenset({"success", "failed"})
_STARTED = frozenset({"running", "restarting", "deferred", "up_for_reschedule", *_RAN})
#: Clocks of scheduler and worker may differ by this much.
_SKEW = timedelta(seconds=2)
#: Clocks of Airflow's machines and of the database may differ by so many seconds.
CLOCKS = 300.0
#: Attempts of a run from which on only those that changed lately are read again.
WIDE = 200
#: Seconds for which a settled run is remembered.
REMEMBER = 3600.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One row of `tasks_of_runs`.

    Attributes:
        run: The run's serial id.
        history: It was replaced by a newer attempt.
        retriable: Another try follows if it fails.
        inherited: It never ran; its start is that of the attempt before it.
        scheduled_dttm: When its upstream tasks let it go; None where Airflow does not keep that.
        try_number: Which attempt of its task it is, from 1 on.
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
    retriable: bool = True
    inherited: bool = False
    scheduled_dttm: datetime | None = None
    pool: str = "default_pool"
    try_number: int = 1

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Attempt:
        """Make one from a database row."""
        values = {name: row[name] for name in cls.__slots__}
        return cls(**{**values, "id": str(row["id"]), "queue": row["queue"] or "default"})

    @property
    def has_ended(self) -> bool:
        """Whether it is over."""
        return self.state in FINISHED

    @property
    def ran(self) -> bool:
        """Whether it began to run, and did not only inherit the start of the attempt before it."""
        if self.start_date is None or self.state not in _STARTED:
            return False
        return self.queued_dttm is not None and not self.inherited

    @property
    def outcome(self) -> str:
        """The state to count it under: up_for_retry for a failed one that was not the last try.

        A task whose last try failed and that was cleared since is in the history, too.
        """
        retried = self.history and self.state == "failed" and self.retriable
        return "up_for_retry" if retried else str(self.state)

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
        """Seconds from queueing to start; None where it went on after a deferral."""
        if not self.ran or self.start_date is None or self.queued_dttm is None:
            return None
        if self.start_date < self.queued_dttm - _SKEW:
            return None
        return max(0.0, (self.start_date - self.queued_dttm).total_seconds())

    @property
    def schedule_wait(self) -> float | None:
        """Seconds from scheduling to queueing; None where that is not known, or after a deferral."""
        if self.queue_wait is None or self.scheduled_dttm is None or self.queued_dttm is None:
            return None
        return max(0.0, (self.queued_dttm - self.scheduled_dttm).total_seconds())

    @property
    def needed(self) -> int | None:
        """How many attempts its task took; None for one that is not the last, or never ran."""
        return self.try_number if self.state in _RAN and self.outcome in _RAN else None


@dataclass(slots=True)
class _Counted:
    started: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    read_at: float | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """Which runs' attempts to read.

    Attributes:
        whole: All of them.
        recent: Those that changed within `lookback` seconds.
    """

    whole: list[int]
    recent: list[int]
    lookback: float


@dataclass(slots=True)
class TaskFollower:
    """What of each run in sight was counted."""

    _runs: dict[int, _Counted] = field(default_factory=dict)
    #: Those that ended, and when (elapsed seconds); the longest ago first.
    _settled: dict[int, float] = field(default_factory=dict)

    def knows(self, run: int) -> bool:
        """Whether attempts of a run were counted, not long ago."""
        return run in self._runs

    def plan(self, runs: Collection[int], now: float, *, settle: Collection[int]) -> Reading:
        """Decide what to read of runs in which something happened.

        Args:
            runs: Where something happened.
            now: Elapsed seconds.
            settle: Those that ended: to be read whole.
        """
        reading = Reading(list(settle), [], 0.0)
        lookback = 0.0
        for run in runs:
            counted = self._runs.get(run)
            if run in settle:
                continue
            if counted is None or counted.read_at is None or len(counted.ended) < WIDE:
                reading.whole.append(run)
            else:
                reading.recent.append(run)
                lookback = max(lookback, now - counted.read_at + CLOCKS)
        return Reading(reading.whole, reading.recent, lookback)

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

    def take(
        self, attempts: Sequence[Attempt], now: float | None = None
    ) -> tuple[list[Attempt], list[Attempt]]:
        """Return the attempts that began, and those that ended, and were not returned before.

        Args:
            attempts: What was read.
            now: Elapsed seconds before the read began.
        """
        started: list[Attempt] = []
        ended: list[Attempt] = []
        for attempt in attempts:
            counted = self._runs.setdefault(attempt.run, _Counted())
            counted.read_at = now
            if attempt.ran and attempt.id not in counted.started:
                counted.started.add(attempt.id)
                started.append(attempt)
            if attempt.has_ended and attempt.id not in counted.ended:
                counted.ended.add(attempt.id)
                ended.append(attempt)
        return started, ended

    def settle(self, runs: Collection[int], now: float) -> None:
        """Take runs as ended and their attempts as counted; drop those that ended long ago."""
        for run in runs:
            self._runs.setdefault(run, _Counted())
            self._settled.pop(run, None)
            self._settled[run] = now
        while self._settled:
            run, at = next(iter(self._settled.items()))
            if now - at <= REMEMBER:
                break
            del self._settled[run], self._runs[run]

    def reopen(self, runs: Collection[int]) -> None:
        """Take runs that had ended as open again."""
        for run in runs:
            self._settled.pop(run, None)


def _earlier(moment: datetime | None, limit: datetime | None) -> bool:
    return limit is None or moment is None or moment < limit
