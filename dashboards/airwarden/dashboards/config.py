"""What a site may change about its dashboards: limits drawn in panels, sources, addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Limits:
    """The thresholds of the alerts, drawn as lines: the alert fires beyond them.

    Attributes:
        dag_failure_ratio: Failed runs among finished ones, 0–1.
        scheduler_lag_seconds: Age of the oldest work that is due and not scheduled.
        connection_ratio: Used among ordinary database connections, 0–1.
        queue_depth: Waiting messages in one queue.
        utilization_ratio: Used among available slots, CPU or memory, 0–1.
        freshness_factor: Age of an asset in multiples of its SLA.
        probe_seconds: The metadata database's answer to a trivial query.
        heartbeat_seconds: Silence after which a component counts as down.
        lock_held_seconds: How long an idle session may hold what scheduling needs.
    """

    dag_failure_ratio: float = 0.05
    scheduler_lag_seconds: float = 300.0
    connection_ratio: float = 0.95
    queue_depth: float = 1000.0
    utilization_ratio: float = 0.90
    freshness_factor: float = 1.5
    probe_seconds: float = 1.0
    heartbeat_seconds: float = 60.0
    lock_held_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class SourceAccess:
    """How Grafana reaches the Prometheus; empty where there is nothing to say.

    Attributes:
        username: Of basic authentication.
        password, token: Where Grafana finds the secret: `$__file{PATH}` or `$__env{NAME}`.
        headers: Others, by name, such as that of a tenant.
        ca_file, server_name: How it checks the other side.
        cert_file, key_file: Its own certificate.
        verify: False believes any certificate.
    """

    username: str = ""
    password: str = ""
    token: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    ca_file: str = ""
    server_name: str = ""
    cert_file: str = ""
    key_file: str = ""
    verify: bool = True


@dataclass(frozen=True, slots=True)
class DashboardConfig:
    """Everything that the generated files depend on.

    Attributes:
        prometheus_url: What Grafana's data source asks; Airwarden itself never calls it from here.
        prometheus_access: How it gets in there.
        dashboards_path: Folder on Grafana's host that its provisioning reads.
        scrape_interval: Prometheus' own, such as `15s`; Grafana derives `$__rate_interval` from it.
        limits: See `Limits`.
        sources: PromQL for targets that Airwarden has no collector for, by the key that the
            dashboard names in its place (`gpu`, `disk_read`, ...).
    """

    prometheus_url: str = "http://127.0.0.1:9090"
    prometheus_access: SourceAccess = SourceAccess()
    dashboards_path: str = "/var/lib/grafana/dashboards/airwarden"
    scrape_interval: str = "15s"
    limits: Limits = Limits()
    sources: Mapping[str, str] = field(default_factory=dict)
