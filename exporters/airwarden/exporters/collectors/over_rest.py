"""The collectors of a cluster without a metadata database: the same metrics, less often, over REST.

What REST does not show is absent, never guessed; `core/coverage.py` lists it.
"""

from __future__ import annotations

from collections.abc import Sequence

from airwarden.core.clock import Clock
from airwarden.core.errors import UnavailableError
from airwarden.core.ports import Airflow, MeasuredAirflow
from airwarden.exporters.collector import Collector
from airwarden.exporters.collectors.assets import AssetsCollector
from airwarden.exporters.collectors.dag_runs import DagRunsCollector
from airwarden.exporters.collectors.dags import DagsCollector
from airwarden.exporters.collectors.late_runs import oldest_of
from airwarden.exporters.collectors.task_instances import TaskInstancesCollector
from airwarden.exporters.collectors.waiting import oldest
from airwarden.exporters.families import Family, Labels, gauge
from airwarden.exporters.follow_runs import OPEN_STATES
from airwarden.exporters.labels import DagRegistry
from airwarden.exporters.live_tasks import LiveTasks
from airwarden.exporters.open_runs import OpenNow
from airwarden.exporters.rest_feed import RestRunFeed, RestTaskFeed
from airwarden.exporters.rest_reads import RestDagRegistry, RestLiveTasks, RestQueries
from airwarden.exporters.sources import ClusterSources
from airwarden.exporters.successes import Successes

#: Seconds for a collect: some hundred requests, spaced out.
TIMEOUT = 55.0


def collectors_over_rest(
    cluster: ClusterSources, airflow: Airflow, measured: MeasuredAirflow, clock: Clock
) -> list[Collector]:
    """Return the collectors of such a cluster beside those that need neither."""
    registry = RestDagRegistry(measured, cluster.rules, clock)
    successes = Successes(clock)
    live = RestLiveTasks(measured, airflow, registry, clock)
    runs = RestRunFeed(measured, clock)
    found: list[Collector] = [
        RestDagsCollector(registry),
        RestDagRunsCollector(runs, RestTaskFeed(measured, clock), registry, clock, successes),
        RestLateRunsCollector(runs, registry, clock),
        RestTaskInstancesCollector(live, clock),
        RestWaitingCollector(live),
        RestParsingCollector(measured),
    ]
    if cluster.targets:
        queries = RestQueries(measured)
        found.append(RestAssetsCollector(queries, registry, cluster.targets, clock, successes))
    return found


class RestDagsCollector(DagsCollector):
    """Reads the next part of the DAGs, for all collectors."""

    timeout = TIMEOUT

    def __init__(self, registry: RestDagRegistry) -> None:
        super().__init__(registry)
        self._sweep = registry.sweep

    def collect(self) -> Sequence[Family]:
        """Return DAGs by status, as of the last time that all were read."""
        self._sweep()
        return super().collect()


class RestDagRunsCollector(DagRunsCollector):
    """Follows runs and attempts by their starts and ends."""

    interval = 30.0
    timeout = TIMEOUT

    def __init__(
        self,
        runs: RestRunFeed,
        tasks: RestTaskFeed,
        registry: DagRegistry,
        clock: Clock,
        successes: Successes,
    ) -> None:
        self._follow(runs, tasks, registry, clock, successes)


class RestTaskInstancesCollector(TaskInstancesCollector):
    """Reads the unfinished tasks once a minute."""

    interval = 60.0
    timeout = TIMEOUT


class RestAssetsCollector(AssetsCollector):
    """Asks for each asset that has a target once a minute."""

    interval = 60.0
    timeout = TIMEOUT


class RestLateRunsCollector:
    """Tells the age of open runs, as whoever follows them read them."""

    name = "late_runs"
    interval = 30.0
    timeout = 10.0

    def __init__(self, runs: RestRunFeed, registry: DagRegistry, clock: Clock) -> None:
        self._runs = runs
        self._registry = registry
        self._clock = clock

    def collect(self) -> Sequence[Family]:
        """Return the age of the oldest open run by state and tier."""
        if not self._runs.is_fresh:
            raise UnavailableError("the open runs have not been read for two minutes")
        none: dict[Labels, float] = {
            (state, tier): 0.0 for state in OPEN_STATES for tier, _ in self._registry.fleet().owners
        }
        found = OpenNow(tuple(self._runs.open.values()), self._clock.now())
        ages = oldest_of(found, self._registry, none)
        return [gauge("airwarden_dag_run_oldest_age_seconds", ages)]


class RestWaitingCollector:
    """Tells how long unfinished tasks have been in their state; of deferred ones REST tells nothing."""

    name = "waiting"
    interval = 60.0
    timeout = TIMEOUT

    def __init__(self, live: LiveTasks) -> None:
        self._live = live

    def collect(self) -> Sequence[Family]:
        """Return the age of the oldest task by state and queue."""
        ages = oldest(self._live.look().groups)
        told = {labels: age for labels, age in ages.items() if labels[0] != "deferred"}
        return [gauge("airwarden_task_oldest_age_seconds", told)]


class RestParsingCollector:
    """Counts import errors by bundle, and warnings by kind."""

    name = "parsing"
    interval = 60.0
    timeout = TIMEOUT

    def __init__(self, airflow: MeasuredAirflow) -> None:
        self._airflow = airflow
        self._bundles: set[str] = set()

    def collect(self) -> Sequence[Family]:
        """Return both; a bundle once seen stays, at 0."""
        errors = self._airflow.import_errors()
        self._bundles |= set(sorted(errors)[: max(0, 100 - len(self._bundles))])
        return [
            gauge(
                "airwarden_dag_import_errors",
                {(bundle,): errors.get(bundle, 0) for bundle in self._bundles},
            ),
            gauge(
                "airwarden_dag_warnings",
                {(kind,): number for kind, number in self._airflow.dag_warnings().items()},
            ),
        ]
