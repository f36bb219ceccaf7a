"""One collector a file; `collectors_for` says which of them a cluster has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from airwarden.core.clock import Clock
from airwarden.exporters.collector import Collector
from airwarden.exporters.collectors.api_server import ApiServerCollector
from airwarden.exporters.collectors.asset_reports import AssetReportsCollector
from airwarden.exporters.collectors.assets import AssetsCollector
from airwarden.exporters.collectors.broker import BrokerCollector
from airwarden.exporters.collectors.canaries import (
    CanariesByRest,
    CanariesCollector,
    CanariesInDatabase,
)
from airwarden.exporters.collectors.celery_tasks import CeleryTasksCollector
from airwarden.exporters.collectors.consistency import ConsistencyCollector
from airwarden.exporters.collectors.dag_health import DagHealthCollector
from airwarden.exporters.collectors.dag_runs import DagRunsCollector
from airwarden.exporters.collectors.dags import DagsCollector
from airwarden.exporters.collectors.database import DatabaseCollector
from airwarden.exporters.collectors.database_activity import DatabaseActivityCollector
from airwarden.exporters.collectors.database_statements import DatabaseStatementsCollector
from airwarden.exporters.collectors.database_tables import DatabaseTablesCollector
from airwarden.exporters.collectors.deadlines import DeadlinesCollector
from airwarden.exporters.collectors.dependencies import DependenciesCollector
from airwarden.exporters.collectors.deployments import DeploymentsCollector
from airwarden.exporters.collectors.heartbeats import HeartbeatsCollector
from airwarden.exporters.collectors.host import HostCollector
from airwarden.exporters.collectors.kubernetes_pods import KubernetesPodsCollector
from airwarden.exporters.collectors.kubernetes_workloads import KubernetesWorkloadsCollector
from airwarden.exporters.collectors.late_runs import LateRunsCollector
from airwarden.exporters.collectors.machine import MachineCollector
from airwarden.exporters.collectors.mariadb import MariaDbCollector
from airwarden.exporters.collectors.over_rest import collectors_over_rest
from airwarden.exporters.collectors.parsing import ParsingCollector
from airwarden.exporters.collectors.pooler import PoolerCollector
from airwarden.exporters.collectors.pools import PoolsCollector
from airwarden.exporters.collectors.queries import QueriesCollector
from airwarden.exporters.collectors.reported import ReportedCollector
from airwarden.exporters.collectors.scheduler_lag import SchedulerLagCollector
from airwarden.exporters.collectors.stated import StatedCollector
from airwarden.exporters.collectors.statsd import StatsdCollector
from airwarden.exporters.collectors.tagged_dags import TaggedDagsCollector
from airwarden.exporters.collectors.task_events import TaskEventsCollector
from airwarden.exporters.collectors.task_failures import TaskFailuresCollector
from airwarden.exporters.collectors.task_instances import TaskInstancesCollector
from airwarden.exporters.collectors.triggers import TriggersCollector
from airwarden.exporters.collectors.waiting import WaitingCollector
from airwarden.exporters.collectors.workers import WorkersCollector
from airwarden.exporters.dependency_states import DependencyStates
from airwarden.exporters.details import Detail
from airwarden.exporters.endings import Endings
from airwarden.exporters.failures import rules
from airwarden.exporters.failures.attempts import (
    AttemptsByRest,
    AttemptsInDatabase,
    FailedAttempts,
)
from airwarden.exporters.failures.book import FailureBook
from airwarden.exporters.failures.classify import Classifier
from airwarden.exporters.failures.tails import LogTails
from airwarden.exporters.labels import DagRegistry
from airwarden.exporters.live_tasks import LiveTasks
from airwarden.exporters.open_runs import OpenRuns
from airwarden.exporters.queries import CountedDatabase
from airwarden.exporters.sources import ClusterSources
from airwarden.exporters.successes import Successes

#: Every collector's name, as `exporter.collectors` in airwarden.yaml may give it.
NAMES = (
    "api_server", "asset_reports", "assets", "broker", "canaries", "celery_tasks", "consistency", "dag_health", "dag_runs", "dags", "database",
    "database_activity", "database_statements", "database_tables", "deadlines", "dependencies",
    "deployments", "heartbeats", "host", "kubernetes_pods", "kubernetes_workloads", "late_runs", "machine", "mariadb", "parsing", "pooler", "pools", "queries",
    "reported", "scheduler_lag", "statsd", "tagged_dags", "task_events", "task_failures", "task_instances", "triggers", "waiting",
    "workers",
)  # fmt: skip


def collectors_for(cluster: ClusterSources, clock: Clock) -> Sequence[Collector]:
    """Return the collectors that a cluster's sources allow, with fresh state."""
    found: list[Collector] = []
    registry: DagRegistry | None = None
    states = DependencyStates(clock)
    live: LiveTasks | None = None
    if cluster.database is not None:
        counted = CountedDatabase(cluster.database)
        cluster = replace(cluster, database=counted)
        registry = DagRegistry(counted, cluster.rules, clock)
        live = LiveTasks(counted, clock)
        found += _of_database(cluster, counted, registry, live, clock)
    elif cluster.airflow is not None and cluster.measured is not None:
        found += collectors_over_rest(cluster, cluster.airflow, cluster.measured, clock)
    found += _of_work(cluster, registry, states, clock)
    if cluster.database is not None or cluster.airflow is not None:
        found.append(HeartbeatsCollector(clock, cluster.database, cluster.airflow))
        found.append(PoolsCollector(live, cluster.airflow))
    return [*found, *_of_systems(cluster, states, clock)]


