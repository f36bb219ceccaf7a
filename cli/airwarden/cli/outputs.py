"""From settings to files: what Prometheus, Alertmanager and Grafana are given.

`airwarden build` writes them into a folder, `airwarden check` examines them, `airwarden up` runs them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

from airwarden.cli.drawing import Draw, here
from airwarden.core.alerts import Severity
from airwarden.core.durations import format_duration
from airwarden.core.errors import WrongInputError
from airwarden.core.settings import SecretRef, Settings, alerting
from airwarden.core.settings.access import ClientTls, Credentials
from airwarden.core.thresholds import Unit
from airwarden.dashboards.config import DashboardConfig, Limits, SourceAccess
from airwarden.rules import build as rules_build
from airwarden.rules.catalogue import resolve
from airwarden.rules.config import (
    AlertmanagerTiming,
    AlertOverride,
    ObjectiveOverride,
    PagerDutyRoute,
    RemediatorRoute,
    RuleConfig,
    ScopedOverride,
    ServerAccess,
    SlackRoute,
    TeamRoute,
)
from airwarden.rules.framework import FRAMEWORK_ALERTS, framework_overrides
from airwarden.rules.mapping import MappedRule, mapped_rules
from airwarden.rules.model import Rules

#: A panel's limit and the alert whose threshold it draws.
LIMITS = {
    "dag_failure_ratio": "AirflowDagFailureRateHigh",
    "team_failure_ratio": "AirflowTeamDagFailureRateHigh",
    "consecutive_failures": "AirflowDagConsecutiveFailures",
    "schedule_delay_seconds": "AirflowScheduleDelayCrit",
    "scheduler_lag_seconds": "AirflowSchedulerLagHigh",
    "heartbeat_seconds": "AirflowSchedulerHeartbeatLost",
    "scheduled_ratio": "AirflowScheduledShareHigh",
    "executor_slots": "AirflowExecutorSlotsLow",
    "parse_age_seconds": "AirflowDagParseSlow",
    "triggerer_ratio": "AirflowTriggererSaturated",
    "trigger_wait_seconds": "AirflowTriggersWaiting",
    "queue_depth": "AirflowTaskQueueDepthHigh",
    "queued_task_seconds": "AirflowOldestQueuedTask",
    "queue_drift": "AirflowQueueDrift",
    "heartbeat_timeouts": "AirflowTaskHeartbeatTimeouts",
    "publish_failures": "AirflowTasksNotPublished",
    "infrastructure_failures": "AirflowPlatformFailsTasks",
    "connection_failures": "AirflowConnectionFailing",
    "utilization_ratio": "AirflowResourceUtilizationHigh",
    "broker_memory_ratio": "AirflowBrokerMemoryHigh",
    "pod_pending_seconds": "AirflowPodsPending",
    "quota_ratio": "AirflowPodQuota",
    "connection_ratio": "AirflowDatabaseConnectionsCritical",
    "probe_seconds": "AirflowDatabaseSlow",
    "lock_held_seconds": "AirflowSchedulerLockHeld",
    "transaction_seconds": "AirflowDatabaseLongTransaction",
    "idle_transaction_seconds": "AirflowDatabaseIdleInTransaction",
    "deadlocks": "AirflowDatabaseDeadlocks",
    "cache_hit_ratio": "AirflowDatabaseCacheHitLow",
    "lock_ratio": "AirflowDatabaseLocksHigh",
    "rollback_ratio": "AirflowDatabaseRollbackHigh",
    "transaction_ids": "AirflowDatabaseWraparound",
    "replica_lag_seconds": "AirflowDbReplicaLag",
    "pooler_waiting": "AirflowPgBouncerWaiting",
    "pooler_wait_seconds": "AirflowPgBouncerMaxWait",
    "freshness_factor": "AirflowDataFreshnessBreach",
    "quality_ratio": "AirflowQualityScoreLow",
    "reports_on_time_ratio": "AirflowReportLate",
    "model_age_seconds": "AirflowModelTrainingFailed",
    "revenue_at_risk_dollars": "AirflowRevenueAtRisk",
    "snapshot_age_seconds": "AirflowSnapshotStale",
    "chat_wait_seconds": "AirwardenChatNotDelivered",
    "page_wait_seconds": "AirwardenPageNotDelivered",
}


#: The alert whose limit is `auto_scaling.scale_down_threshold`.
IDLE = "AirflowWorkersIdle"


def render_all(settings: Settings, draw: Draw | None = here) -> Mapping[str, str]:
    """Return relative path → content of every generated file.

    Args:
        settings: The installation.
        draw: What draws the dashboards; None: Grafana's files are not among them.

    Raises:
        WrongInputError: The settings name an alert that does not exist, a threshold that does not
            fit it, or a secret where only a file will do.
    """
    rules = resolved(settings)
    drawn = draw(dashboard_config(settings, rules)) if draw else dict
    return {**rules_build.written(rules), **drawn()}


def resolved(settings: Settings) -> Rules:
    """Return the rules of an installation.

    Raises:
        WrongInputError: As `render_all`.
    """
    try:
        return resolve(rule_config(settings))
    except WrongInputError as error:
        raise _as_written(settings, error) from None


def _as_written(settings: Settings, error: WrongInputError) -> WrongInputError:
    """Name the framework's key where the wrong override came from the framework's words."""
    alert = error.place.removeprefix("alerts.").removesuffix(".threshold")
    place = as_written(settings, alert)
    if error.place != f"alerts.{alert}.threshold" or place == error.place:
        return error
    return WrongInputError(error.message, place=place, hint=error.hint)


def as_written(settings: Settings, alert: str) -> str:
    """Return the key under which the file gives an alert's threshold."""
    framework, own = settings.monitoring_framework, settings.alerts.get(alert)
    if framework is not None and not (own and own.threshold):
        words = framework.alerts
        for severity, statements in (("critical", words.critical), ("warning", words.warning)):
            for name in statements:
                if FRAMEWORK_ALERTS[name] == alert:
                    return f"monitoring_framework.alerts.{severity}.{name}"
    return f"alerts.{alert}.threshold"


