"""What runs and attempts did since the last look, read from the metadata database.

Reads come first and change nothing here, so that a look that fails is repeated as a whole; `take` then
changes the state, and what it returns belongs to the caller once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from airwarden.core.clock import Clock
from airwarden.core.ports import MetadataDatabase
from airwarden.exporters.follow_live import Live, LiveFollower
from airwarden.exporters.follow_runs import OPEN_STATES, RERUN, Run, RunFollower
from airwarden.exporters.follow_tasks import CLOCKS, Attempt, Reading, TaskFollower

#: Runs whose tasks are read in one query.
_CHUNK = 500
#: Looks for which a task of a run that is not followed is kept in mind: the run may be about to be.
_PATIENCE = 3
#: Seconds after something happened in a run at which it is read once more: the scheduler skips or fails what
#: follows a moment later, a busy one a minute later, and nothing of that is ever under way.
_AFTERWARDS = (0.0, 15.0, 60.0, 180.0)


@dataclass(frozen=True, slots=True)
class RunReading:
    """What was read of runs.

    Attributes:
        new: Made since, or committed late.
        open_now: Not ended.
        gone: Ids that were open and no longer are.
        ended: Their rows.
        rerun: Cleared ones that ended again.
        now: When it was read, by the clock of whoever keeps them; None where that is not told.
    """

    new: list[Run]
    open_now: list[Run]
    gone: list[int]
    ended: list[Run]
    rerun: list[Run]
    now: datetime | None = None

    @property
    def dags(self) -> set[str]:
        """Every `dag_id` in it."""
        runs = (*self.new, *self.open_now, *self.ended, *self.rerun)
        return {run.dag_id for run in runs}


@dataclass(frozen=True, slots=True)
class RunEvents:
    """What became of runs."""

    started: tuple[Run, ...]
    finished: tuple[Run, ...]


class Runs(Protocol):
    """Whoever follows runs."""

    @property
    def open(self) -> Mapping[int, Run]: ...  # noqa: D102
    def begin(self) -> None: ...  # noqa: D102
    def read(self) -> RunReading: ...  # noqa: D102
    def take(self, reading: RunReading) -> RunEvents: ...  # noqa: D102


class Tasks(Protocol):
    """Whoever follows their attempts."""

    def begin(self) -> None: ...  # noqa: D102
    def settle(self, runs: Sequence[int]) -> None: ...  # noqa: D102
    def read(self) -> tuple[float, list[Attempt]]: ...  # noqa: D102
    def take(  # noqa: D102
        self, begun: float, attempts: Sequence[Attempt]
    ) -> tuple[list[Attempt], list[Attempt]]: ...


class RunFeed:
    """Follows the runs of a cluster."""

    def __init__(self, database: MetadataDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._follower = RunFollower()
        #: Opened again after their end, or ended again unseen: `tasks` takes them over.
        self.reopened: list[Run] = []

    @property
    def open(self) -> dict[int, Run]:
        """The runs that have not ended, by id."""
        return self._follower.open

    def begin(self) -> None:
        """Take what there is as counted already."""
        recent = [int(row["id"]) for row in self._database.rows("recent_run_ids")]
        rerun = self._rows("rerun_runs", lookback=RERUN)
        open_now = self._rows("open_runs")
        self._follower.begin(recent, open_now, self._clock.elapsed(), rerun=rerun)

    def read(self) -> RunReading:
        """Read what is new, what is open, and what became of what was."""
        follower = self._follower
        new = self._rows("new_runs", after=follower.last_id, missing=list(follower.missing))
        # Before the open ones: a run that is found to have ended here is not open there.
        rerun = self._rows("rerun_runs", lookback=RERUN)
        (open_ids,) = self._database.rows("open_run_ids")
        states = {
            int(id_): state for state in OPEN_STATES for id_ in (open_ids[state] or "").split()
        }
        unsure = follower.unsure(states)
        gone = [id_ for id_ in follower.open if id_ not in states]
        asked = [*unsure, *gone]
        rows = {run.id: run for run in self._rows("runs", ids=asked)} if asked else {}
        known = [follower.open[id_] for id_ in states if id_ in follower.open]
        open_now = [run for run in known if run.id not in rows]
        open_now += [rows[id_] for id_ in unsure if id_ in rows and rows[id_].is_open]
        gone += [id_ for id_ in unsure if id_ in rows and not rows[id_].is_open]
        ended = [rows[id_] for id_ in gone if id_ in rows]
        return RunReading(new, open_now, gone, ended, rerun, open_ids["now"])

    def take(self, reading: RunReading) -> RunEvents:
        """Take a reading; return what is to be counted."""
        now = self._clock.elapsed()
        followed = set(self._follower.open)
        seen = self._follower.observe(reading.new, reading.open_now, now)
        gone = [id_ for id_ in reading.gone if id_ in followed]
        settled = self._follower.settle(gone, reading.ended, now)
        rerun = self._follower.rerun(reading.rerun, now)
        self.reopened += [*seen.reopened, *rerun]
        return RunEvents(seen.started, (*seen.finished, *settled, *rerun))

    def _rows(self, query: str, **parameters: object) -> list[Run]:
        return [Run.of(row) for row in self._database.rows(query, **parameters)]


class TaskFeed:
    """Follows the attempts of those runs."""

    def __init__(self, database: MetadataDatabase, clock: Clock, runs: RunFeed) -> None:
        self._database = database
        self._clock = clock
        self._runs = runs
        self._follower = TaskFollower()
        self._live = LiveFollower()
        self._looked_at = 0.0
        #: Runs in which something happened, with the looks for which they are kept in mind.
        self._touched: dict[int, int] = {}
        #: Runs that are read once more, and when (elapsed seconds): see `_AFTERWARDS`.
        self._again: dict[int, tuple[float, ...]] = {}
        #: Ended, counted as runs, their attempts not yet settled (a query may fail in between).
        self._to_settle: list[int] = []

    def begin(self) -> None:
        """Take what there is as counted already."""
        self._live.take(self._look(CLOCKS))
        self._looked_at = self._clock.elapsed()
        reading = Reading(list(self._runs.open), [], 0.0)
        self._follower.baseline(list(self._attempts(reading)), before=lambda _: None)

    def settle(self, runs: Sequence[int]) -> None:
        """Read these runs' attempts once more: they have ended."""
        self._to_settle += runs

    def read(self) -> tuple[float, list[Attempt]]:
        """Return when reading began (elapsed seconds), and attempts that may have changed."""
        self._baseline_reopened()
        begun = self._clock.elapsed()
        live = self._look(begun - self._looked_at + CLOCKS)
        if changed := self._live.changed(live):
            found = self._database.rows("runs_of_tasks", tasks=sorted(changed))
            self._touched |= {int(row["id"]): _PATIENCE for row in found}
        self._live.take(live)
        self._looked_at = begun
        settle = set(self._to_settle)
        again = [run for run, due in self._again.items() if due[0] <= begun]
        wanted = {run for run in (*self._touched, *again) if self._is_followed(run)}
        reading = self._follower.plan(wanted, begun, settle=settle)
        return begun, list(self._attempts(reading))

    def take(
        self, begun: float, attempts: Sequence[Attempt]
    ) -> tuple[list[Attempt], list[Attempt]]:
        """Return the attempts that began, and those that ended, since they were last taken."""
        started, ended = self._follower.take(attempts, begun)
        self._follower.settle(self._to_settle, begun)
        self._again |= {run: tuple(begun + s for s in _AFTERWARDS) for run in self._touched}
        self._again = {
            run: rest
            for run, due in self._again.items()
            if run in self._runs.open
            and (rest := due if run in self._touched else tuple(at for at in due if at > begun))
        }
        self._touched = {
            run: looks - 1
            for run, looks in self._touched.items()
            if looks > 1 and not self._is_followed(run)
        }
        self._to_settle = []
        return started, ended

    def _is_followed(self, run: int) -> bool:
        return run in self._runs.open or self._follower.knows(run)

    def _look(self, lookback: float) -> Live:
        return Live.of(self._database.rows("live_task_ids", lookback=lookback))

    def _baseline_reopened(self) -> None:
        """Take what ended before a run was cleared as counted at its first end."""
        reopened = {run.id: run.queued_at for run in self._runs.reopened}
        forgotten = [id_ for id_ in reopened if not self._follower.knows(id_)]
        if forgotten:
            attempts = list(self._attempts(Reading(forgotten, [], 0.0)))

            def cleared_at(attempt: Attempt) -> datetime | None:
                return reopened[attempt.run]

            self._follower.baseline(attempts, before=cleared_at)
        self._follower.reopen(reopened)
        self._runs.reopened = []

    def _attempts(self, reading: Reading) -> Iterator[Attempt]:
        whole, recent = reading.whole, reading.recent
        for start in range(0, max(len(whole), len(recent)), _CHUNK):
            rows = self._database.rows(
                "tasks_of_runs",
                settle=whole[start : start + _CHUNK],
                open=recent[start : start + _CHUNK],
                lookback=reading.lookback,
            )
            yield from (Attempt.of(row) for row in rows)
