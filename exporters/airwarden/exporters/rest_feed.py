"""What runs and attempts did since the last look, read over REST where there is no metadata database.

The same as `run_feed`, by other means: REST shows no serial ids, but selects by the end and the start of
runs and tasks. Each completion is told apart by who ended and when, so a run that is cleared and ends
again is another one. The last minute is read again each time, for what is committed late.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from airwarden.core.clock import Clock
from airwarden.core.platform import DagRun, TaskInstance, TaskKey
from airwarden.core.ports import MeasuredAirflow
from airwarden.exporters.follow_runs import Run
from airwarden.exporters.follow_tasks import FINISHED, Attempt
from airwarden.exporters.run_feed import RunEvents, RunReading

#: What is read again at each look.
OVERLAP = timedelta(seconds=60)
#: How far ahead of ours a clock may be that is right: beyond, it is not believed.
AHEAD = timedelta(seconds=30)
#: How far behind the newest something is still told apart from what was told before; older, it was told.
APART = timedelta(hours=1)
#: Rows that one look takes; the next one takes the rest.
MOST = 5000
#: Open runs, and unfinished tasks, that are read; where there are more, REST is no source.
MOST_OPEN = 10_000
#: Tasks of which one look asks for earlier attempts: each is a request.
MOST_TRIES = 100
#: How long an attempt that was counted is remembered, to tell whether an earlier one was missed.
REMEMBER = timedelta(hours=1)


class Window:
    """Tells what has happened since, each thing once.

    The clock of a machine that runs tasks may be wrong. What claims to be of the future is told, and does not
    move the window: what happens until then is not passed over.
    """

    def __init__(self, begin: datetime) -> None:
        self._begin = self._newest = begin
        self._seen: dict[object, datetime] = {}
        #: Where the next look goes on, if the last one was cut.
        self._rest: datetime | None = None

    @property
    def since(self) -> datetime:
        """The moment to read from."""
        return self._rest or max(self._begin, self._newest - OVERLAP)

    def fresh(self, thing: object, moment: datetime | None) -> bool:
        """Whether this has not been told before; it is from now on.

        What began long ago comes back when it ends, and what ended a while ago as long as nothing begins.
        """
        if moment is None or moment < self._limit or (thing, moment) in self._seen:
            return False
        self._seen[thing, moment] = moment
        return True

    def read(self, moments: Iterable[datetime | None], *, rows: int, now: datetime) -> None:
        """Take a look as done.

        Args:
            moments: Of what it read.
            rows: How many it read; where they were cut, the next look goes on at the last one.
            now: The present.
        """
        last = max([self._newest, *(at for at in moments if at is not None)])
        self._newest = max(self._newest, min(last, now + AHEAD))
        self._rest = last if rows >= MOST else None
        self._seen = {key: at for key, at in self._seen.items() if at >= self._limit}

    @property
    def _limit(self) -> datetime:
        return max(self._begin, self._newest - APART)


class RestRunFeed:
    """Follows the runs of a cluster over REST."""

    def __init__(self, airflow: MeasuredAirflow, clock: Clock) -> None:
        self._airflow = airflow
        self._clock = clock
        self._numbers = itertools.count(1)
        self._ids: dict[tuple[str, str], int] = {}
        #: Id → the start that was counted; of open runs, and of those that ended lately.
        self._starts: dict[int, datetime] = {}
        self._ends: Window | None = None
        self.open: dict[int, Run] = {}
        self._read_at: float | None = None

    def begin(self) -> None:
        """Take what there is as counted already."""
        self._ends = Window(self._clock.now())
        self.open = {run.id: run for run in self._read_open()}
        self._starts = {id_: run.start_date for id_, run in self.open.items() if run.start_date}

    def read(self) -> RunReading:
        """Read what ended and what is open."""
        ended = self._airflow.runs_ended_since(self._window.since, MOST)
        return RunReading([], self._read_open(), [], [self._run(run) for run in ended], [])

    def take(self, reading: RunReading) -> RunEvents:
        """Take a reading; return what is to be counted."""
        self.open = {run.id: run for run in reading.open_now}
        finished = tuple(run for run in reading.ended if self._window.fresh(run.id, run.end_date))
        ends = (run.end_date for run in reading.ended)
        self._window.read(ends, rows=len(reading.ended), now=self._clock.now())
        started = tuple(run for run in (*reading.open_now, *finished) if self._has_begun(run))
        kept = {*self.open, *(run.id for run in reading.ended)}
        self._ids = {key: id_ for key, id_ in self._ids.items() if id_ in kept}
        self._starts = {id_: at for id_, at in self._starts.items() if id_ in kept}
        self._read_at = self._clock.elapsed()
        return RunEvents(started, finished)

    @property
    def is_fresh(self) -> bool:
        """Whether the open runs were read within two minutes."""
        return self._read_at is not None and self._clock.elapsed() - self._read_at < 120.0

    @property
    def _window(self) -> Window:
        if self._ends is None:
            raise RuntimeError("begin() comes first")
        return self._ends

    def _has_begun(self, run: Run) -> bool:
        if run.start_date is None or self._starts.get(run.id) == run.start_date:
            return False
        self._starts[run.id] = run.start_date
        return True

    def _read_open(self) -> list[Run]:
        return [self._run(run) for run in self._airflow.open_runs(MOST_OPEN)]

    def _run(self, run: DagRun) -> Run:
        key = (run.dag_id, run.run_id)
        if key not in self._ids:
            self._ids[key] = next(self._numbers)
        due = run.run_after or run.queued_at or run.start_date or self._clock.now()
        return Run(
            self._ids[key], run.dag_id, run.state, run.run_type, due, run.queued_at,
            run.start_date, run.end_date,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Known:
    """The last attempt of a task whose end was read, and when that was."""

    try_number: int
    moment: datetime


class RestTaskFeed:
    """Follows the attempts of every run over REST."""

    def __init__(self, airflow: MeasuredAirflow, clock: Clock) -> None:
        self._airflow = airflow
        self._clock = clock
        self._begin: datetime | None = None
        self._starts = self._ends = Window(clock.now())
        self._rows = (0, 0)
        self._asked = 0
        self._known: dict[TaskKey, _Known] = {}

    def begin(self) -> None:
        """Take what there is as counted already."""
        self._begin = self._clock.now()
        self._starts, self._ends = Window(self._begin), Window(self._begin)

    def settle(self, runs: Sequence[int]) -> None:
        """Nothing to do: attempts are found by themselves."""

    def read(self) -> tuple[float, list[Attempt]]:
        """Return when reading began (elapsed seconds), and attempts that may have changed."""
        begun = self._clock.elapsed()
        ended = self._airflow.tasks_since(self._ends.since, MOST, by="end")
        started = self._airflow.tasks_since(self._starts.since, MOST, by="start")
        self._rows = (len(started), len(ended))
        self._asked = 0
        self._forget()
        found = {task.key: task for task in (*ended, *started)}
        earlier = [attempt for task in found.values() for attempt in self._missed(task)]
        attempts = [*earlier, *(attempt_of(task) for task in (*ended, *started))]
        return begun, attempts

    def take(
        self, begun: float, attempts: Sequence[Attempt]
    ) -> tuple[list[Attempt], list[Attempt]]:
        """Return the attempts that began, and those that ended, since they were last taken."""
        del begun
        started = [a for a in attempts if a.ran and self._starts.fresh(a.id, a.start_date)]
        ended = [a for a in attempts if a.has_ended and self._ends.fresh(a.id, a.end_date)]
        rows_started, rows_ended = self._rows
        now = self._clock.now()
        self._starts.read((a.start_date for a in attempts), rows=rows_started, now=now)
        self._ends.read((a.end_date for a in attempts), rows=rows_ended, now=now)
        return started, ended

    def _missed(self, task: TaskInstance) -> list[Attempt]:
        """Return the attempts before this one whose end no look has seen."""
        known = self._known[task.key].try_number if task.key in self._known else 0
        over = task.state in FINISHED or task.state == "up_for_retry"
        before = task.try_number - 1
        found: list[Attempt] = []
        if known < before:
            if self._asked >= MOST_TRIES:
                return []  # at the next look, which reads the last minute again
            self._asked += 1
            tries = self._airflow.tries(task.key)
            found = [
                attempt_of(attempt, history=True, earlier=tries[:place])
                for place, attempt in enumerate(tries)
                if known < attempt.try_number <= before
            ]
        self._known[task.key] = _Known(task.try_number if over else before, self._clock.now())
        return found

    def _forget(self) -> None:
        if len(self._known) > 20 * MOST:
            limit = self._clock.now() - REMEMBER
            self._known = {k: v for k, v in self._known.items() if v.moment >= limit}


def attempt_of(
    task: TaskInstance, *, history: bool = False, earlier: Sequence[TaskInstance] = ()
) -> Attempt:
    """Return an attempt as the metadata database would show it.

    A task that is up for retry shows the attempt that failed.
    """
    retried = task.state == "up_for_retry"
    values: dict[str, Any] = {
        "id": "|".join(map(str, (task.key.dag_id, task.key.run_id, task.key.task_id, task.key.map_index))),
        "run": 0, "dag_id": task.key.dag_id, "queue": task.queue or "default",
        "state": "failed" if retried else task.state, "start_date": task.start_date,
        "end_date": task.end_date, "queued_dttm": task.queued_when, "history": history or retried,
        "scheduled_dttm": task.scheduled_when, "pool": task.pool, "try_number": task.try_number,
        "retriable": retried or task.try_number <= task.max_tries,
        "inherited": any(
            e.start_date == task.start_date for e in earlier
        ),
    }  # fmt: skip
    return Attempt(**values)
