"""The exporter, composed from the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import structlog

from airwarden.adapters.clock import SystemClock
from airwarden.cli import composition
from airwarden.cli.composition import ClusterPorts
from airwarden.core.errors import AirwardenError, WrongInputError
from airwarden.core.settings import Cluster, Settings, Sla
from airwarden.exporters.app import Exporter, ExporterConfig
from airwarden.exporters.collector import Timing
from airwarden.exporters.sources import ClusterSources, DagRule, FreshnessTarget

_log = structlog.get_logger(__name__)
_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class ExporterProgram:
    """The exporter with what it takes to read its settings again.

    Args:
        load: Reads the settings; raises WrongInputError.
    """

    def __init__(self, load: Callable[[], Settings]) -> None:
        self._load = load
        self._ports: list[ClusterPorts] = []
        self._retired: list[ClusterPorts] = []
        self.clock = SystemClock()
        settings = load()
        clusters, timings = self._compose(settings)
        self.exporter = Exporter(
            clusters,
            ExporterConfig(
                host=settings.exporter.listen.host,
                port=settings.exporter.listen.port,
                timings=timings,
                reload=self._reload,
            ),
            self.clock,
        )

    def stop(self) -> None:
        """Stop serving and close what is open."""
        self.exporter.stop()
        self.clock.stop()
        composition.close(self._ports)

    def _reload(self) -> tuple[Sequence[ClusterSources], Mapping[str, Timing]]:
        settings = self._load()
        # Those of the reload before: nothing uses them any more.
        composition.close(self._retired)
        retiring = self._ports
        composed = self._compose(settings)
        self._retired = retiring
        return composed

    def _compose(self, settings: Settings) -> tuple[Sequence[ClusterSources], Mapping[str, Timing]]:
        if not settings.clusters:
            raise WrongInputError(
                "is missing: there is nothing to observe",
                place="clusters",
                hint="airwarden init writes one",
            )
        ports = [composition.cluster_ports(cluster) for cluster in settings.clusters]
        for one in ports:
            _open(one)
        self._ports = ports
        return [sources(settings, one) for one in ports], timings(settings)


def _open(ports: ClusterPorts) -> None:
    """Open the database now: at exhaustion, when it matters most, a new login is refused."""
    if ports.database is None:
        return
    try:
        ports.database.open()
    except AirwardenError as error:
        _log.warning("metadata database", cluster=ports.cluster.name, error=str(error))


def sources(settings: Settings, ports: ClusterPorts) -> ClusterSources:
    """Return what the exporter observes of one cluster."""
    cluster = ports.cluster
    return ClusterSources(
        name=cluster.name,
        airflow=ports.airflow,
        database=ports.database,
        broker=ports.broker,
        workers=ports.workers,
        host=ports.host,
        queues=cluster.broker.queues if cluster.broker else (),
        rules=dag_rules(settings, cluster),
        targets=tuple(
            freshness(sla) for sla in settings.slas if settings.cluster_of(sla) == cluster.name
        ),
        dependencies=composition.probes(settings, cluster.name),
        parallelism=cluster.parallelism,
        machine=cluster.this_machine,
    )


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
