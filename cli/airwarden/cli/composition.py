"""The composition root: the only place that builds real adapters, from the settings.

Imported late by the commands that need it; each adapter module is imported only if configured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airwarden.adapters.secrets import SecretToken, read_secret
from airwarden.cli.access import access
from airwarden.core.errors import WrongInputError
from airwarden.core.settings import (
    AirflowApi,
    Broker,
    BusinessQuery,
    Cluster,
    DependencyProbe,
    Host,
    Kubernetes,
    SecretRef,
    Settings,
    Supervisord,
)

if TYPE_CHECKING:
    from airwarden.adapters.airflow import AirflowRest
    from airwarden.adapters.airflow_auth import TokenSource
    from airwarden.adapters.airflow_measured import AirflowMeasures
    from airwarden.adapters.alertmanager import AlertmanagerApi
    from airwarden.adapters.broker_rabbitmq import RabbitBroker
    from airwarden.adapters.broker_redis import RedisBroker
    from airwarden.adapters.host_kubernetes import KubernetesHost
    from airwarden.adapters.host_supervisord import SupervisordHost
    from airwarden.adapters.host_systemd import SystemdHost
    from airwarden.adapters.kubernetes import KubernetesNamespace
    from airwarden.adapters.kubernetes_api import KubernetesApi
    from airwarden.adapters.kubernetes_following import KubernetesFollower
    from airwarden.adapters.local_commands import LocalCommands
    from airwarden.adapters.mariadb import MariaDbServer
    from airwarden.adapters.metadata_database import PostgresMetadata
    from airwarden.adapters.pooler_pgbouncer import PgBouncerPools
    from airwarden.adapters.prometheus import PrometheusApi
    from airwarden.adapters.prometheus_range import PrometheusRange
    from airwarden.adapters.session_ender import PostgresSessionEnder
    from airwarden.adapters.stated_sql import PostgresStatements
    from airwarden.adapters.webhooks import HttpWebhooks
    from airwarden.adapters.workers_celery import CeleryWorkers
    from airwarden.core.ports import Probe


#: Connections to a metadata database: of who collects all the time, and of who looks now and then.
MANY, FEW = 5, 3


@dataclass(frozen=True, slots=True)
class ClusterPorts:
    """One cluster's adapters; None where nothing is configured."""

    cluster: Cluster
    airflow: AirflowRest
    database: PostgresMetadata | None
    session_ender: PostgresSessionEnder | None
    pooler: PgBouncerPools | None
    mariadb: MariaDbServer | None
    broker: RedisBroker | RabbitBroker | None
    workers: CeleryWorkers | None
    host: SupervisordHost | SystemdHost | KubernetesHost | None
    kubernetes: KubernetesNamespace | None = None


def cluster_ports(cluster: Cluster, *, connections: int = FEW) -> ClusterPorts:
    """Build one cluster's adapters; connects to nothing yet.

    Args:
        cluster: Which.
        connections: To its metadata database, for queries at the same time.

    Raises:
        WrongInputError: A secret cannot be read, or is no address of a broker.
    """
    place = f"clusters[{cluster.name}]"
    broker_url = _optional(cluster.broker.url if cluster.broker else None, f"{place}.broker.url")
    broker = _broker(cluster.broker, broker_url, place=f"{place}.broker")
    namespace = _kubernetes(cluster)
    return ClusterPorts(
        cluster=cluster,
        airflow=airflow(cluster.airflow, place=f"{place}.airflow"),
        database=database(cluster, place=f"{place}.metadata_database", connections=connections),
        session_ender=_session_ender(cluster, place=f"{place}.metadata_database"),
        pooler=_pooler(cluster, place=f"{place}.metadata_database"),
        mariadb=_mariadb(cluster, place=f"{place}.mariadb"),
        broker=broker,
        workers=_workers(cluster, broker_url, broker),
        host=_host(cluster.host, namespace, place=f"{place}.host") if cluster.host else None,
        kubernetes=namespace,
    )


def _optional(reference: SecretRef | None, place: str) -> str:
    return read_secret(reference, place=place).get_secret_value() if reference else ""