def rule_config(settings: Settings) -> RuleConfig:
    """Return what the rules need to know of this installation."""
    token = settings.remediator.webhook_token
    notifications, scaling = settings.notifications, _scaling(settings)
    return RuleConfig(
        clusters=tuple(cluster.name for cluster in settings.clusters) or ("default",),
        scrape_interval=settings.prometheus.scrape_interval,
        evaluation_interval=settings.prometheus.evaluation_interval,
        overrides=alert_overrides(settings),
        objectives={
            name: ObjectiveOverride(
                enabled=wanted.enabled,
                target=Decimal(wanted.target.removesuffix("%")) / 100 if wanted.target else None,
                limit=wanted.limit,
                at_least=wanted.at_least,
            )
            for name, wanted in settings.objectives.items()
        },
        teams=_teams(settings),
        exporters=tuple(map(_address, (settings.exporter_url, *settings.exporter.replicas))),
        exporter_access=_exporter_access(settings),
        remediators=(_address(settings.remediator_url),),
        alertmanagers=settings.alertmanager.urls or (f"http://{settings.alertmanager.listen}",),
        alertmanager_access=_access(
            settings.alertmanager.auth, settings.alertmanager.tls, "alertmanager.auth"
        ),
        remediator=RemediatorRoute(
            settings.remediator_url,
            _file(token, "remediator.webhook_token"),
            _remediator_access(settings),
        )
        if token is not None
        else None,
        slack=_slack(settings),
        pagerduty=_pagerduty(settings),
        heartbeat_url=notifications.heartbeat.url if notifications.heartbeat else "",
        timing=_timing(settings),
        runbook_base_url=settings.links.runbooks or "",
        dashboard_base_url=settings.links.dashboards or "http://127.0.0.1:3000",
        rule_files=tuple(str(path) for path in settings.prometheus.rule_files),
        time_intervals={
            name: tuple(hours.weekly for hours in found)
            for name, found in settings.time_intervals.items()
        },
        mapped=mapped(settings),
        fewest_workers=scaling.min_nodes if scaling else 1,
    )


def mapped(settings: Settings) -> tuple[MappedRule, ...]:
    """Return the metrics of all clusters that come from the site's own series.

    Raises:
        WrongInputError: A mapping is wrong; with the key where it stands.
    """
    return tuple(
        rule
        for index, cluster in enumerate(settings.clusters)
        for rule in mapped_rules(cluster.name, cluster.mapped, f"clusters[{index}].mapped")
    )


