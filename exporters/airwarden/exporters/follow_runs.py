"""Following DAG runs so that each completion is counted once, at a cost of what changed.

Pure: the collector asks the database and hands the rows in. Runs have serial ids, so new ones are those
above the highest id seen; a run committed late has a lower id than that, so ids that were skipped are
asked for again for a while. Runs that have not ended are few and found by partial indexes; one that
was open and no longer is has ended, and is read by its id. A finished run that opens again (it was
cleared) is followed once more, and its next completion is another one, also when it opened and ended
between two looks: then its count of clears has grown.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

OPEN_STATES = ("queued", "running")
#: Seconds after which an id that was skipped is given up: its transaction was rolled back.
GIVE_UP = 600.0
#: Most skipped ids that are asked for.
MAX_MISSING = 5000
#: Seconds for which a cleared run that has ended again is looked for.
RERUN = 120.0
#: Seconds for which a counted completion is remembered: longer than one is looked for.
REMEMBER = 3 * RERUN


@dataclass(frozen=True, slots=True)
class Run:
    """What is read of a run. `queued_at` moves when it is cleared."""

    id: int
    dag_id: str
    state: str
    run_type: str
    run_after: datetime
    queued_at: datetime | None
    start_date: datetime | None
    end_date: datetime | None
    clear_number: int = 0

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Run:
        """Make one from a database row that may hold more."""
        return cls(**{name: row[name] for name in cls.__slots__})

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.state in OPEN_STATES


@dataclass(frozen=True, slots=True)
class Observed:
    """What one look found.

    Attributes:
        finished: Runs that ended and have not been counted; each belongs to the caller once.
        started: Runs whose start was not known at the look before.
        reopened: Runs that had ended and are open again.
        ended: Ids that were open and no longer are: to be read, and handed to `settle`.
    """

    finished: tuple[Run, ...] = ()
    started: tuple[Run, ...] = ()
    reopened: tuple[Run, ...] = ()
    ended: tuple[int, ...] = ()


@dataclass(slots=True)
class RunFollower:
    """The state between two looks."""

    last_id: int = 0
    open: dict[int, Run] = field(default_factory=dict)
    missing: dict[int, float] = field(default_factory=dict)
    #: Id → clears it had when its completion was counted, and when that was.
    counted: dict[int, tuple[int, float]] = field(default_factory=dict)

    def begin(
        self,
        recent: Sequence[int],
        open_now: Sequence[Run],
        now: float,
        *,
        rerun: Sequence[Run] = (),
    ) -> None:
        """Take the present as the baseline: nothing that ended before is counted.

        Args:
            recent: The latest ids, to learn which ones were skipped.
            open_now: The runs that have not ended.
            now: Elapsed seconds, for giving up.
            rerun: Cleared runs that ended again lately.
        """
        for run in rerun:
            self.counted[run.id] = (run.clear_number, now)
        ids = set(recent)
        if ids:
            self.last_id = max(ids)
            self._miss(min(ids), self.last_id, ids | {run.id for run in open_now}, now)
        self.open = {run.id: run for run in open_now if run.id <= self.last_id}

    def unsure(self, states: Mapping[int, str]) -> list[int]:
        """Return the open runs whose row must be read: unknown ones, and those whose state changed.

        Args:
            states: Id → state of every open run.
        """
        return [
            id_
            for id_, state in states.items()
            if id_ <= self.last_id and (id_ not in self.open or self.open[id_].state != state)
        ]

    def rerun(self, runs: Sequence[Run], now: float) -> tuple[Run, ...]:
        """Return those of the cleared runs that ended again whose end was not seen.

        Args:
            runs: Cleared runs that ended lately; read before the open ones.
            now: Elapsed seconds.
        """
        found = []
        for run in runs:
            if run.id in self.open or run.id in self.missing or run.id > self.last_id:
                continue  # it is followed
            if run.id in self.counted and self.counted[run.id][0] >= run.clear_number:
                continue
            found.append(run)
            self.counted[run.id] = (run.clear_number, now)
        return tuple(found)

    def observe(self, new: Sequence[Run], open_now: Sequence[Run], now: float) -> Observed:
        """Take one look.

        Args:
            new: Runs above `last_id`, and those of `missing` that exist by now; read first.
            open_now: The runs that have not ended; read after `new`.
            now: Elapsed seconds.
        """
        finished, started = self._take_new(new, now)
        reopened: list[Run] = []
        # Of thousands all but a few are as they were. One above the last id was committed since `new` was
        # read: it is new at the next look.
        known = self.open.get
        changed = [run for run in open_now if known(run.id) is not run and run.id <= self.last_id]
        for run in changed:
            before = self.open.get(run.id)
            late = self.missing.pop(run.id, None) is not None
            if before is None and not late:
                reopened.append(run)
            elif run.start_date is not None and (before is None or before.start_date is None):
                started.append(run)
            self.open[run.id] = run
        present = {run.id for run in open_now}
        ended = tuple(id_ for id_ in self.open if id_ not in present)
        return Observed(tuple(finished), tuple(started), tuple(reopened), ended)

    def settle(
        self, asked: Sequence[int], rows: Sequence[Run], now: float = 0.0
    ) -> tuple[Run, ...]:
        """Take the runs that were read because they had left the open ones; return the finished.

        Args:
            asked: Their ids; one without a row was deleted and is forgotten.
            rows: What was found.
            now: Elapsed seconds.
        """
        found = {run.id: run for run in rows}
        finished: list[Run] = []
        for id_ in asked:
            run = found.get(id_)
            if run is not None and run.is_open:
                self.open[id_] = run  # cleared in the meantime: it goes on
                continue
            self.open.pop(id_, None)
            if run is not None:
                finished.append(run)
                self.counted[id_] = (run.clear_number, now)
        return tuple(finished)

    def _take_new(self, new: Sequence[Run], now: float) -> tuple[list[Run], list[Run]]:
        finished: list[Run] = []
        started: list[Run] = []
        highest = max((run.id for run in new), default=self.last_id)
        fresh = {run.id for run in new}
        if highest > self.last_id:
            self._miss(self.last_id + 1, highest, fresh, now)
            self.last_id = highest
        for run in new:
            self.missing.pop(run.id, None)
            if run.id in self.open:
                continue
            if run.is_open:
                self.open[run.id] = run
            else:
                finished.append(run)
                self.counted[run.id] = (run.clear_number, now)
            if run.start_date is not None:
                started.append(run)
        self._give_up(now)
        return finished, started

    def _miss(self, first: int, end: int, there: set[int], now: float) -> None:
        """Take the ids from `first` to before `end` that are not there as skipped, the highest first."""
        skipped = (id_ for id_ in range(end - 1, first - 1, -1) if id_ not in there)
        for id_ in itertools.islice(skipped, MAX_MISSING - len(self.missing)):
            self.missing.setdefault(id_, now)

    def _give_up(self, now: float) -> None:
        for id_ in [id_ for id_, since in self.missing.items() if now - since > GIVE_UP]:
            del self.missing[id_]
        for id_ in [id_ for id_, (_, at) in self.counted.items() if now - at > REMEMBER]:
            del self.counted[id_]
