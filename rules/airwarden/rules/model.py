"""Typed rules: what an alert is before it becomes Prometheus' YAML.

A rule's expression is a function of its `Context`, which holds the thresholds after the operator's
overrides; so one definition serves every installation, and nothing is edited as text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from airwarden.core.alerts import Severity
from airwarden.core.durations import format_duration
from airwarden.core.thresholds import Operator, Threshold, Unit
from airwarden.rules.config import AlertOverride, RuleConfig

_ZERO = timedelta(0)


class Route(Enum):
    """Who hears of an alert first."""

    #: The remediator takes it, tells of it in Slack, and pages for it where that is needed.
    REMEDIATOR = "remediator"
    #: A person is paged directly, because the remediator may be what is broken.
    PAGER = "pager"
    #: It always fires; whoever stops hearing it raises the alarm.
    HEARTBEAT = "heartbeat"


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One alert.

    Attributes:
        name: `alertname`; also names its runbook.
        component: The `component` label.
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
    route: Route = Route.REMEDIATOR
    keeps: bool = True


@dataclass(frozen=True, slots=True)
class RecordingRule:
    """A series that alerts and dashboards share: its name and its expression."""

    record: str
    expr: str


@dataclass(frozen=True, slots=True)
class Subject:
    """One file of rules: its recordings, made from the resolved rules, then its alerts."""

    name: str
    alerts: tuple[AlertRule, ...]
    recordings: Callable[[Rules], tuple[RecordingRule, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """One alert in one installation: the catalogue's values with the operator's on top.

    Attributes:
        rule: The catalogue's entry.
        config: The installation.
        rules: All enabled alerts of the installation, for rules that look at each other.
    """

    rule: AlertRule
    config: RuleConfig
    rules: Rules

    @property
    def _override(self) -> AlertOverride:
        return self.config.overrides.get(self.rule.name) or AlertOverride()

    @property
    def name(self) -> str:
        """The alert's name."""
        return self.rule.name

    @property
    def severity(self) -> Severity:
        """The severity after overrides."""
        return self._override.severity or self.rule.severity

    @property
    def threshold(self) -> Threshold | None:
        """The limit after overrides, always with an operator."""
        own, default = self._override.threshold, self.rule.threshold
        if own is None or default is None or own.unit is Unit.NONE:
            return default
        operator = own.operator or default.operator
        return Threshold(operator, own.value, own.unit, own.window, own.utilization)

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
    def hold(self) -> timedelta:
        """The `for` after overrides."""
        window = self._override.threshold.window if self._override.threshold else None
        own = self._override.hold if self._override.hold is not None else window
        return self.rule.hold if own is None else own

    @property
    def keep(self) -> timedelta:
        """The `keep_firing_for`: a third of the hold, two scrapes at least, ten minutes at most."""
        if not self.rule.keeps:
            return _ZERO
        shortest = 2 * self.config.scrape_interval
        keep = min(max(self.hold / 3, shortest), timedelta(minutes=10))
        return timedelta(seconds=math.ceil(keep.total_seconds()))

    @property
    def over(self) -> timedelta:
        """The range of rates and counts: four scrapes at least, or Prometheus 3 finds too few."""
        wanted = self._override.over or self.rule.over or _ZERO
        return max(wanted, 4 * self.config.scrape_interval)

    @property
    def at_least(self) -> int:
        """The minimum of events for a ratio after overrides."""
        own = self._override.at_least
        return self.rule.at_least if own is None else own

    @property
    def bridge(self) -> str:
        """The range that carries a long-held gauge over missed scrapes, for `max_over_time`."""
        longest = timedelta(minutes=5)
        seconds = math.ceil(min(self.hold / 6, longest).total_seconds())
        return format_duration(max(timedelta(seconds=seconds), 4 * self.config.scrape_interval))

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

    def get(self, name: str) -> Context | None:
        """Return an alert's context, or None where the operator switched it off."""
        rule = self.catalogue.get(name)
        return Context(rule, self.config, self) if rule else None

    def all(self) -> tuple[Context, ...]:
        """Return every enabled alert."""
        return tuple(Context(rule, self.config, self) for rule in self.catalogue.values())
