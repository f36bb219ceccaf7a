"""DAG runs and task attempts, each completion counted once; see `run_feed`, `follow_runs`, `follow_tasks`."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Mapping, Sequence

from airwarden.core.clock import Clock
from airwarden.core.ports import MetadataDatabase
from airwarden.exporters.endings import Endings
from airwarden.exporters.families import OVERFLOW, Counter, Family, Histogram, Labels, gauge
from airwarden.exporters.fleet import Fleet
from airwarden.exporters.follow_runs import OPEN_STATES, Run
from airwarden.exporters.follow_tasks import Attempt
from airwarden.exporters.labels import TYPES, UNSET, DagLabels, DagRegistry
from airwarden.exporters.open_runs import OpenRuns
from airwarden.exporters.run_feed import RunFeed, Runs, TaskFeed, Tasks
from airwarden.exporters.sightings import DAY, Sightings
from airwarden.exporters.successes import Successes

RUN_TYPES = ("scheduled", "manual", "asset_triggered", "backfill")
_ENDINGS = ("success", "failed")
_TASK_ENDINGS = ("success", "failed", "up_for_retry")


class DagRunsCollector:
    """Follows runs by their serial id and the set of open ones, and the tasks of those.

    A restart begins at the present: counters start at 0, and nothing is counted twice. The runs of our own
    canaries are nobody's work, and in none of these.
    """

    name = "dag_runs"
    interval = 5.0
    timeout = 10.0

    def __init__(
        self,
        database: MetadataDatabase,
        registry: DagRegistry,
        clock: Clock,
        successes: Successes | None = None,
        endings: Endings | None = None,
        open_runs: OpenRuns | None = None,
    ) -> None:
        runs = RunFeed(database, clock)
        tasks = TaskFeed(database, clock, runs)
        self._follow(runs, tasks, registry, clock, successes, endings, open_runs)

    def _follow(
        self,
        runs: Runs,
        tasks: Tasks,
        registry: DagRegistry,
        clock: Clock,
        successes: Successes | None = None,
        endings: Endings | None = None,
        open_runs: OpenRuns | None = None,
    ) -> None:
        """Set up to follow these feeds; counters start at 0."""
        self._registry = registry
        self._clock = clock
        self._successes = successes or Successes(clock)
        self._endings = endings or Endings(clock)
        self._open_to_others = open_runs or OpenRuns(clock)
        self._runs = runs
        self._tasks = tasks
        self._began = False
        self._born_for: Fleet | None = None
        self._queues = Sightings(clock, keep=DAY, always=("default", OVERFLOW))
        self._pools = Sightings(clock, keep=DAY, always=("default_pool", OVERFLOW))
        self._finished = Counter("airwarden_dag_runs_finished_total")
        self._duration = Histogram("airwarden_dag_run_duration_seconds")
        self._delay = Histogram("airwarden_dag_run_schedule_delay_seconds")
        self._task_started = Counter("airwarden_task_instances_started_total")
        self._task_finished = Counter("airwarden_task_instances_finished_total")
        self._task_duration = Histogram("airwarden_task_duration_seconds")
        self._task_wait = Histogram("airwarden_task_queue_wait_seconds")
        self._schedule_wait = Histogram("airwarden_task_schedule_wait_seconds")
        self._attempts = Histogram("airwarden_task_attempts")

    def collect(self) -> Sequence[Family]:
        """Return runs and tasks; what was counted stays counted when a later query fails."""
        fleet = self._registry.fleet()
        if fleet is not self._born_for:
            self._give_birth(fleet)
            self._born_for = fleet
        self._retire(fleet.work)
        if not self._began:
            self._runs.begin()
            self._tasks.begin()
            self._began = True
            self._successes.note(())
        open_now = self._follow_runs(fleet)
        self._follow_tasks()
        return [
            open_now,
            self._finished.family(),
            self._duration.family(),
            self._delay.family(),
            self._task_started.family(),
            self._task_finished.family(),
            self._task_duration.family(),
            self._task_wait.family(),
            self._schedule_wait.family(),
            self._attempts.family(),
        ]

    def _follow_runs(self, fleet: Fleet) -> Family:
        """Count what became of runs; return the open ones."""
        reading = self._runs.read()
        # Whatever can fail comes before the state changes: then the look is repeated as a whole.
        labels = self._registry.of(reading.dags)
        self._expect(reading.open_now, labels, fleet)
        seen = self._runs.take(reading)
        self._count_starts(seen.started, labels)
        self._count_ends(seen.finished, labels)
        self._successes.note(
            (run.dag_id, run.end_date)
            for run in seen.finished
            if run.state == "success" and run.end_date is not None
        )
        self._endings.note(seen.finished)
        self._open_to_others.note(self._runs.open.values(), reading.now)
        self._tasks.settle([run.id for run in seen.finished])
        return self._open_runs(labels, fleet)

    def _count_starts(self, started: Sequence[Run], labels: Mapping[str, DagLabels]) -> None:
        for run in started:
            dag = labels[run.dag_id]
            if run.run_type == "scheduled" and run.start_date is not None and not dag.canary:
                delay = max(0.0, (run.start_date - run.run_after).total_seconds())
                self._delay.observe((dag.tier, dag.team), delay)

    def _count_ends(self, finished: Sequence[Run], labels: Mapping[str, DagLabels]) -> None:
        for run in finished:
            dag = labels[run.dag_id]
            if dag.canary:
                continue
            run_type = run.run_type if run.run_type in RUN_TYPES else "other"
            self._finished.add((run.state, run_type, dag.type, dag.tier, dag.team))
            if run.start_date is not None and run.end_date is not None:
                seconds = max(0.0, (run.end_date - run.start_date).total_seconds())
                self._duration.observe((run.state, dag.type, dag.tier), seconds)

    def _follow_tasks(self) -> None:
        """Count attempts of open runs as they change, and all of a run's once more when it ended."""
        begun, attempts = self._tasks.read()
        labels = self._registry.of({attempt.dag_id for attempt in attempts})
        started, ended = self._tasks.take(begun, attempts)
        canaries = {dag_id for dag_id, dag in labels.items() if dag.canary}
        started = [attempt for attempt in started if attempt.dag_id not in canaries]
        self._queues.note({attempt.queue for attempt in attempts})
        self._pools.note({attempt.pool for attempt in attempts})
        for attempt in started:
            self._task_started.add((attempt.queue,))
            if (wait := attempt.queue_wait) is not None:
                self._task_wait.observe((attempt.queue,), wait)
            if (wait := attempt.schedule_wait) is not None:
                self._schedule_wait.observe((attempt.pool,), wait)
        for attempt in ended:
            if attempt.dag_id not in canaries:
                self._count_task(attempt, labels[attempt.dag_id])

    def _count_task(self, attempt: Attempt, dag: DagLabels) -> None:
        self._task_finished.add((attempt.outcome, attempt.queue, dag.tier, dag.team))
        if (seconds := attempt.duration) is not None:
            self._task_duration.observe((attempt.queue, dag.tier), seconds)
        if (needed := attempt.needed) is not None:
            self._attempts.observe((dag.tier,), needed)

    def _open_runs(self, labels: Mapping[str, DagLabels], fleet: Fleet) -> Family:
        counts: Tally[Labels] = Tally(
            {(state, tier, team): 0 for _, tier, team in fleet.kinds for state in OPEN_STATES}
        )
        counts.update(
            (run.state, dag.tier, dag.team)
            for run in self._runs.open.values()
            if not (dag := labels[run.dag_id]).canary
        )
        return gauge("airwarden_dag_runs", counts)

    def _retire(self, fleet: Mapping[str, DagLabels]) -> None:
        """Drop what belongs to teams without a DAG, and to queues without a task."""
        if not fleet:
            return  # a registry that knows no DAG at all is not believed
        teams, queues, pools = self._registry.teams(), self._queues.seen(), self._pools.seen()
        self._finished.retire(lambda labels: labels[-1] in teams)
        self._delay.retire(lambda labels: labels[-1] in teams)
        self._task_finished.retire(lambda labels: labels[1] in queues and labels[-1] in teams)
        self._task_duration.retire(lambda labels: labels[0] in queues)
        self._task_started.retire(lambda labels: labels[0] in queues)
        self._task_wait.retire(lambda labels: labels[0] in queues)
        self._schedule_wait.retire(lambda labels: labels[0] in pools)
        self._successes.forget_others(fleet.keys())

    def _expect(self, runs: Sequence[Run], labels: Mapping[str, DagLabels], fleet: Fleet) -> None:
        """Born at 0 while a run is open: the runs that nobody scheduled are of few kinds.

        Those of scheduled ones are born with the fleet, but for DAGs that are not in it.
        """
        kinds = {
            (run.run_type, dag.type, dag.tier, dag.team)
            for run in runs
            if (run.run_type != "scheduled" or run.dag_id not in fleet.dags)
            and not (dag := labels[run.dag_id]).canary
        }
        self._finished.born(
            (state, run_type if run_type in RUN_TYPES else "other", *kind)
            for state in _ENDINGS
            for run_type, *kind in kinds
        )

    def _give_birth(self, fleet: Fleet) -> None:
        """Born at 0: every kind of DAG that the fleet has, and the six types whether it has or not."""
        kinds = set(fleet.kinds)
        kinds |= {(kind, UNSET, UNSET) for kind in TYPES if kind not in {k for k, _, _ in kinds}}
        self._finished.born((state, "scheduled", *kind) for state in _ENDINGS for kind in kinds)
        self._duration.born((state, kind, tier) for state in _ENDINGS for kind, tier, _ in kinds)
        self._delay.born({(tier, team) for _, tier, team in kinds})
        self._task_started.born([("default",)])
        self._task_wait.born([("default",)])
        self._schedule_wait.born([("default_pool",)])
        self._attempts.born({(tier,) for _, tier, _ in kinds})
        self._task_finished.born(
            (state, "default", tier, team) for state in _TASK_ENDINGS for _, tier, team in kinds
        )
