"""What is an alert and where it goes: thresholds, Prometheus, Alertmanager, Slack, PagerDuty."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from airwarden.core.durations import Duration
from airwarden.core.errors import WrongInputError
from airwarden.core.settings.access import MonitoringServer
from airwarden.core.settings.base import (
    ConfigPath,
    HttpUrl,
    ListenAddress,
    SecretRef,
    Section,
    wrong,
)
from airwarden.core.thresholds import Threshold, parse_threshold

AlertSeverity = Literal["critical", "warning", "info"]


def _threshold(value: object) -> Threshold:
    if isinstance(value, Threshold):
        return value
    try:
        return parse_threshold(str(value))
    except WrongInputError as error:
        raise ValueError(str(error)) from None


#: A threshold in the operators' words.
ThresholdWords = Annotated[
    Threshold, BeforeValidator(_threshold), PlainSerializer(str, when_used="json")
]


def _names(value: object) -> object:
    return (value,) if isinstance(value, str) else value


#: One name, or a list of names.
Names = Annotated[tuple[str, ...], BeforeValidator(_names), Field(min_length=1)]


class Where(Section):
    """Which part of the platform is meant: all labels given must match, one of each list."""

    cluster: Names | None = None
    """Airflow platforms, by their names under `clusters`."""

    tier: Names | None = None
    """Tiers (`critical`, `high`, `medium`, `low`, `unset`)."""

    team: Names | None = None
    """Teams."""

    type: Names | None = None
    """Types of pipelines (`etl`, `ml_training`, `reporting`, …)."""

    dag: Names | None = None
    """DAGs, by `dag_id`. Only alerts on metrics that tell DAGs apart know them."""

    asset: Names | None = None
    """Assets with a freshness target."""

    dataset: Names | None = None
    """Datasets with a score of quality."""

    model: Names | None = None
    """Models that are trained."""

    report_group: Names | None = None
    """Groups of reports."""

    product: Names | None = None
    """Products that revenue is counted by."""

    queue: Names | None = None
    """Celery queues."""

    pool: Names | None = None
    """Airflow pools."""

    operator: Names | None = None
    """Operators."""

    kind: Names | None = None
    """Kinds, where an alert tells several apart."""

    resource: Names | None = None
    """Resources (`cpu`, `memory`, `disk`, `slots`)."""

    application: Names | None = None
    """Applications with sessions in the metadata database."""

    hostname: Names | None = None
    """Hosts of components and workers."""

    dependency: Names | None = None
    """External dependencies."""

    bundle: Names | None = None
    """DAG bundles."""

    slo: Names | None = None
    """Objectives, by their names under `objectives`."""


class ScopedOverride(Section):
    """Changes one alert for a part of the platform; what it leaves out stays as it is elsewhere."""

    where: Where
    """The part. The most specific override wins, setting by setting: the one that names more
    labels, and of two that name equally many, the one whose label says more (`dag` more than `team`,
    `team` more than `tier`, `tier` more than `cluster`)."""

    enabled: bool | None = None
    """Off leaves this part out of the alert."""

    threshold: ThresholdWords | None = None
    """The threshold here, in words."""

    severity: AlertSeverity | None = None
    """The severity here."""

    hold: Duration | None = None
    """How long the condition must last here, for alerts that have no limit."""

    over: Duration | None = None
    """The range over which rates and counts are taken here."""

    at_least: int | None = Field(default=None, ge=0)
    """How many events a ratio needs here."""


class AlertOverride(Section):
    """Changes one generated alert, named by the key above it."""

    enabled: bool = True
    """Off leaves the alert out of the generated rules, but for the parts of the platform for which
    `overrides` switches it on."""

    threshold: ThresholdWords | None = None
    """Its threshold, in words: `">5 minutes for 3 minutes"`. None keeps the built-in one."""

    severity: AlertSeverity | None = None
    """Its severity. None keeps the built-in one."""

    hold: Duration | None = None
    """How long the condition must last, for alerts that have no limit (something is down). None
    keeps the built-in one."""

    over: Duration | None = None
    """The range over which rates and counts are taken. None keeps the built-in one."""

    at_least: int | None = Field(default=None, ge=0)
    """For alerts on a ratio: how many events it needs before it is judged. None keeps the built-in
    one."""

    overrides: tuple[ScopedOverride, ...] = ()
    """Changes for a part of the platform: `{where: {team: growth}, threshold: "> 40% for 30m"}`.
    `airwarden check --explain ALERT` shows what applies where."""


class Prometheus(MonitoringServer):
    """The Prometheus that scrapes our exporter and evaluates our rules."""

    external_url: HttpUrl | None = None
    """Its address as people reach it, for links. None: the same as `url`."""

    listen: ListenAddress = ListenAddress(host="127.0.0.1", port=9090)
    """Where the one that `airwarden up` starts listens."""

    scrape_interval: Duration = timedelta(seconds=15)
    """How often it scrapes. Ranges in the rules are at least four of these."""

    evaluation_interval: Duration = timedelta(seconds=15)
    """How often rules are evaluated."""

    rule_files: tuple[ConfigPath, ...] = ()
    """Rule files of yours, evaluated beside the generated ones."""

    retention: Duration = timedelta(days=15)
    """How long the one that `airwarden up` starts keeps its samples."""

    timeout: Duration = timedelta(seconds=5)
    """Deadline of one query of ours."""


class Alertmanager(MonitoringServer):
    """The Alertmanager that groups and routes what Prometheus finds."""

    listen: ListenAddress = ListenAddress(host="127.0.0.1", port=9093)
    """Where the one that `airwarden up` starts listens."""

    receiver: str = "remediator"
    """Name of the receiver that delivers to the remediator; the poll takes up its alerts only. The
    generated configuration calls it `remediator`."""

    remediator_group_wait: Duration = timedelta(0)
    """How long to collect a group's first alerts before the remediator is told. None: it adds
    directly to the time until a remedy starts, and the remediator groups by itself."""

    remediator_group_interval: Duration = timedelta(seconds=10)
    """How long until the remediator is told of a group's changes."""

    remediator_repeat_interval: Duration = timedelta(minutes=5)
    """How often the remediator is told again of what still fires."""

    pager_group_wait: Duration = timedelta(seconds=10)
    """How long to collect a group's first alerts before PagerDuty is told directly."""

    group_wait: Duration = timedelta(seconds=30)
    """How long to collect a group's first alerts before Alertmanager itself tells people in chat."""

    group_interval: Duration = timedelta(minutes=5)
    """How long until people are told of a group's changes."""

    repeat_interval: Duration = timedelta(hours=4)
    """How often people are told again of what still fires."""

    poll_interval: Duration = timedelta(seconds=15)
    """How often the remediator asks for alerts that no webhook delivered."""

    timeout: Duration = timedelta(seconds=5)
    """Deadline of one request of ours."""


