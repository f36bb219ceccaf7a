"""Lets a filled fleet live: makes runs and moves their tasks as Airflow's scheduler and workers do.

Each transition writes the columns that Airflow 3.3 writes, in batches, one transaction a step. Some runs
are committed late, after others with higher ids; some ids are never used; some runs begin and end within
one step; tasks are retried, killed, deferred, lost and cleared.
"""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg

from bench.fleet.plans import End, Planner, Run, Task
from bench.fleet.shape import PEAK_DAILY_RUNS, Dag
from bench.fleet.writes import Writes

#: Seconds between two heartbeats of everything that beats.
_BEAT = 5.0
#: Seconds of Airflow between a run being due and begun: 95 of 100 within 2.4, as in the fleet's history.
_TO_BEGIN = 0.8
#: Seconds of Airflow between a task being ready, scheduled, queued and started.
_TO_SCHEDULE, _TO_QUEUE, _TO_START = 1.0, 1.5, 20.0
#: Seconds before a retry, and of a deferral.
_RETRY, _DEFERRAL = 120.0, 600.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a fleet lives.

    Attributes:
        per_day: Runs made a day.
        burst: Multiplies them.
        speed: Divides every duration: 60 lets an hour's run end in a minute.
        trouble: Multiplies failures, retries and clears.
        clear_after: Seconds after its end at which a run may be cleared.
    """

    per_day: float = PEAK_DAILY_RUNS
    burst: float = 1.0
    speed: float = 1.0
    trouble: float = 1.0
    clear_after: float = 30.0


class Mover:
    """Moves one database on.

    Args:
        dsn: A libpq URL that may write.
        dags: The fleet's.
        pace: How fast.
        seed: Of the dice.
    """

    def __init__(self, dsn: str, dags: Sequence[Dag], pace: Pace, seed: int = 1) -> None:
        self._dsn = dsn
        self._pace = pace
        self._dice = random.Random(seed)
        self._planner = Planner(seed, trouble=pace.trouble, pace=pace.speed)
        self._connection = psycopg.connect(dsn)
        self._writes = Writes(self._connection)
        self._dags = [d for d in dags if not (d.paused or d.stale or d.import_error)]
        self._weights = list(itertools.accumulate(d.per_day for d in self._dags))
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._batch: dict[str, list[tuple[Run, Task]]] = defaultdict(list)
        self._runs_to: dict[str, list[Run]] = defaultdict(list)
        self._late: list[tuple[float, psycopg.Connection[tuple[object, ...]], Run]] = []
        self._now = 0.0
        self._owed = 0.0
        self._beat_at = 0.0
        self.made = 0
        self.ended = 0
        self.open = 0

    def live(self, runs: int, *, within: float, stopped: threading.Event | None = None) -> None:
        """Make so many runs, and move on until they have all ended.

        Raises:
            TimeoutError: They have not within so many seconds.
        """
        begun = time.monotonic()
        while self.made < runs or self.open:
            if stopped is not None and stopped.is_set():
                return
            now = time.monotonic() - begun
            if now > within:
                raise TimeoutError(f"{self.made} runs made, {self.open} still open")
            self.step(now, most=runs - self.made)
            time.sleep(max(0.0, 0.05 - (time.monotonic() - begun - now)))

    def step(self, now: float, *, most: int = 1_000_000) -> None:
        """Bring the fleet to a moment.

        Args:
            now: Seconds since it began to live.
            most: Runs to be made at most.
        """
        self._owed += (now - self._now) * self._pace.per_day * self._pace.burst / 86_400
        self._now = now
        new = min(int(self._owed), most, 500)
        self._owed -= int(self._owed)
        self._make(new)
        while self._due and self._due[0][0] <= now:
            heapq.heappop(self._due)[2]()
        self._write()
        self._commit_late()
        if now - self._beat_at > _BEAT / min(self._pace.speed, 2.0):
            self._writes.beat()
            self._beat_at = now
        self._connection.commit()

    def close(self) -> None:
        """Commit what is late and disconnect."""
        for _, connection, _ in self._late:
            connection.commit()
            connection.close()
        self._connection.close()

    def _at(self, seconds: float, then: Callable[[], None]) -> None:
        # Not in this step: a task makes one step at a time.
        heapq.heappush(self._due, (self._now + max(seconds, 0.001), next(self._numbers), then))

    # -- runs

    def _make(self, number: int) -> None:
        if number < 1:
            return
        ids = self._writes.run_ids(number + self._dice.randrange(2))  # one may be left unused
        dags = self._dice.choices(self._dags, cum_weights=self._weights, k=number)
        now: list[Run] = []
        for id_, dag in zip(ids, dags, strict=False):
            stamp = datetime.now(UTC).isoformat()
            run = self._planner.run(id_, dag, f"{dag.run_type}__{stamp}_{id_}")
            self.made += 1
            self.open += 1
            if run.late:
                self._make_late(run)
            else:
                now.append(run)
        self._writes.make(now)
        for run in now:
            if run.instant:
                self._run_through(run)
            else:
                self._at(self._planner.wait(_TO_BEGIN), lambda run=run: self._start(run))  # type: ignore[misc]  # a default has no type

    def _make_late(self, run: Run) -> None:
        connection = psycopg.connect(self._dsn)
        Writes(connection).make([run], move_on=False)  # or it would hold the DAG's row
        self._late.append((self._now + run.late, connection, run))

    def _commit_late(self) -> None:
        waiting = []
        for due, connection, run in self._late:
            if due > self._now:
                waiting.append((due, connection, run))
                continue
            connection.commit()
            connection.close()
            self._start(run)
        self._late = waiting

    def _run_through(self, run: Run) -> None:
        """Let a run begin and end within one transaction."""
        run.tasks[0].after = False
        for task in run.tasks:
            task.state = "success"
            task.try_number = 1
        self._writes.run_through(run)
        run.state = "success"
        self.open -= 1
        self.ended += 1

    def _start(self, run: Run) -> None:
        run.state = "running"
        self._runs_to["running"].append(run)
        self._go_on(run)

    def _go_on(self, run: Run) -> None:
        """Schedule what is ready, skip what is to be skipped, and end the run when all have ended."""
        broken = False
        for before, task in zip([None, *run.tasks], run.tasks, strict=False):
            if task.state is None and not task.coming:
                if broken and task.after:
                    self._set(run, task, "upstream_failed")
                elif before is None or not task.after or before.over:
                    if task.skipped:
                        self._set(run, task, "skipped")
                    else:
                        task.coming = True
                        self._at(
                            self._planner.wait(_TO_SCHEDULE),
                            lambda task=task: self._schedule(run, task),  # type: ignore[misc]  # a default has no type
                        )
            broken = task.state in ("failed", "upstream_failed")
        if all(task.over for task in run.tasks) and run.state == "running":
            # The scheduler sees it a moment later.
            run.state = "ending"
            self._at(self._planner.wait(2.0), lambda: self._end(run))

    def _end(self, run: Run) -> None:
        failed = any(task.state in ("failed", "upstream_failed") for task in run.tasks)
        run.state = "failed" if failed else "success"
        self._runs_to[run.state].append(run)
        if run.clears:
            self._at(self._pace.clear_after, lambda: self._clear(run))
        else:
            self.open -= 1
            self.ended += 1

    def _clear(self, run: Run) -> None:
        for index in run.clears.pop():
            task = run.tasks[index]
            if not task.over or (not task.try_number and task.cleared):
                continue  # Airflow keeps one attempt a try number: the second would vanish
            task.cleared = True
            new = self._planner.new_id()
            self._writes.clear(task.id, new, task.try_number + run.dag.retries)
            task.id, task.state = new, None
            task.max_tries = task.try_number + run.dag.retries
            task.skipped = task.coming = False
            task.ends = [self._dice.choice((End.SUCCESS, End.FAILED))] if run.dag.retries else []
        self._writes.reopen(run.id)
        run.state = "queued"
        self._at(self._planner.wait(2.0), lambda: self._start(run))

    # -- tasks

    def _set(self, run: Run, task: Task, state: str) -> None:
        task.state = state
        self._batch[state].append((run, task))

    def _schedule(self, run: Run, task: Task) -> None:
        task.coming = False
        task.try_number += 1
        self._set(run, task, "scheduled")
        self._at(self._planner.wait(_TO_QUEUE), lambda: self._queue(run, task))

    def _queue(self, run: Run, task: Task) -> None:
        self._set(run, task, "queued")
        self._at(self._planner.wait(_TO_START), lambda: self._begin(run, task))

    def _begin(self, run: Run, task: Task) -> None:
        end = task.ends.pop(0) if task.ends else End.SUCCESS
        if end is End.LOST:
            self._fail(run, task)
            return
        self._set(run, task, "running")
        self._at(self._planner.seconds(run), lambda: self._finish(run, task, end))

    def _finish(self, run: Run, task: Task, end: End) -> None:
        if end is End.SUCCESS:
            self._set(run, task, "success")
            self._go_on(run)
        elif end is End.DEFERRED:
            self._set(run, task, "deferred")
            self._at(self._planner.wait(_DEFERRAL), lambda: self._resume(run, task))
        elif end is End.KILLED and self._dice.random() < 0.5:
            self._restart(run, task)
        else:
            self._fail(run, task)

    def _resume(self, run: Run, task: Task) -> None:
        self._set(run, task, "resumed")  # scheduled again, as the same try, with its first start
        self._at(self._planner.wait(_TO_QUEUE), lambda: self._requeue(run, task))

    def _requeue(self, run: Run, task: Task) -> None:
        self._set(run, task, "queued")
        self._at(self._planner.wait(_TO_START), lambda: self._continue(run, task))

    def _continue(self, run: Run, task: Task) -> None:
        end = task.ends.pop(0) if task.ends else End.SUCCESS
        self._set(run, task, "continued")
        self._at(self._planner.seconds(run), lambda: self._finish(run, task, end))

    def _fail(self, run: Run, task: Task) -> None:
        if task.try_number > task.max_tries:
            self._set(run, task, "failed")
            self._go_on(run)
            return
        self._retire(run, task, "up_for_retry")
        self._at(self._planner.wait(_RETRY), lambda: self._schedule(run, task))

    def _restart(self, run: Run, task: Task) -> None:
        """Let somebody clear it while it runs: its worker ends it, and it is tried again."""
        self._retire(run, task, "restarting")
        self._at(self._planner.wait(3.0), lambda: self._set(run, task, "up_for_retry"))
        self._at(_RETRY / self._pace.speed * 8, lambda: self._schedule(run, task))

    def _retire(self, run: Run, task: Task, state: str) -> None:
        new = self._planner.new_id()
        self._writes.retire(task.id, new, state)
        task.id, task.state = new, state

    def _write(self) -> None:
        """Write what became of tasks and runs since the last step, tasks first."""
        for state, found in self._batch.items():
            self._writes.tasks(state, [task.id for _, task in found])
        self._batch.clear()
        for state, runs in self._runs_to.items():
            self._writes.runs(state, [run.id for run in runs])
        self._runs_to.clear()
