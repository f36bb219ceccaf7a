"""What the exporter observes of one cluster: ports, and the operator's word on DAGs and assets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from airwarden.core.failures import FailureRule
from airwarden.core.kubernetes_seen import MeasuredKubernetes
from airwarden.core.ports import (
    Airflow,
    Host,
    MariaDb,
    MeasuredAirflow,
    MeasuredBroker,
    MetadataDatabase,
    Pooler,
    Probe,
    Prometheus,
    StatedSql,
    Statsd,
    Workers,
)
from airwarden.exporters.failures.book import FailureBook
from airwarden.exporters.reported import ReportedValues


@dataclass(frozen=True, slots=True)
class DagRule:
    """Gives tier, team and type to the DAGs it matches, where their Airflow tags do not.

    Attributes:
        dags: Shell-style pattern over `dag_id`.
        tier, team, type: Empty where the rule says nothing of it.
    """

    dags: str
    tier: str = ""
    team: str = ""
    type: str = ""


@dataclass(frozen=True, slots=True)
class FreshnessTarget:
    """How old an asset, or a DAG's last success, may be.

    Attributes:
        subject: An asset's name or URI, or a `dag_id`.
        seconds: Greatest age.
        is_dag: Whether the subject is a DAG.
        timezone: IANA zone in which days are counted.
        days: Weekdays on which its age grows, Monday 0.
    """

    subject: str
    seconds: float
    is_dag: bool = False
    timezone: str = "UTC"
    days: frozenset[int] = frozenset(range(7))


@dataclass(frozen=True, slots=True)
class MappedMetric:
    """A metric, or samples of it, that comes from the site's own series and is not given here.

    Attributes:
        metric: Its name in the catalogue.
        labels: Which samples: those with these label values; all of them where it is empty.
    """

    metric: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FailureOptions:
    """How failed attempts get their cause.

    Attributes:
        rules: The site's own; they win over the shipped ones.
        logs: Whether ends of task logs are read through REST.
        logs_per_minute: Most of them.
        log_bytes: Most bytes of one.
        wait: Seconds for which an attempt waits for its evidence.
    """

    rules: tuple[FailureRule, ...] = ()
    logs: bool = True
    logs_per_minute: int = 30
    log_bytes: int = 4_194_304
    wait: float = 60.0


@dataclass(frozen=True, slots=True)
class StatedQuery:
    """A business metric that the operator states, by SQL or by PromQL.

    Attributes:
        name: Names its collector.
        metric: Its name in the catalogue.
        source: How its values are marked.
        interval: Seconds between two times it is asked.
        timeout: Deadline in seconds.
        database, sql: Where and what is asked, or
        prometheus, promql: the same.
    """

    name: str
    metric: str
    source: str
    interval: float
    timeout: float
    database: StatedSql | None = None
    sql: str = ""
    prometheus: Prometheus | None = None
    promql: str = ""


@dataclass(frozen=True, slots=True)
class ClusterSources:
    """One cluster. A port is None where the platform lacks it or none is configured.

    Attributes:
        name: Value of the `cluster` label.
        measured: Read for metrics where there is no database.
        api_name: `hostname` label of the API server's `airwarden_component_up`.
        queues: Celery queues to measure.
        rules: In order; the first that matches and gives a value wins.
        dependencies: Name → probe.
        parallelism: Tasks that all executors together may run at once; None if nobody said.
        failures: How failed attempts get their cause.
        book: Where listeners' reports come in and verdicts are kept; a new one where it is None.
        machine: Whether cpu and memory of this machine stand for the cluster's.
        reported: What others report; kept over a change of the configuration.
        mapped: What is left out.
        queries: Business metrics that the operator states; they need `reported`.
        report_due: Seconds after which the report of a DAG is due that does not say so itself.
    """

    name: str
    airflow: Airflow | None = None
    measured: MeasuredAirflow | None = None
    database: MetadataDatabase | None = None
    broker: MeasuredBroker | None = None
    workers: Workers | None = None
    host: Host | None = None
    kubernetes: MeasuredKubernetes | None = None
    pooler: Pooler | None = None
    mariadb: MariaDb | None = None
    statsd: Statsd | None = None
    api_name: str = "api-server"
    queues: tuple[str, ...] = ("default",)
    rules: tuple[DagRule, ...] = ()
    targets: tuple[FreshnessTarget, ...] = ()
    dependencies: Mapping[str, Probe] = field(default_factory=dict)
    parallelism: int | None = None
    machine: bool = False
    reported: ReportedValues | None = None
    mapped: tuple[MappedMetric, ...] = ()
    failures: FailureOptions = FailureOptions()
    book: FailureBook | None = None
    queries: tuple[StatedQuery, ...] = ()
    report_due: float = 3600.0