class Slack(Section):
    """Slack: one message per incident, updated as it goes."""

    secrets: ClassVar[tuple[str, ...]] = ("token", "webhook_url", "signing_secret", "app_token")

    token: SecretRef | None = None
    """Bot token with `chat:write`. Needed for messages that are updated, and for buttons."""

    signing_secret: SecretRef | None = None
    """The app's signing secret, where Slack reaches `POST /api/v1/slack` of the remediator: then messages
    have buttons. Several stand one a line. Read anew at each request."""

    app_token: SecretRef | None = None
    """The app's own token (`xapp-…`, scope `connections:write`) for Socket Mode, by which buttons work
    without an address that Slack reaches. Taken at the start."""

    webhook_url: SecretRef | None = None
    """Incoming webhook, by which Alertmanager tells what does not go to the remediator; without a
    token the remediator uses it too, and cannot update its messages."""

    base_url: HttpUrl = "https://slack.com/api"
    """Slack's Web API; another address for a proxy or a test endpoint."""

    default_channel: str = "#airflow-alerts"
    """Channel of what belongs to no team, or to a team without one."""

    active_time_intervals: tuple[str, ...] = ()
    """Names of `time_intervals` in which warnings are told; always if none is given. Pages are never held
    back, nor what Airwarden says of itself. A team may have its own."""

    mute_time_intervals: tuple[str, ...] = ()
    """Names of `time_intervals` in which they are not."""

    @property
    def has_buttons(self) -> bool:
        """Whether messages have buttons: something hears them, and a token updates the message."""
        return self.token is not None and bool(self.signing_secret or self.app_token)

    @model_validator(mode="after")
    def _buttons_need_a_token(self) -> Self:
        if self.token is None and (self.signing_secret or self.app_token):
            raise wrong("token_file", "is missing: buttons are in messages that a bot token posts")
        return self


class PagerDuty(Section):
    """PagerDuty: its Events API v2 for pages, and how it tells that a person has acknowledged one."""

    secrets: ClassVar[tuple[str, ...]] = ("routing_key", "webhook_secret", "rest_token")

    routing_key: SecretRef | None = None
    """Routing key of the service that is paged for what belongs to no team."""

    events_url: HttpUrl = "https://events.pagerduty.com/v2/enqueue"
    """Where events are sent; another address for a proxy or a test endpoint."""

    webhook_secret: SecretRef | None = None
    """The secret of a webhook subscription (version 3) for `incident.acknowledged`, where PagerDuty reaches
    `POST /api/v1/pagerduty` of the remediator. Several stand one a line. Read anew at each request."""

    rest_token: SecretRef | None = None
    """A read-only key of the REST API, by which is asked who acknowledged an open page; needs no address
    that PagerDuty reaches."""

    rest_url: HttpUrl = "https://api.pagerduty.com"
    """The REST API's address (`https://api.eu.pagerduty.com` in Europe)."""

    poll_interval: Duration = timedelta(seconds=30)
    """How often it is asked, while pages are open."""