def _scaling(settings: Settings) -> alerting.AutoScaling | None:
    allocation = settings.resource_allocation
    return allocation.auto_scaling if allocation else None


def alert_overrides(settings: Settings) -> dict[str, AlertOverride]:
    """Return what the operator changes of the alerts; `alerts` wins over words elsewhere in the file."""
    found: dict[str, AlertOverride] = {}
    scaling = _scaling(settings)
    if scaling is not None and scaling.scale_down_threshold.unit is Unit.RATIO:
        # Where capacity is taken away, there is too much of it.
        found[IDLE] = AlertOverride(threshold=scaling.scale_down_threshold)
    if settings.monitoring_framework is not None:
        words = settings.monitoring_framework.alerts
        found.update(
            framework_overrides(
                {
                    severity: {name: str(threshold) for name, threshold in statements.items()}
                    for severity, statements in (
                        ("critical", words.critical),
                        ("warning", words.warning),
                    )
                }
            )
        )
    for name, wanted in settings.alerts.items():
        base = found.get(name, AlertOverride())
        found[name] = AlertOverride(
            threshold=wanted.threshold or base.threshold,
            hold=wanted.hold,
            severity=Severity(wanted.severity) if wanted.severity else base.severity,
            enabled=wanted.enabled,
            over=wanted.over,
            at_least=wanted.at_least,
            scoped=tuple(map(_scoped, wanted.overrides)),
        )
    return found


def _scoped(wanted: alerting.ScopedOverride) -> ScopedOverride:
    where = {
        "dag_id" if name == "dag" else name: values
        for name in alerting.Where.model_fields
        if (values := getattr(wanted.where, name)) is not None
    }
    change = AlertOverride(
        threshold=wanted.threshold,
        hold=wanted.hold,
        severity=Severity(wanted.severity) if wanted.severity else None,
        enabled=wanted.enabled,
        over=wanted.over,
        at_least=wanted.at_least,
    )
    return ScopedOverride(where, change)


def _exporter_access(settings: Settings) -> ServerAccess:
    tls = settings.exporter.tls
    access = _access(settings.exporter.auth, tls.prometheus if tls else None, "exporter.auth")
    return dataclasses.replace(access, https=settings.exporter_url.startswith("https:"))


def _access(auth: Credentials | None, tls: ClientTls | None, key: str) -> ServerAccess:
    """Return what Prometheus shows and checks where it speaks to a server itself."""
    tls = tls or ClientTls()
    return ServerAccess(
        username=auth.username if auth else "",
        password_file=_file(auth.password, f"{key}.password", "Prometheus") if auth else "",
        token_file=_file(auth.token, f"{key}.token", "Prometheus") if auth else "",
        ca_file=str(tls.ca_file or ""),
        server_name=tls.server_name,
        cert_file=str(tls.cert_file or ""),
        key_file=str(tls.key_file or ""),
        verify=not tls.insecure_skip_verify,
    )


def _remediator_access(settings: Settings) -> ServerAccess:
    wanted = settings.remediator
    access = _access(None, wanted.tls.clients if wanted.tls else None, "remediator")
    return dataclasses.replace(
        access,
        https=settings.remediator_url.startswith("https:"),
        token_file=_file(wanted.metrics_token, "remediator.metrics_token", "Prometheus"),
    )


def _file(reference: SecretRef | None, key: str, reader: str = "Alertmanager") -> str:
    """Return the file of a secret that another program reads itself."""
    if reference is None:
        return ""
    if reference.file is None:
        raise WrongInputError(
            f"{reader} reads this secret itself, and only from a file",
            place=key,
            hint=f"give {key.rsplit('.', 1)[-1]}_file",
        )
    return str(reference.file)


def _address(url: str) -> str:
    return urlsplit(url).netloc


def _teams(settings: Settings) -> tuple[TeamRoute, ...]:
    return tuple(
        TeamRoute(
            name=name,
            slack_channel=team.slack_channel or "",
            pagerduty_key_file=_file(team.pagerduty_key, f"teams.{name}.pagerduty_key"),
            active=team.active_time_intervals,
            mute=team.mute_time_intervals,
        )
        for name, team in settings.teams.items()
    )