def token_source(api: AirflowApi, *, place: str) -> TokenSource:
    """Build what gives bearer tokens for Airflow; secrets are read anew at each sign-in."""
    from airwarden.adapters.airflow_auth import CommandToken, FileToken, PasswordToken

    auth = api.auth
    if auth.command:
        return CommandToken(auth.command, timeout=max(10.0, api.timeout.total_seconds()))
    if auth.token is not None:
        if auth.token.file is not None:
            return FileToken(auth.token.file)
        return SecretToken(auth.token, place=f"{place}.auth.token")
    password = auth.password
    if password is None:
        raise AssertionError("the settings hold one way to sign in")

    def read() -> str:
        return read_secret(password, place=f"{place}.auth.password").get_secret_value()

    read()
    return PasswordToken(
        api.url,
        auth.username,
        read,
        timeout=api.timeout.total_seconds(),
        ca_file=str(api.ca_file or ""),
        proxy=api.proxy or "",
    )


def airflow(api: AirflowApi, *, place: str) -> AirflowRest:
    """Build the REST adapter."""
    from airwarden.adapters.airflow import AirflowRest

    return AirflowRest(
        api.url,
        token_source(api, place=place),
        timeout=api.timeout.total_seconds(),
        ca_file=str(api.ca_file or ""),
        proxy=api.proxy or "",
    )


def measured(cluster: Cluster) -> AirflowMeasures | None:
    """Build what measures over REST, if there is no metadata database to read."""
    if cluster.metadata_database is not None:
        return None
    from airwarden.adapters.airflow_measured import AirflowMeasures

    api = cluster.airflow
    return AirflowMeasures(
        api.url,
        token_source(api, place=f"clusters[{cluster.name}].airflow"),
        timeout=api.timeout.total_seconds(),
        rate=api.measure_rate,
        ca_file=str(api.ca_file or ""),
        proxy=api.proxy or "",
    )