def _of_work(
    cluster: ClusterSources, registry: DagRegistry | None, states: DependencyStates, clock: Clock
) -> list[Collector]:
    """Return the collectors of failures and canaries, by the database or without one by REST."""
    attempts: FailedAttempts
    if cluster.database is not None and registry is not None:
        attempts = AttemptsInDatabase(cluster.database, registry, clock)
        canaries = CanariesCollector(CanariesInDatabase(cluster.database, registry))
    elif cluster.airflow is not None:
        attempts = AttemptsByRest(cluster.airflow, cluster.rules, clock)
        canaries = CanariesCollector(CanariesByRest(cluster.airflow))
    else:
        return []
    options = cluster.failures
    tails = None
    if options.logs and cluster.airflow is not None:
        tails = LogTails(
            cluster.airflow, clock, per_minute=options.logs_per_minute, most=options.log_bytes
        )
    failures = TaskFailuresCollector(
        attempts,
        Classifier(options.rules, rules.shipped()),
        cluster.book or FailureBook(clock),
        tails,
        states,
        clock,
        wait=options.wait,
    )
    return [failures, canaries]


def _of_systems(cluster: ClusterSources, states: DependencyStates, clock: Clock) -> list[Collector]:
    """Return the collectors of what stands beside the database."""
    found: list[Collector] = []
    if cluster.airflow is not None:
        found.append(ApiServerCollector(cluster.airflow, cluster.api_name))
    found += _of_hosts(cluster, clock)
    if cluster.broker is not None:
        found.append(BrokerCollector(cluster.broker, cluster.queues))
        if cluster.database is not None:
            found.append(
                CeleryTasksCollector(
                    cluster.database, cluster.broker, cluster.workers, cluster.queues
                )
            )
    if cluster.workers is not None:
        found.append(WorkersCollector(cluster.workers, clock, cluster.host, cluster.queues))
    if cluster.pooler is not None:
        found.append(PoolerCollector(cluster.pooler))
    if cluster.mariadb is not None:
        found.append(MariaDbCollector(cluster.mariadb))
    if cluster.statsd is not None:
        found.append(StatsdCollector(cluster.statsd, clock))
    if cluster.dependencies:
        found.append(DependenciesCollector(cluster.dependencies, states))
    if cluster.reported is not None:
        found.append(ReportedCollector(cluster.reported))
        found += [StatedCollector(query, cluster.reported, clock) for query in cluster.queries]
    return found


def _of_hosts(cluster: ClusterSources, clock: Clock) -> list[Collector]:
    """Return the collectors of what the processes run on."""
    found: list[Collector] = []
    if cluster.host is not None:
        found.append(HostCollector(cluster.host))
    if cluster.kubernetes is not None:
        found.append(KubernetesPodsCollector(cluster.kubernetes, clock))
        found.append(KubernetesWorkloadsCollector(cluster.kubernetes))
    if cluster.machine:
        found.append(MachineCollector())
    return found


def _of_database(
    cluster: ClusterSources,
    database: CountedDatabase,
    registry: DagRegistry,
    live: LiveTasks,
    clock: Clock,
) -> list[Collector]:
    successes, endings, open_runs = Successes(clock), Endings(clock), OpenRuns(clock)
    details: list[Collector] = [
        DatabaseTablesCollector(database),
        DatabaseStatementsCollector(database),
        DagHealthCollector(database, registry, endings),
        LateRunsCollector(database, registry, open_runs),
        TaskEventsCollector(database, registry),
        WaitingCollector(database, live, cluster.parallelism),
        TriggersCollector(database),
        ParsingCollector(database, clock),
        DeploymentsCollector(database, registry),
        DeadlinesCollector(database, registry),
        ConsistencyCollector(database),
    ]
    if (values := cluster.reported) is not None:
        due = cluster.report_due
        details.append(TaggedDagsCollector(database, registry, values, clock, due))
        details.append(AssetReportsCollector(database, registry, values))
    return [
        QueriesCollector(database),
        DatabaseCollector(database),
        DatabaseActivityCollector(database),
        DagsCollector(registry),
        DagRunsCollector(database, registry, clock, successes, endings, open_runs),
        TaskInstancesCollector(live, clock),
        SchedulerLagCollector(database, live),
        AssetsCollector(database, registry, cluster.targets, clock, successes),
        *(Detail(collector) for collector in details),
    ]