def _slack(settings: Settings) -> SlackRoute | None:
    slack = settings.notifications.slack
    if slack is None:
        return None
    route = SlackRoute(
        slack.default_channel,
        base_url=slack.base_url,
        active=slack.active_time_intervals,
        mute=slack.mute_time_intervals,
    )
    if slack.webhook_url is not None:
        file = _file(slack.webhook_url, "notifications.slack.webhook_url")
        return dataclasses.replace(route, webhook_url_file=file)
    if slack.token is None:
        raise WrongInputError(
            "neither token_file nor webhook_url_file is given", place="notifications.slack"
        )
    file = _file(slack.token, "notifications.slack.token")
    return dataclasses.replace(route, token_file=file)


def _pagerduty(settings: Settings) -> PagerDutyRoute | None:
    pagerduty = settings.notifications.pagerduty
    if pagerduty is None or pagerduty.routing_key is None:
        return None
    file = _file(pagerduty.routing_key, "notifications.pagerduty.routing_key")
    return PagerDutyRoute(file, pagerduty.events_url)


def _timing(settings: Settings) -> AlertmanagerTiming:
    wanted = settings.alertmanager
    heartbeat = settings.notifications.heartbeat
    default = AlertmanagerTiming()
    return AlertmanagerTiming(
        remediator_group_wait=wanted.remediator_group_wait,
        remediator_group_interval=wanted.remediator_group_interval,
        remediator_repeat_interval=wanted.remediator_repeat_interval,
        pager_group_wait=wanted.pager_group_wait,
        group_wait=wanted.group_wait,
        group_interval=wanted.group_interval,
        repeat_interval=wanted.repeat_interval,
        heartbeat_interval=heartbeat.interval if heartbeat else default.heartbeat_interval,
    )


def dashboard_config(settings: Settings, rules: Rules) -> DashboardConfig:
    """Return what the dashboards need to know; their limits are the thresholds of the alerts."""
    limits: dict[str, float] = {}
    for limit, name in LIMITS.items():
        context = rules.get(name)
        if context is not None and context.threshold is not None:
            limits[limit] = float(context.threshold.number)
    return DashboardConfig(
        prometheus_url=settings.prometheus.url or f"http://{settings.prometheus.listen}",
        prometheus_access=_source_access(settings),
        scrape_interval=format_duration(settings.prometheus.scrape_interval),
        limits=dataclasses.replace(Limits(), **limits),
        sources=settings.dashboards.sources,
        airflow={cluster.name: cluster.airflow.url for cluster in settings.clusters},
        console=f"{settings.remediator_url}/console" if settings.remediator.console.enabled else "",
        **({"dashboards_path": str(path)} if (path := settings.dashboards.path) else {}),
    )


def _source_access(settings: Settings) -> SourceAccess:
    """Return how Grafana gets in where we do; it reads the secrets from where they are."""
    wanted = settings.prometheus
    auth, tls = wanted.auth, wanted.tls or ClientTls()
    return SourceAccess(
        username=auth.username if auth else "",
        password=_for_grafana(auth.password) if auth else "",
        token=_for_grafana(auth.token) if auth else "",
        headers={wanted.tenant_header: wanted.tenant} if wanted.tenant else {},
        ca_file=str(tls.ca_file or ""),
        server_name=tls.server_name,
        cert_file=str(tls.cert_file or ""),
        key_file=str(tls.key_file or ""),
        verify=not tls.insecure_skip_verify,
    )


def _for_grafana(reference: SecretRef | None) -> str:
    if reference is None:
        return ""
    return f"$__file{{{reference.file}}}" if reference.file else f"$__env{{{reference.env}}}"


def write_all(files: Mapping[str, str], folder: Path) -> list[Path]:
    """Write generated files; each is replaced in one step, so that a reader never sees half.

    What has that content already is left alone: its time says when it last changed.

    Raises:
        WrongInputError: The folder cannot be written.
    """
    written: list[Path] = []
    folders: set[Path] = set()
    try:
        for name, content in files.items():
            path = folder / name
            _write(path, content.encode(), folders)
            written.append(path)
    except OSError as error:
        raise WrongInputError(f"cannot be written: {error.strerror}", place=str(folder)) from None
    return written


def _write(path: Path, content: bytes, folders: set[Path]) -> None:
    """Write one file; `folders` are those that are there for sure."""
    if path.parent not in folders:
        path.parent.mkdir(parents=True, exist_ok=True)
        folders.add(path.parent)
    with suppress(FileNotFoundError):
        if path.read_bytes() == content:
            return
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(content)
    fresh.replace(path)
