"""What a site may change about its dashboards: limits drawn in panels, sources, addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Limits:
    """The thresholds of the alerts, drawn as lines: the alert fires beyond them.

    Ratios lie between 0 and 1, times are in seconds. The defaults are those of the alerts; a test
    holds that.
    """

    # Pipelines
    dag_failure_ratio: float = 0.05
    team_failure_ratio: float = 0.20
    consecutive_failures: float = 3.0
    schedule_delay_seconds: float = 60.0
    # Scheduling
    scheduler_lag_seconds: float = 300.0
    heartbeat_seconds: float = 60.0
    scheduled_ratio: float = 0.80
    executor_slots: float = 5.0
    parse_age_seconds: float = 600.0
    triggerer_ratio: float = 0.90
    trigger_wait_seconds: float = 300.0
    # Tasks, queues and workers
    queue_depth: float = 1000.0
    queued_task_seconds: float = 600.0
    queue_drift: float = 50.0
    heartbeat_timeouts: float = 5.0
    publish_failures: float = 5.0
    infrastructure_failures: float = 20.0
    connection_failures: float = 20.0
    utilization_ratio: float = 0.90
    broker_memory_ratio: float = 0.90
    # Kubernetes
    pod_pending_seconds: float = 600.0
    quota_ratio: float = 0.95
    # Metadata database
    connection_ratio: float = 0.95
    probe_seconds: float = 1.0
    lock_held_seconds: float = 30.0
    transaction_seconds: float = 120.0
    idle_transaction_seconds: float = 300.0
    deadlocks: float = 25.0
    cache_hit_ratio: float = 0.98
    lock_ratio: float = 0.20
    rollback_ratio: float = 0.10
    transaction_ids: float = 1e9
    replica_lag_seconds: float = 30.0
    pooler_waiting: float = 20.0
    pooler_wait_seconds: float = 15.0
    # Data and business
    freshness_factor: float = 1.5
    quality_ratio: float = 0.95
    reports_on_time_ratio: float = 0.99
    model_age_seconds: float = 129_600.0
    revenue_at_risk_dollars: float = 0.0
    # Airwarden itself
    snapshot_age_seconds: float = 60.0
    chat_wait_seconds: float = 900.0
    page_wait_seconds: float = 300.0


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
        airflow: Address of each cluster's Airflow, for links to a DAG's own page.
        console: Address of the console, without a trailing slash; empty where there is none.
    """

    prometheus_url: str = "http://127.0.0.1:9090"
    prometheus_access: SourceAccess = SourceAccess()
    dashboards_path: str = "/var/lib/grafana/dashboards/airwarden"
    scrape_interval: str = "15s"
    limits: Limits = Limits()
    sources: Mapping[str, str] = field(default_factory=dict)
    airflow: Mapping[str, str] = field(default_factory=dict)
    console: str = ""
