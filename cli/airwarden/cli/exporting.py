"""The exporter, composed from the settings."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from airwarden.adapters.clock import SystemClock
from airwarden.adapters.connection_strings import same_database
from airwarden.adapters.secrets import read_secret
from airwarden.adapters.tls import RenewedContext, TlsFiles
from airwarden.cli import composition, stated
from airwarden.cli.composition import ClusterPorts
from airwarden.cli.listeners import Listeners
from airwarden.cli.outputs import mapped
from airwarden.cli.reporting import Reporting
from airwarden.cli.running import OpenPorts, changed
from airwarden.core.clock import Clock
from airwarden.core.errors import WrongInputError
from airwarden.core.failures import FailureRule
from airwarden.core.ports import Lease
from airwarden.core.settings import Cluster, Settings, Sla
from airwarden.exporters.app import Exporter, ExporterConfig, Reloaded
from airwarden.exporters.collector import Timing
from airwarden.exporters.door import Door
from airwarden.exporters.failures.desk import FailureDesk
from airwarden.exporters.failures.door import FAILURES, FailureDoor
from airwarden.exporters.server import Reply
from airwarden.exporters.sources import (
    ClusterSources,
    DagRule,
    FailureOptions,
    FreshnessTarget,
    MappedMetric,
)

#: What is taken at the start alone.
_FIXED = (
    "exporter.listen",
    "exporter.auth",
    "exporter.tls",
    "exporter.lease",
    "exporter.max_series",
    "exporter.failures.token",
)
_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class ExporterProgram:
    """The exporter with what it takes to read its settings again.

    Args:
        load: Reads the settings; raises WrongInputError.
        own_process: Whether nothing else runs in this process.
    """

    def __init__(self, load: Callable[[], Settings], *, own_process: bool = False) -> None:
        self._load = load
        self._ports = OpenPorts("observe", ends_sessions=False, connections=composition.MANY)
        self._listeners = Listeners()
        self.clock = SystemClock()
        self._reporting = Reporting(self.clock)
        self._desk = FailureDesk(self.clock)
        settings = self._started_with = load()
        self._lease_url = lease_url(settings)
        failures = FailureDoor(self._desk)
        clusters, timings = self._compose(settings)
        self.exporter = Exporter(
            clusters,
            ExporterConfig(
                host=settings.exporter.listen.host,
                port=settings.exporter.listen.port,
                timings=timings,
                reload=self._reload,
                max_series=settings.exporter.max_series,
                door=door(settings),
                tls=tls(settings),
                lease=lease(settings, self.clock),
                own_process=own_process,
                posts={
                    **self._reporting.posts(),
                    FAILURES: failures.post(listeners_door(settings)),
                },
                reads={FAILURES: failures.read},
            ),
            self.clock,
        )

    def start(self) -> None:
        """Begin to collect and serve; raises OSError where the address is taken."""
        self.exporter.start()

    def reload(self) -> Reply:
        """Read the settings again; a refusal is logged and shown as a metric."""
        return self.exporter.reload()

    def stop(self) -> None:
        """Stop serving and close what is open."""
        self.exporter.stop()
        self.clock.stop()
        self._ports.close()
        self._listeners.close()
        self._reporting.close()

    def _reload(self) -> Reloaded:
        settings = self._load()
        for url in {self._lease_url, lease_url(settings)} - {None}:
            check_lease(str(url), settings)
        clusters, timings = self._compose(settings)
        return Reloaded(clusters, timings, self._later(settings))

    def _later(self, settings: Settings) -> tuple[str, ...]:
        """Return what changed and is not taken up."""
        fixed: tuple[str, ...] = _FIXED
        if settings.exporter.lease is not None and settings.exporter.lease.url is None:
            fixed += ("remediator.journal.url",)
        return tuple(changed(fixed, self._started_with, settings))

    def _compose(self, settings: Settings) -> tuple[Sequence[ClusterSources], Mapping[str, Timing]]:
        ports = self._ports.renew(settings)
        self._reporting.renew(settings)
        # Before new ones are made: an address may go from one cluster to another.
        self._listeners.keep(settings.clusters)
        found = [
            replace(
                sources(settings, one),
                statsd=self._listeners.of(one.cluster),
                reported=self._reporting.values(one.cluster.name),
                book=self._desk.book(one.cluster.name),
            )
            for one in ports
        ]
        self._desk.keep([one.name for one in found])
        return found, timings(settings)


def door(settings: Settings) -> Door | None:
    """Return who may read the metrics; raises WrongInputError where the secret cannot be read."""
    auth = settings.exporter.auth
    if auth is None:
        return None
    name, reference = ("password", auth.password) if auth.password else ("token", auth.token)
    if reference is None:
        raise AssertionError("the settings hold one way to sign in")

    def read() -> str:
        return read_secret(reference, place=f"exporter.auth.{name}").get_secret_value()

    return Door(read, username=auth.username)


def listeners_door(settings: Settings) -> Door | None:
    """Return who may report failures; raises WrongInputError where the token cannot be read."""
    place, reference = "exporter.failures.token", settings.exporter.failures.token
    if reference is None and settings.exporter.events is not None:
        place, reference = "exporter.events.token", settings.exporter.events.token
    if reference is None:
        return None

    def read() -> str:
        return read_secret(reference, place=place).get_secret_value()

    return Door(read)


def tls(settings: Settings) -> Callable[[], ssl.SSLContext] | None:
    """Return what gives the TLS context for each connection; raises WrongInputError."""
    wanted = settings.exporter.tls
    if wanted is None:
        return None
    files = TlsFiles(wanted.cert_file, wanted.key_file, wanted.client_ca_file)
    return RenewedContext(files, place="exporter.tls").now


def lease(settings: Settings, clock: Clock) -> Lease | None:
    """Return the lease that several exporters share; raises WrongInputError where it cannot be one."""
    wanted = settings.exporter.lease
    url = lease_url(settings)
    if wanted is None or url is None:
        return None
    from airwarden.remediation.shared_lease import SharedLease

    check_lease(url, settings)
    return SharedLease(url, clock, name="exporter", life=wanted.life.total_seconds())


def lease_url(settings: Settings) -> str | None:
    """Return where the exporters' lease stands; raises WrongInputError where it cannot be read."""
    wanted = settings.exporter.lease
    if wanted is None:
        return None
    if wanted.url is None:
        url = read_secret(settings.remediator.journal.url, place="remediator.journal.url")
    else:
        url = read_secret(wanted.url, place="exporter.lease.url")
    return url.get_secret_value()


