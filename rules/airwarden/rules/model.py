"""Typed rules: what an alert is before it becomes Prometheus' YAML.

A rule's expression is a function of its `Context`, which holds the thresholds after the operator's
overrides; so one definition serves every installation, and nothing is edited as text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum

from airwarden.core.alerts import Severity
from airwarden.core.durations import format_duration
from airwarden.core.metrics import metric
from airwarden.core.thresholds import Operator, Threshold, Unit
from airwarden.rules.config import AlertOverride, RuleConfig
from airwarden.rules.inhibition import CAUSES
from airwarden.rules.scopes import Scope, partition

_ZERO = timedelta(0)
_UNCHANGED = AlertOverride()


class Route(Enum):
    """Who hears of an alert first."""

    #: The remediator takes it, tells of it in Slack, and pages for it where that is needed.
    REMEDIATOR = "remediator"
    #: A person is paged directly, because the remediator may be what is broken.
    PAGER = "pager"
    #: It always fires; whoever stops hearing it raises the alarm.
    HEARTBEAT = "heartbeat"


@dataclass(frozen=True, slots=True)
class Measure:
    """What an alert compares with its limit, recorded, so that what is usual of it can be known.

    Attributes:
        record: The recorded series' name.
        labels: Its labels.
        expr: What is recorded.
    """

    record: str
    labels: tuple[str, ...]
    expr: str

    @property
    def usual(self) -> str:
        """The name of the series that holds what is usual: see `promql.usual`."""
        return f"{self.record}:usual"


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One alert.

    Attributes:
        name: `alertname`; also names its runbook.
        component: The `component` label.
        of_series: Its series name the component that it is about; `component` says only where it belongs.
        severity: Default severity.
        expr: Makes the PromQL expression.
        hold: Default `for`.
        summary, description: Prometheus templates in which `<<limit>>`, `<<hold>>`, `<<over>>` and
            `<<at_least>>` stand for this installation's values.
        threshold: Default limit without window; None where the condition has no limit.
        units: What kinds of limit an operator may give instead.
        over: Default range of rates and counts; None where there is none.
        at_least: Default minimum of events for a ratio; 0 where there is none.
        about_airwarden: Its series name no cluster; the label is set to the installation's.
        route: See `Route`.
        keeps: Whether it keeps firing for a while when its series vanish or dip.
        lingers: How long it does so at least.
        scopes: Labels beside `cluster` by which operators may give parts of the platform another
            limit; `expr` selects with `Context.series`, which puts them in.
        quantiles: Whether the limit may be on a quantile (`p99 > 10m`).
        measure: What is compared with the limit, where the limit may be `3x usual`.
        worst: Makes a query for the few worst offenders, and names the label that tells them apart;
            they are named at the end of the description.
    """

    name: str
    component: str
    severity: Severity
    expr: Callable[[Context], str]
    hold: timedelta
    summary: str
    description: str
    threshold: Threshold | None = None
    units: tuple[Unit, ...] = ()
    over: timedelta | None = None
    at_least: int = 0
    about_airwarden: bool = False
    of_series: bool = False
    route: Route = Route.REMEDIATOR
    keeps: bool = True
    lingers: timedelta = _ZERO
    scopes: tuple[str, ...] = ()
    quantiles: bool = False
    measure: Callable[[RuleConfig], Measure] | None = None
    worst: Callable[[Context], Worst] | None = None


@dataclass(frozen=True, slots=True)
class Worst:
    """A query for the series of one alert that are worst, and the label that names them.

    Attributes:
        query: PromQL in which `%q` stands for the value of each of `given`, in their order.
        given: Labels of the alert.
        label: Label of the query's result.
    """

    query: str
    given: tuple[str, ...]
    label: str


@dataclass(frozen=True, slots=True)
class RecordingRule:
    """A series that alerts and dashboards share: its name, its expression, labels to add."""

    record: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Subject:
    """One file of rules: its recordings, made from the resolved rules, then its alerts.

    Attributes:
        name: Of the file and the group.
        alerts: Its alerts.
        recordings: What is recorded at every evaluation, before the alerts.
        shown: What dashboards look back over, recorded every minute: a panel that counted a day's events
            from every scrape would take seconds.
        slow_recordings: What looks back over days, and is recorded every two minutes.
    """

    name: str
    alerts: tuple[AlertRule, ...]
    recordings: Callable[[Rules], tuple[RecordingRule, ...]] | None = None
    slow_recordings: Callable[[Rules], tuple[RecordingRule, ...]] | None = None
    shown: tuple[RecordingRule, ...] = ()