def metadata_dsns(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield place and connection string of each metadata database that is configured."""
    for cluster in settings.clusters:
        wanted = cluster.metadata_database
        if wanted is not None:
            place = f"clusters[{cluster.name}].metadata_database"
            yield place, read_secret(wanted.dsn, place=f"{place}.dsn").get_secret_value()


def database(cluster: Cluster, *, place: str, connections: int = FEW) -> PostgresMetadata | None:
    """Build the metadata database's adapter, if one is configured."""
    if cluster.metadata_database is None:
        return None
    from airwarden.adapters.metadata_database import PostgresMetadata

    wanted = cluster.metadata_database
    return PostgresMetadata(
        read_secret(wanted.dsn, place=f"{place}.dsn").get_secret_value(),
        statement_timeout=wanted.statement_timeout.total_seconds(),
        connect_timeout=wanted.connect_timeout.total_seconds(),
        connections=connections,
    )


def _session_ender(cluster: Cluster, *, place: str) -> PostgresSessionEnder | None:
    wanted = cluster.metadata_database
    if wanted is None or wanted.terminator_dsn is None:
        return None
    from airwarden.adapters.session_ender import PostgresSessionEnder

    return PostgresSessionEnder(
        read_secret(wanted.terminator_dsn, place=f"{place}.terminator_dsn").get_secret_value()
    )


def _pooler(cluster: Cluster, *, place: str) -> PgBouncerPools | None:
    wanted = cluster.metadata_database
    if wanted is None or wanted.pgbouncer_dsn is None:
        return None
    from airwarden.adapters.pooler_pgbouncer import PgBouncerPools

    return PgBouncerPools(
        read_secret(wanted.pgbouncer_dsn, place=f"{place}.pgbouncer_dsn").get_secret_value(),
        timeout=wanted.connect_timeout.total_seconds(),
    )


def _mariadb(cluster: Cluster, *, place: str) -> MariaDbServer | None:
    wanted = cluster.mariadb
    if wanted is None:
        return None
    from airwarden.adapters.mariadb import MariaDbServer

    dsn = read_secret(wanted.dsn, place=f"{place}.dsn").get_secret_value()
    try:
        return MariaDbServer(dsn, timeout=wanted.timeout.total_seconds())
    except WrongInputError as error:
        raise WrongInputError(error.message, place=f"{place}.dsn", hint=error.hint) from None


def _broker(broker: Broker | None, url: str, *, place: str) -> RedisBroker | RabbitBroker | None:
    if broker is None:
        return None
    timeout = broker.timeout.total_seconds()
    if broker.management is not None:
        from airwarden.adapters.broker_rabbitmq import RabbitBroker

        management = broker.management
        return RabbitBroker(
            management.url,
            username=management.username,
            password=_optional(management.password, f"{place}.management.password"),
            virtual_host=management.virtual_host,
            timeout=timeout,
        )
    from airwarden.adapters.broker_redis import RedisBroker

    try:
        return RedisBroker(url, timeout=timeout)
    except WrongInputError as error:
        raise WrongInputError(error.message, place=f"{place}.url", hint=error.hint) from None


def _workers(
    cluster: Cluster, broker_url: str, broker: RedisBroker | RabbitBroker | None
) -> CeleryWorkers | None:
    if cluster.broker is None or broker is None or not cluster.workers.inspect:
        return None
    from airwarden.adapters.workers_celery import CeleryWorkers

    return CeleryWorkers(
        broker_url,
        ping=broker.ping,
        reply_timeout=cluster.workers.inspect_timeout.total_seconds(),
        connect_timeout=cluster.broker.timeout.total_seconds(),
    )


def _kubernetes(cluster: Cluster) -> KubernetesNamespace | None:
    wanted = cluster.host.kubernetes if cluster.host else None
    if wanted is None:
        return None
    from airwarden.adapters.kubernetes import KubernetesNamespace

    return KubernetesNamespace(_api_of(wanted), wanted.namespace, release=wanted.release)


def followed(cluster: Cluster) -> KubernetesFollower | None:
    """Build what follows a cluster's pods; connects to nothing yet."""
    wanted = cluster.host.kubernetes if cluster.host else None
    if wanted is None:
        return None
    from airwarden.adapters.kubernetes_following import KubernetesFollower

    return KubernetesFollower(_api_of(wanted), wanted.namespace, release=wanted.release)


def _api_of(wanted: Kubernetes) -> KubernetesApi:
    from airwarden.adapters.kubernetes_api import KubernetesApi

    return KubernetesApi(
        wanted.kubeconfig,
        context=wanted.context,
        timeout=wanted.timeout.total_seconds(),
        proxy=str(wanted.proxy or ""),
    )


def _host(
    wanted: Host, namespace: KubernetesNamespace | None, *, place: str
) -> SupervisordHost | SystemdHost | KubernetesHost:
    if wanted.kubernetes is not None and namespace is not None:
        from airwarden.adapters.host_kubernetes import KubernetesHost

        return KubernetesHost(namespace, celery_hostname=wanted.kubernetes.celery_hostname)
    if wanted.supervisord is not None:
        return supervisord(wanted.supervisord, place=f"{place}.supervisord")
    if wanted.systemd is None:
        raise AssertionError("the settings hold one of the three")
    from airwarden.adapters.host_systemd import SystemdHost

    return SystemdHost(
        wanted.systemd.units,
        systemctl=wanted.systemd.systemctl,
        timeout=wanted.systemd.timeout.total_seconds(),
        celery_hostnames=wanted.systemd.celery_hostnames,
    )


def supervisord(wanted: Supervisord, *, place: str) -> SupervisordHost:
    """Build the supervisord adapter."""
    from airwarden.adapters.host_supervisord import SupervisordHost

    return SupervisordHost(
        wanted.url,
        wanted.programs,
        username=wanted.username,
        password=_optional(wanted.password, f"{place}.password"),
        timeout=wanted.timeout.total_seconds(),
        celery_hostnames=wanted.celery_hostnames,
    )


def prometheus(settings: Settings, *urls: str) -> PrometheusApi | None:
    """Build the Prometheus adapter, if one is configured.

    Args:
        settings: The settings.
        urls: Ask only these of its addresses; all of them if none is given.

    Raises:
        WrongInputError: A secret, a certificate or a key cannot be read.
    """
    wanted = settings.prometheus
    if not wanted.urls:
        return None
    from airwarden.adapters.prometheus import PrometheusApi

    return PrometheusApi(
        *(urls or wanted.urls),
        access=access(wanted, "prometheus"),
        timeout=wanted.timeout.total_seconds(),
    )


def prometheus_range(settings: Settings, url: str) -> PrometheusRange:
    """Build what reads a Prometheus' past; one of `prometheus` is reached as that section says."""
    from airwarden.adapters.prometheus_range import PrometheusRange

    wanted = settings.prometheus
    if url.rstrip("/") not in wanted.urls:
        return PrometheusRange(url)  # nobody's credentials go to an address that they are not for
    return PrometheusRange(*wanted.urls, access=access(wanted, "prometheus"))


def stated_sql(query: BusinessQuery, *, place: str) -> PostgresStatements:
    """Build the database of a query that the operator states in SQL; connects to nothing yet."""
    from airwarden.adapters.stated_sql import PostgresStatements

    if query.dsn is None:
        raise AssertionError("the settings hold a dsn with sql")
    dsn = read_secret(query.dsn, place=f"{place}.dsn").get_secret_value()
    return PostgresStatements(dsn, timeout=query.timeout.total_seconds())


def stated_prometheus(settings: Settings, query: BusinessQuery, *, place: str) -> PrometheusApi:
    """Build the Prometheus of a query that the operator states in PromQL."""
    from airwarden.adapters.prometheus import PrometheusApi

    timeout = query.timeout.total_seconds()
    if query.url is not None:
        return PrometheusApi(query.url, access=access(query, place), timeout=timeout)
    wanted = settings.prometheus
    if not wanted.urls:
        raise WrongInputError(
            "there is no Prometheus to ask", place=f"{place}.url", hint="or set prometheus.url"
        )
    return PrometheusApi(*wanted.urls, access=access(wanted, "prometheus"), timeout=timeout)


def alertmanager(
    settings: Settings, *urls: str, everything: bool = False
) -> AlertmanagerApi | None:
    """Build the Alertmanager adapter, if one is configured.

    Args:
        settings: The settings.
        urls: Ask only these of its addresses; all of them if none is given.
        everything: Also what goes to people directly, past the remediator.

    Raises:
        WrongInputError: A secret, a certificate or a key cannot be read.
    """
    wanted = settings.alertmanager
    if not wanted.urls:
        return None
    from airwarden.adapters.alertmanager import AlertmanagerApi

    return AlertmanagerApi(
        *(urls or wanted.urls),
        access=access(wanted, "alertmanager"),
        timeout=wanted.timeout.total_seconds(),
        receiver="" if everything else wanted.receiver,
    )


def commands(settings: Settings) -> LocalCommands | None:
    """Build what runs programs of this machine, if any is listed."""
    if not settings.remediator.commands:
        return None
    from airwarden.adapters.local_commands import LocalCommands

    return LocalCommands()


def webhooks(settings: Settings) -> HttpWebhooks | None:
    """Build what calls the site's own systems, if any is listed."""
    if not settings.remediator.webhooks:
        return None
    from airwarden.adapters.webhooks import Address, HttpWebhooks

    return HttpWebhooks(
        {
            name: Address(one.url, one.timeout.total_seconds(), one.token)
            for name, one in settings.remediator.webhooks.items()
        }
    )


def probe(wanted: DependencyProbe) -> Probe:
    """Build a dependency's probe."""
    from airwarden.adapters.probes import HttpProbe, TcpProbe

    timeout = wanted.timeout.total_seconds()
    if wanted.http is not None:
        return HttpProbe(wanted.http, timeout=timeout, expect=wanted.expect)
    host, _, port = (wanted.tcp or "").rpartition(":")
    return TcpProbe(host.strip("[]"), int(port), timeout=timeout)


def probes(settings: Settings, cluster: str) -> Mapping[str, Probe]:
    """Build the probes of one cluster's dependencies, by name; those without a probe are left out."""
    return {
        dependency.name: probe(dependency.probe)
        for dependency in settings.dependencies
        if settings.cluster_of(dependency) == cluster and dependency.probe is not None
    }


def close(ports: Sequence[ClusterPorts]) -> None:
    """Close connections that are kept open."""
    for one in ports:
        for adapter in (one.database, one.session_ender, one.pooler, one.mariadb, one.broker):
            if adapter is not None:
                adapter.close()
