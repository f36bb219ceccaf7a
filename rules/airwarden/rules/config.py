"""What the rules need to know of an installation: frozen values, made from the settings by the CLI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from airwarden.core.alerts import Severity
from airwarden.core.thresholds import Threshold
from airwarden.core.time_intervals import WeeklyTime
from airwarden.rules.mapping import MappedRule


@dataclass(frozen=True, slots=True)
class AlertOverride:
    """What an operator changes of one alert; None and True leave the catalogue's value.

    Attributes:
        threshold: The limit, and with a window also the hold.
        hold: How long the condition must last; for alerts that have no limit (something is down).
        severity: Replaces the label.
        enabled: False leaves the alert out; None is True, where no wider override says otherwise.
        over: The range over which rates and counts are taken.
        at_least: How many events a ratio needs before it is judged.
        scoped: Changes for a part of the platform, in the file's order.
    """

    threshold: Threshold | None = None
    hold: timedelta | None = None
    severity: Severity | None = None
    enabled: bool | None = None
    over: timedelta | None = None
    at_least: int | None = None
    scoped: tuple[ScopedOverride, ...] = ()


@dataclass(frozen=True, slots=True)
class ScopedOverride:
    """What an operator changes of one alert for a part of the platform.

    Attributes:
        where: Label → the values that are meant; a series must match all labels.
        change: The change; its own `scoped` is empty.
    """

    where: Mapping[str, tuple[str, ...]]
    change: AlertOverride


@dataclass(frozen=True, slots=True)
class ObjectiveOverride:
    """What an operator changes of one objective; None keeps the catalogue's value.

    Attributes:
        enabled: False leaves it out.
        target: The share of events that must be good, 0 to 1.
        limit: Up to what time an event is good.
        at_least: Events that are assumed where there are fewer.
    """

    enabled: bool = True
    target: Decimal | None = None
    limit: timedelta | None = None
    at_least: int | None = None


@dataclass(frozen=True, slots=True)
class TeamRoute:
    """Where a team's alerts go.

    Attributes:
        name: The `team` label.
        slack_channel: Empty: the default channel.
        pagerduty_key_file: File with the team's routing key, used where Alertmanager pages for
            the team itself, that is where no remediator is configured. Empty: the default key.
        active, mute: Names of time intervals in which it is told of warnings, or is not; the common
            ones if both are empty.
    """

    name: str
    slack_channel: str = ""
    pagerduty_key_file: str = ""
    active: tuple[str, ...] = ()
    mute: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SlackRoute:
    """Slack, by incoming webhook or by bot token; exactly one of the two files is given.

    Attributes:
        channel: Default channel.
        webhook_url_file: File with an incoming webhook's URL.
        token_file: File with a bot token.
        base_url: Slack's API, used with `token_file`.
        active, mute: Names of time intervals in which warnings are told, or are not.
    """

    channel: str
    webhook_url_file: str = ""
    token_file: str = ""
    base_url: str = "https://slack.com/api/"
    active: tuple[str, ...] = ()
    mute: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PagerDutyRoute:
    """PagerDuty Events v2: file with the default routing key, and the endpoint."""

    routing_key_file: str
    events_url: str = "https://events.pagerduty.com/v2/enqueue"


@dataclass(frozen=True, slots=True)
class RemediatorRoute:
    """The remediator as Alertmanager sees it.

    Attributes:
        url: Base URL; alerts go to `/api/v1/alerts` below it.
        webhook_token_file: File with the bearer token of the intake.
        access: How Prometheus gets in, and Alertmanager checks it.
    """

    url: str = "http://127.0.0.1:9811"
    webhook_token_file: str = ""
    access: ServerAccess = field(default_factory=lambda: ServerAccess())


@dataclass(frozen=True, slots=True)
class ServerAccess:
    """What Prometheus shows and checks where it scrapes or sends; empty where there is nothing to say.

    Attributes:
        https: Whether it speaks TLS.
        username, password_file: Basic authentication.
        token_file: A bearer token.
        ca_file, server_name: How it checks the other side.
        cert_file, key_file: Its own certificate.
        verify: False believes any certificate.
    """

    https: bool = False
    username: str = ""
    password_file: str = ""
    token_file: str = ""
    ca_file: str = ""
    server_name: str = ""
    cert_file: str = ""
    key_file: str = ""
    verify: bool = True


@dataclass(frozen=True, slots=True)
class AlertmanagerTiming:
    """How long Alertmanager gathers and how often it repeats, by receiver.

    The remediator hears at once, because it decides by itself what belongs together; people hear
    later and rarely.
    """

    remediator_group_wait: timedelta = timedelta(0)
    remediator_group_interval: timedelta = timedelta(seconds=10)
    remediator_repeat_interval: timedelta = timedelta(minutes=5)
    pager_group_wait: timedelta = timedelta(seconds=10)
    group_wait: timedelta = timedelta(seconds=30)
    group_interval: timedelta = timedelta(minutes=5)
    repeat_interval: timedelta = timedelta(hours=4)
    heartbeat_interval: timedelta = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class RuleConfig:
    """Everything that rendering depends on.

    Attributes:
        clusters: The Airflow platforms, by the value of their `cluster` label.
        overrides: Alert name → what the operator changes.
        objectives: The same by objective.
        teams: Teams with a channel or key of their own.
        exporters: Addresses (`host:port`) that Prometheus scrapes for the exporter.
        exporter_access: What it shows there.
        remediators: The same for the remediator's replicas; empty where there is none.
        alertmanagers: Addresses (`http://host:port/prefix`) where Prometheus sends alerts.
        alertmanager_access: What it shows there.
        remediator: None: alerts are routed to people only. Otherwise it is the one that tells, with
            the same Slack, of the alerts that it takes.
        heartbeat_url: Webhook that expects Watchdog at every heartbeat interval and raises the
            alarm when it stays away (a dead man's switch outside this installation).
        runbook_base_url: The alert's name and `.md` are appended. Empty: the remediator's
            `/runbooks`.
        dashboard_base_url: Grafana's address.
        rule_files: The operator's own rule files, beside ours.
        time_intervals: Hours of the week, by name.
        mapped: Metrics that come from the site's own series.
        fewest_workers: As many workers are wanted however little there is to do.
    """

    clusters: tuple[str, ...] = ("default",)
    scrape_interval: timedelta = timedelta(seconds=15)
    evaluation_interval: timedelta = timedelta(seconds=15)
    overrides: Mapping[str, AlertOverride] = field(default_factory=dict)
    objectives: Mapping[str, ObjectiveOverride] = field(default_factory=dict)
    teams: tuple[TeamRoute, ...] = ()
    exporters: tuple[str, ...] = ("127.0.0.1:9810",)
    exporter_access: ServerAccess = ServerAccess()
    remediators: tuple[str, ...] = ("127.0.0.1:9811",)
    alertmanagers: tuple[str, ...] = ("http://127.0.0.1:9093",)
    alertmanager_access: ServerAccess = ServerAccess()
    remediator: RemediatorRoute | None = RemediatorRoute()
    slack: SlackRoute | None = None
    pagerduty: PagerDutyRoute | None = None
    heartbeat_url: str = ""
    timing: AlertmanagerTiming = AlertmanagerTiming()
    runbook_base_url: str = ""
    dashboard_base_url: str = "http://127.0.0.1:3000"
    rule_files: tuple[str, ...] = ()
    time_intervals: Mapping[str, tuple[WeeklyTime, ...]] = field(default_factory=dict)
    mapped: tuple[MappedRule, ...] = ()
    fewest_workers: int = 1

    @property
    def home(self) -> str:
        """The `cluster` label of alerts about Airwarden itself: the only cluster's, else `all`."""
        return self.clusters[0] if len(self.clusters) == 1 else "all"

    @property
    def runbooks(self) -> str:
        """The base of `runbook_url`, without a slash at its end."""
        fallback = f"{self.remediator.url.rstrip('/')}/runbooks" if self.remediator else "runbooks"
        return (self.runbook_base_url or fallback).rstrip("/")