def check_lease(url: str, settings: Settings) -> None:
    """Raise WrongInputError where the exporters' lease stands in a database of Airflow's."""
    for place, dsn in composition.metadata_dsns(settings):
        if same_database(url, dsn):
            raise WrongInputError(
                f"the exporters' lease may not stand in Airflow's own database, that of {place}",
                place="exporter.lease",
                hint="give exporter.lease.url_file of another database",
            )


def sources(settings: Settings, ports: ClusterPorts) -> ClusterSources:
    """Return what the exporter observes of one cluster."""
    cluster = ports.cluster
    return ClusterSources(
        name=cluster.name,
        airflow=ports.airflow,
        measured=composition.measured(cluster),
        database=ports.database,
        broker=ports.broker,
        workers=ports.workers,
        host=ports.host,
        kubernetes=composition.followed(cluster),
        pooler=ports.pooler,
        mariadb=ports.mariadb,
        queues=cluster.broker.queues if cluster.broker else (),
        rules=dag_rules(settings, cluster),
        targets=tuple(
            freshness(sla) for sla in settings.slas if settings.cluster_of(sla) == cluster.name
        ),
        dependencies=composition.probes(settings, cluster.name),
        parallelism=cluster.parallelism,
        machine=cluster.this_machine,
        mapped=tuple(
            MappedMetric(rule.metric, {} if rule.whole else rule.labels)
            for rule in mapped(settings)
            if rule.cluster == cluster.name
        ),
        failures=failure_options(settings),
        queries=stated.queries(settings, cluster.name),
        report_due=settings.business.report_due.total_seconds(),
    )


def failure_options(settings: Settings) -> FailureOptions:
    """Return how failed attempts get their cause."""
    wanted = settings.exporter.failures
    return FailureOptions(
        rules=tuple(
            FailureRule(
                rule.cause, rule.why, rule.exceptions, rule.codes, rule.operators, rule.packages,
                rule.events, rule.texts,
            )
            for rule in wanted.rules
        ),
        logs=wanted.logs,
        logs_per_minute=wanted.logs_per_minute,
        log_bytes=wanted.log_bytes,
        wait=wanted.wait.total_seconds(),
    )  # fmt: skip


def dag_rules(settings: Settings, cluster: Cluster) -> tuple[DagRule, ...]:
    """Return the match rules; the examples of a priority class come last, as its members."""
    written = tuple(
        DagRule(rule.dags, rule.tier or "", rule.team or "", rule.type or "")
        for rule in cluster.match
    )
    allocation = settings.resource_allocation
    examples = tuple(
        DagRule(example, tier=tier)
        for tier, wanted in (allocation.priority_classes if allocation else {}).items()
        for example in wanted.examples
    )
    return written + examples


def freshness(sla: Sla) -> FreshnessTarget:
    """Return an SLA as the exporter takes it."""
    return FreshnessTarget(
        subject=sla.asset or sla.dag or "",
        seconds=sla.target.total_seconds(),
        is_dag=sla.dag is not None,
        timezone=sla.timezone,
        days=frozenset(_WEEK.index(day) for day in sla.expected_days),
    )


def timings(settings: Settings) -> dict[str, Timing]:
    """Return the operator's changes to collectors."""
    return {
        name: Timing(
            interval=wanted.interval.total_seconds() if wanted.interval else None,
            timeout=wanted.timeout.total_seconds() if wanted.timeout else None,
            enabled=wanted.enabled,
        )
        for name, wanted in settings.exporter.collectors.items()
    }