@dataclass(frozen=True, slots=True)
class Context:
    """One alert in one installation: the catalogue's values with the operator's on top.

    Attributes:
        rule: The catalogue's entry.
        config: The installation.
        rules: All enabled alerts of the installation, for rules that look at each other.
        override: What the operator changes, where this one is heard.
        scope: Which series this one is about; empty for all of them.
    """

    rule: AlertRule
    config: RuleConfig
    rules: Rules
    override: AlertOverride = _UNCHANGED
    scope: Scope = ()

    @property
    def name(self) -> str:
        """The alert's name."""
        return self.rule.name

    @property
    def severity(self) -> Severity:
        """The severity after overrides."""
        return self.override.severity or self.rule.severity

    @property
    def threshold(self) -> Threshold | None:
        """The limit after overrides, always with an operator."""
        own, default = self.override.threshold, self.rule.threshold
        if own is None or default is None or own.unit is Unit.NONE:
            return default
        operator = own.operator or default.operator
        quantile = own.quantile if own.quantile is not None else default.quantile
        return Threshold(operator, own.value, own.unit, own.window, own.utilization, quantile)

    @property
    def limit(self) -> Threshold:
        """The limit of an alert that has one."""
        threshold = self.threshold
        if threshold is None:
            raise AssertionError(f"{self.rule.name} has no limit")
        return threshold

    @property
    def beyond(self) -> str:
        """The comparison in PromQL, in base units: `> 300`."""
        return f"{self.limit.operator or Operator.ABOVE} {self.limit.number}"

    @property
    def beyond_in_words(self) -> str:
        """The comparison as a person writes it, without the length: `p99 > 10m`."""
        limit = self.limit
        return str(Threshold(limit.operator, limit.value, limit.unit, quantile=limit.quantile))

    @property
    def hold(self) -> timedelta:
        """The `for` after overrides."""
        window = self.override.threshold.window if self.override.threshold else None
        own = self.override.hold if self.override.hold is not None else window
        return self.rule.hold if own is None else own

    @property
    def keep(self) -> timedelta:
        """The `keep_firing_for`: a third of the hold, two scrapes at least, ten minutes at most.

        A cause keeps firing until its symptoms are over too: they see its end later, by the range over
        which a missed scrape is bridged, and whichever is heard last would be told.
        """
        if not self.rule.keeps:
            return _ZERO
        shortest = (8 if self.name in CAUSES else 2) * self.config.scrape_interval
        keep = max(min(max(self.hold / 3, shortest), timedelta(minutes=10)), self.rule.lingers)
        return timedelta(seconds=math.ceil(keep.total_seconds()))

    @property
    def over(self) -> timedelta:
        """The range of rates and counts: four scrapes at least, or Prometheus 3 finds too few."""
        wanted = self.override.over or self.rule.over or _ZERO
        return max(wanted, 4 * self.config.scrape_interval)

    @property
    def at_least(self) -> int:
        """The minimum of events for a ratio after overrides."""
        own = self.override.at_least
        return self.rule.at_least if own is None else own

    @property
    def bridge(self) -> str:
        """The range that carries a long-held gauge over missed scrapes, for `max_over_time`."""
        longest = timedelta(minutes=5)
        seconds = math.ceil(min(self.hold / 6, longest).total_seconds())
        return format_duration(max(timedelta(seconds=seconds), 4 * self.config.scrape_interval))

    def series(self, name: str, *matchers: str, labels: tuple[str, ...] | None = None) -> str:
        """Return a selector, with those matchers of the scope that the series has labels for.

        Args:
            name: A metric of the catalogue, or a recorded series.
            matchers: Further matchers, as PromQL writes them.
            labels: The labels of a recorded series beside `cluster`.
        """
        known = metric(name).labels if labels is None else labels
        scoped = [str(m) for m in self.scope if m.label == "cluster" or m.label in known]
        parts = [*matchers, *scoped]
        return f"{name}{{{', '.join(parts)}}}" if parts else name

    def by(self, *labels: str) -> str:
        """Return what to aggregate by: these labels, and those that the scope tells apart by."""
        own = [m.label for m in self.scope if m.positive and m.label not in labels]
        return ", ".join([*labels, *own])

    def names(self, label: str) -> bool:
        """Return whether an override that holds here names a value of this label."""
        here = {m.label: {*m.values} for m in self.scope if m.positive}
        override = self.config.overrides.get(self.name, _UNCHANGED)
        return any(
            label in scoped.where
            and all(name in here and here[name] <= {*scoped.where[name]} for name in scoped.where)
            for scoped in override.scoped
        )

    def exceeds(self) -> str:
        """Return the comparison of what the alert measures with its limit, or with what is usual."""
        if self.rule.measure is None:
            raise AssertionError(f"{self.rule.name} measures nothing that is recorded")
        measure = self.rule.measure(self.config)
        value = self.series(measure.record, labels=measure.labels)
        if self.limit.unit is not Unit.USUAL:
            return f"{value} {self.beyond}"
        usual = self.series(measure.usual, labels=measure.labels)
        return (
            f"{value}\n{self.limit.operator} on ({', '.join(measure.labels)}) "
            f"{self.limit.number} * {usual}"
        )

    def text(self, template: str) -> str:
        """Fill a summary or description with this installation's values."""
        values = {
            "limit": self.threshold.limit if self.threshold else "",
            "hold": format_duration(self.hold),
            "over": format_duration(self.over),
            "at_least": str(self.at_least),
        }
        for name, value in values.items():
            template = template.replace(f"<<{name}>>", value)
        return template


@dataclass(frozen=True, slots=True)
class Rules:
    """The enabled alerts of one installation, by name, in the catalogue's order."""

    config: RuleConfig
    catalogue: Mapping[str, AlertRule]
    _known: dict[str, tuple[Context, ...]] = field(default_factory=dict, compare=False, repr=False)

    def get(self, name: str) -> Context | None:
        """Return an alert's context, or None where the operator switched it off everywhere.

        It holds what applies where no narrower override does.
        """
        variants = self.variants(name)
        if not variants:
            return None
        return Context(self.catalogue[name], self.config, self, variants[-1].override)

    def variants(self, name: str) -> tuple[Context, ...]:
        """Return an alert's contexts, one for each part of the platform with limits of its own.

        Their scopes hold no series twice; the last is the widest.
        """
        if name not in self._known:
            self._known[name] = self._variants(name)
        return self._known[name]

    def _variants(self, name: str) -> tuple[Context, ...]:
        rule = self.catalogue.get(name)
        if rule is None:
            return ()
        override = self.config.overrides.get(name) or AlertOverride()
        return tuple(
            Context(rule, self.config, self, effect, scope)
            for scope, effect in partition(override)
            if effect.enabled is not False
        )

    def all(self) -> tuple[Context, ...]:
        """Return every enabled alert."""
        return tuple(context for name in self.catalogue if (context := self.get(name)))
