"""DAG runs and task attempts, each completion counted once; see `follow_runs` and `follow_tasks`."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from airwarden.core.clock import Clock
from airwarden.core.ports import MetadataDatabase
from airwarden.exporters.families import Counter, Family, Histogram, Labels, gauge
from airwarden.exporters.follow_runs import OPEN_STATES, Run, RunFollower
from airwarden.exporters.follow_tasks import Attempt, TaskFollower
from airwarden.exporters.labels import TYPES, UNSET, DagLabels, DagRegistry

RUN_TYPES = ("scheduled", "manual", "asset_triggered", "backfill")
_ENDINGS = ("success", "failed")
_TASK_ENDINGS = ("success", "failed", "up_for_retry")
#: Runs whose tasks are read in one query.
_CHUNK = 500
#: Seconds by which the clocks of Airflow's machines may differ from the database's.
_SKEW = 300.0


class DagRunsCollector:
    """Follows runs by their serial id and the set of open ones, and the tasks of those.

    A restart begins at the present: counters start at 0, and nothing is counted twice.
    """

    name = "dag_runs"
    interval = 5.0
    timeout = 10.0

    def __init__(self, database: MetadataDatabase, registry: DagRegistry, clock: Clock) -> None:
        self._database = database
        self._registry = registry
        self._clock = clock
        self._runs = RunFollower()
        self._tasks = TaskFollower()
        self._began = False
        self._read_at = 0.0
        #: Ended, counted as runs, their tasks not yet settled (a query may fail in between).
        self._to_settle: list[int] = []
        self._to_baseline: list[Run] = []
        self._finished = Counter("airwarden_dag_runs_finished_total")
        self._duration = Histogram("airwarden_dag_run_duration_seconds")
        self._delay = Histogram("airwarden_dag_run_schedule_delay_seconds")
        self._task_started = Counter("airwarden_task_instances_started_total")
        self._task_finished = Counter("airwarden_task_instances_finished_total")
        self._task_duration = Histogram("airwarden_task_duration_seconds")
        self._task_wait = Histogram("airwarden_task_queue_wait_seconds")

    def collect(self) -> Sequence[Family]:
        """Return runs and tasks; what was counted stays counted when a later query fails."""
        fleet = self._registry.all()
        self._give_birth(set(fleet.values()))
        if not self._began:
            self._begin()
        open_now = self._follow_runs()
        self._follow_tasks()
        return [
            self._open_runs(open_now, set(fleet.values())),
            self._finished.family(),
            self._duration.family(),
            self._delay.family(),
            self._task_started.family(),
            self._task_finished.family(),
            self._task_duration.family(),
            self._task_wait.family(),
        ]

    def _begin(self) -> None:
        """Take what there is as counted already."""
        recent = [int(row["id"]) for row in self._database.rows("recent_run_ids")]
        open_now = self._open_rows()
        attempts = list(self._attempts([run.id for run in open_now], [], 0.0))
        self._runs.begin(recent, open_now, self._clock.elapsed())
        self._tasks.baseline(attempts, before=lambda _: None)
        self._read_at = self._clock.elapsed()
        self._began = True

    def _follow_runs(self) -> list[Run]:
        new = [
            Run.of(row)
            for row in self._database.rows(
                "new_runs", after=self._runs.last_id, missing=list(self._runs.missing)
            )
        ]
        open_now = self._open_rows()
        # Whatever can fail comes before the state changes: then the look is repeated as a whole.
        labels = self._registry.of({run.dag_id for run in (*new, *open_now)})
        seen = self._runs.observe(new, open_now, self._clock.elapsed())
        self._to_baseline += seen.reopened
        self._count_starts(seen.started, labels)
        self._count_ends(seen.finished, labels)
        if seen.ended:
            rows = [Run.of(row) for row in self._database.rows("runs", ids=list(seen.ended))]
            labels = self._registry.of({run.dag_id for run in rows})
            self._count_ends(self._runs.settle(seen.ended, rows), labels)
        return open_now

    def _open_rows(self) -> list[Run]:
        return [Run.of(row) for row in self._database.rows("open_runs")]

    def _count_starts(self, started: Sequence[Run], labels: Mapping[str, DagLabels]) -> None:
        for run in started:
            if run.run_type == "scheduled" and run.start_date is not None:
                dag = labels[run.dag_id]
                delay = max(0.0, (run.start_date - run.run_after).total_seconds())
                self._delay.observe((dag.tier, dag.team), delay)

    def _count_ends(self, finished: Sequence[Run], labels: Mapping[str, DagLabels]) -> None:
        for run in finished:
            dag = labels[run.dag_id]
            run_type = run.run_type if run.run_type in RUN_TYPES else "other"
            self._finished.add((run.state, run_type, dag.type, dag.tier, dag.team))
            if run.start_date is not None and run.end_date is not None:
                seconds = max(0.0, (run.end_date - run.start_date).total_seconds())
                self._duration.observe((run.state, dag.type, dag.tier), seconds)
            self._to_settle.append(run.id)

    def _follow_tasks(self) -> None:
        """Count attempts of open runs as they change, and all of a run's once more when it ended."""
        self._baseline_reopened()
        begun = self._clock.elapsed()
        lookback = begun - self._read_at + _SKEW
        settle = self._to_settle
        attempts = list(self._attempts(list(self._runs.open), settle, lookback))
        labels = self._registry.of({attempt.dag_id for attempt in attempts})
        started, ended = self._tasks.take(attempts)
        for attempt in started:
            self._task_started.add((attempt.queue,))
            if (wait := attempt.queue_wait) is not None:
                self._task_wait.observe((attempt.queue,), wait)
        for attempt in ended:
            dag = labels[attempt.dag_id]
            self._task_finished.add((attempt.outcome, attempt.queue, dag.tier, dag.team))
            if (seconds := attempt.duration) is not None:
                self._task_duration.observe((attempt.queue, dag.tier), seconds)
        self._tasks.forget(settle)
        self._to_settle = []
        self._read_at = begun

    def _baseline_reopened(self) -> None:
        """Take what ended before a run was cleared as counted at its first end."""
        if not self._to_baseline:
            return
        cleared = {run.id: run.queued_at for run in self._to_baseline}
        attempts = list(self._attempts([], list(cleared), 0.0))

        def cleared_at(attempt: Attempt) -> datetime | None:
            return cleared[attempt.run]

        self._tasks.baseline(attempts, before=cleared_at)
        self._to_baseline = []

    def _attempts(
        self, open_runs: list[int], settle: list[int], lookback: float
    ) -> Iterator[Attempt]:
        """Read attempts: of open runs those touched lately (all with 0), of `settle` all."""
        everything = [*settle, *open_runs] if not lookback else settle
        recent = [] if not lookback else open_runs
        for start in range(0, max(len(everything), len(recent)), _CHUNK):
            rows = self._database.rows(
                "tasks_of_runs",
                settle=everything[start : start + _CHUNK],
                open=recent[start : start + _CHUNK],
                lookback=lookback,
            )
            yield from (Attempt.of(row) for row in rows)

    def _open_runs(self, open_now: Sequence[Run], fleet: set[DagLabels]) -> Family:
        labels = self._registry.of({run.dag_id for run in open_now})
        counts: Tally[Labels] = Tally(
            {(state, dag.tier, dag.team): 0 for dag in fleet for state in OPEN_STATES}
        )
        for run in open_now:
            dag = labels[run.dag_id]
            counts[run.state, dag.tier, dag.team] += 1
        return gauge("airwarden_dag_runs", counts)

    def _give_birth(self, fleet: set[DagLabels]) -> None:
        """Born at 0: every kind of DAG that the fleet has, and the six types whether it has or not."""
        kinds = {(dag.type, dag.tier, dag.team) for dag in fleet}
        kinds |= {(kind, UNSET, UNSET) for kind in TYPES if kind not in {k for k, _, _ in kinds}}
        self._finished.born(
            (state, run_type, *kind)
            for state in _ENDINGS
            for run_type in RUN_TYPES
            for kind in kinds
        )
        self._duration.born((state, kind, tier) for state in _ENDINGS for kind, tier, _ in kinds)
        self._delay.born({(tier, team) for _, tier, team in kinds})
        self._task_started.born([("default",)])
        self._task_wait.born([("default",)])
        self._task_finished.born(
            (state, "default", tier, team) for state in _TASK_ENDINGS for _, tier, team in kinds
        )