class Heartbeat(Section):
    """Who notices when the whole alert chain is dead: told by the always-firing Watchdog."""

    url: HttpUrl
    """A dead man's switch that wants to be called and raises the alarm when it is not. It stands
    in the generated Alertmanager configuration as it is."""

    interval: Duration = timedelta(minutes=1)
    """How often it is called."""


class Notifications(Section):
    """Where people are told."""

    slack: Slack | None = None
    """Slack: the remediator tells of warnings and of what it does, Alertmanager of the rest."""

    pagerduty: PagerDuty | None = None
    """PagerDuty, for what a person must see now."""

    heartbeat: Heartbeat | None = None
    """The dead man's switch behind Watchdog."""

    proxy: HttpUrl | None = None
    """An HTTP proxy by which Airwarden reaches Slack and PagerDuty. None: directly, whatever the environment
    says. Alertmanager has its own."""


class Links(Section):
    """Addresses that alerts and messages point to."""

    runbooks: HttpUrl | None = None
    """Where the runbook pages are published: `runbook_url` is this, a slash, the alert's name and
    `.md`. None: the remediator's own `/runbooks`."""

    dashboards: HttpUrl | None = None
    """Grafana's address, for `dashboard_url`."""


FrameworkAlert = Literal[
    "dag_failure_rate",
    "scheduler_lag",
    "database_connections",
    "task_queue_depth",
    "resource_utilization",
    "data_freshness",
]


def _statements(value: object) -> object:
    """Merge `- name: "threshold"` items into one mapping; a name given twice is refused."""
    if not isinstance(value, list | tuple):
        return value
    merged: dict[object, object] = {}
    for item in value:
        if not isinstance(item, dict) or len(item) != 1:
            raise ValueError('expected items like - scheduler_lag: ">5 minutes for 3 minutes"')
        ((name, threshold),) = item.items()
        if name in merged:
            raise ValueError(f"{name} is given twice")
        merged[name] = threshold
    return merged


Statements = Annotated[dict[FrameworkAlert, ThresholdWords], BeforeValidator(_statements)]


class Dashboards(Section):
    """The generated dashboards."""

    path: ConfigPath | None = None
    """Folder on Grafana's host from which it reads the dashboards. None: Debian's usual place,
    `/var/lib/grafana/dashboards/airwarden`."""

    sources: dict[str, str] = Field(default_factory=dict)
    """PromQL for targets that Airwarden has no collector for, by the key that the dashboard names
    in their place."""


class FrameworkAlerts(Section):
    """The six alerts of the monitoring framework, by severity."""

    critical: Statements = Field(default_factory=dict)
    """Those that page."""

    warning: Statements = Field(default_factory=dict)
    """Those that are told in chat."""


class MonitoringFramework(Section):
    """A monitoring framework in the operators' words; its thresholds become those of the alerts."""

    infrastructure_metrics: tuple[str, ...] = ()
    """Names of what is measured of the infrastructure; documentation only."""

    pipeline_metrics: tuple[str, ...] = ()
    """Names of what is measured of pipelines; documentation only."""

    business_metrics: tuple[str, ...] = ()
    """Names of what is measured of the business; documentation only."""

    alerts: FrameworkAlerts = FrameworkAlerts.default()
    """Thresholds of the six alerts."""


class PriorityClass(Section):
    """One priority class, the `tier` label of its DAGs."""

    weight: int = Field(ge=0)
    """Relative weight (Airflow's `priority_weight`)."""

    guaranteed_resources: str = Field(pattern=r"^\d{1,3}(\.\d+)?%$")
    """Share of all slots that the class can count on, as a percentage."""

    examples: tuple[str, ...] = ()
    """DAGs of this class; they get its tier where tags and match rules give none."""


class AutoScaling(Section):
    """When capacity is added and removed."""

    scale_up_threshold: ThresholdWords
    """Utilization above which capacity is added (`85% utilization for 5 minutes`)."""

    scale_down_threshold: ThresholdWords
    """Utilization below which capacity is removed."""

    max_nodes: int = Field(ge=1)
    """Most nodes that may run."""

    min_nodes: int = Field(ge=0)
    """Fewest nodes that keep running."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_nodes > self.max_nodes:
            raise wrong("min_nodes", f"{self.min_nodes} is more than max_nodes, {self.max_nodes}")
        return self


class ResourceAllocation(Section):
    """Priority classes and scaling in the operators' words."""

    priority_classes: dict[Literal["critical", "high", "medium", "low"], PriorityClass] = Field(
        default_factory=dict
    )
    """The classes."""

    auto_scaling: AutoScaling | None = None
    """The scaling thresholds: how many workers a deep queue gets, and KEDA's bounds."""

    @model_validator(mode="after")
    def _at_most_all(self) -> Self:
        shares = [float(c.guaranteed_resources[:-1]) for c in self.priority_classes.values()]
        if sum(shares) > 100:
            raise wrong("priority_classes", f"guaranteed_resources add up to {sum(shares):g}%")
        return self
