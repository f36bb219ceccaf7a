"""An Airflow REST API in memory, as a source of metrics."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from airwarden.adapters.airflow_measured import LIVE_TASKS, OPEN_RUNS
from airwarden.adapters.fakes.faults import Faults
from airwarden.core.errors import RejectedError
from airwarden.core.platform import AssetUpdate, Dag, DagRun, TaskInstance, TaskKey

_T = TypeVar("_T")


class FakeMeasuredAirflow(Faults):
    """What a test puts in.

    Attributes:
        dags: By id.
        runs: By DAG and run.
        tasks: The present attempt of each task instance.
        history: Its earlier attempts.
        errors, warnings: As they are to be returned.
        assets: Every one there is.
    """

    def __init__(self) -> None:
        super().__init__()
        self.dags: dict[str, Dag] = {}
        self.runs: dict[tuple[str, str], DagRun] = {}
        self.tasks: dict[TaskKey, TaskInstance] = {}
        self.history: dict[TaskKey, list[TaskInstance]] = {}
        self.errors: dict[str, int] = {}
        self.warnings: dict[str, int] = {}
        self.assets: list[AssetUpdate] = []

    def put_run(self, run: DagRun) -> None:
        """Add or replace a run."""
        self.runs[run.dag_id, run.run_id] = run

    def put_task(self, task: TaskInstance) -> None:
        """Add or replace a task instance; an attempt that is another one goes to the history."""
        before = self.tasks.get(task.key)
        if before is not None and before.try_number != task.try_number:
            self.history.setdefault(task.key, []).append(before)
        self.tasks[task.key] = task

    def dags_from(self, offset: int, most: int) -> tuple[Sequence[Dag], int]:
        """Return DAGs from an offset on, and how many there are."""
        self._reading()
        dags = [dag for _, dag in sorted(self.dags.items())]
        return dags[offset : offset + most], len(dags)

    def open_runs(self, most: int) -> Sequence[DagRun]:
        """Return the queued and running runs."""
        self._reading()
        return _within([r for r in self.runs.values() if r.state in OPEN_RUNS], most)

    def runs_ended_since(self, moment: datetime, most: int) -> Sequence[DagRun]:
        """Return the runs that ended at or after a moment, the earliest first."""
        self._reading()
        ends = [(r.end_date, r) for r in self.runs.values() if r.end_date and r.end_date >= moment]
        return [run for _, run in sorted(ends, key=lambda pair: pair[0])][:most]

    def live_tasks(self, most: int) -> Sequence[TaskInstance]:
        """Return the task instances between scheduled and ended."""
        self._reading()
        return _within([t for t in self.tasks.values() if t.state in LIVE_TASKS], most)

    def tasks_since(self, moment: datetime, most: int, *, by: str) -> Sequence[TaskInstance]:
        """Return the task instances with a start or an end at or after a moment."""
        self._reading()
        moments = [
            (at, task)
            for task in self.tasks.values()
            if (at := task.start_date if by == "start" else task.end_date) and at >= moment
        ]
        return [task for _, task in sorted(moments, key=lambda pair: pair[0])][:most]

    def tries(self, key: TaskKey) -> Sequence[TaskInstance]:
        """Return every attempt of a task instance."""
        self._reading()
        return [*self.history.get(key, ()), self.tasks[key]]

    def import_errors(self) -> Mapping[str, int]:
        """Return bundle → DAG files that cannot be imported."""
        self._reading()
        return dict(self.errors)

    def dag_warnings(self) -> Mapping[str, int]:
        """Return kind of warning → DAGs."""
        self._reading()
        return dict(self.warnings)

    def asset_updates(self, names: Collection[str]) -> Sequence[AssetUpdate]:
        """Return those of these assets that exist."""
        self._reading()
        return [asset for asset in self.assets if {asset.name, asset.uri} & set(names)]

    def last_success(self, dag_id: str) -> datetime | None:
        """Return when a DAG last ended a run well."""
        self._reading()
        ends = [
            r.end_date for r in self.runs.values() if (r.dag_id, r.state) == (dag_id, "success")
        ]
        return max((end for end in ends if end is not None), default=None)


def _within(found: list[_T], most: int) -> list[_T]:
    if len(found) > most:
        raise RejectedError(f"{len(found)} are more than the {most} that are read over REST")
    return found
