"""The replay: every alert of one or several sets of rules, over the same past, in blocks of time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import promql_parser as promql

from airwarden.core.alerts import Severity
from airwarden.core.durations import parse_duration
from airwarden.rules.backtest.evaluate import Evaluator
from airwarden.rules.backtest.grid import Grid
from airwarden.rules.backtest.holding import Active, Firing, fired
from airwarden.rules.backtest.needs import Needs, Recorded, Recordings, needs
from airwarden.rules.backtest.notify import Alertmanager, Calendar, Episode, Sent, never_ends
from airwarden.rules.backtest.sources import Source
from airwarden.rules.backtest.vectors import NotJudgedError, Span
from airwarden.rules.catalogue import resolve
from airwarden.rules.config import PagerDutyRoute, RuleConfig, SlackRoute
from airwarden.rules.model import Rules
from airwarden.rules.render_alertmanager import alertmanager_document
from airwarden.rules.render_prometheus import rule_groups

#: Told how much of the replay is done, from 0 to 1.
Progress = Callable[[float], None]
#: Evaluations that are worked on at once.
_BLOCK = 1440


@dataclass(frozen=True, slots=True)
class Alert:
    """One alerting rule, as it is written for Prometheus.

    Attributes:
        hold, keep: `for` and `keep_firing_for`, seconds.
        labels: Those that the rule adds, `alertname` included.
    """

    name: str
    expr: str
    hold: float
    keep: float
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RuleSet:
    """One installation's rules and routing."""

    config: RuleConfig
    rules: Rules
    alerts: tuple[Alert, ...]
    recordings: Recordings

    @classmethod
    def of(cls, config: RuleConfig) -> RuleSet:
        """Return the rules that `airwarden build` writes for an installation, heard by people.

        Where a remediator takes alerts first, it speaks once for what Alertmanager would: so the replay
        routes to people directly, as if nothing had been healed.

        Raises:
            WrongInputError: An override does not fit its alert.
        """
        config = replace(
            config,
            remediator=None,
            slack=config.slack or SlackRoute("#airflow", webhook_url_file="slack"),
            pagerduty=config.pagerduty or PagerDutyRoute("pagerduty"),
        )
        rules = resolve(config)
        entries = [entry for group in rule_groups(rules) for entry in group["rules"]]
        return cls(
            config,
            rules,
            tuple(_alert(entry) for entry in entries if "alert" in entry),
            recorded(entry for entry in entries if "record" in entry),
        )


def recorded(entries: Iterable[Mapping[str, Any]]) -> Recordings:
    """Return recording rules by name; the same name may be recorded with several sets of labels."""
    found: dict[str, tuple[Recorded, ...]] = {}
    for entry in entries:
        own = Recorded(entry["expr"], tuple(sorted((entry.get("labels") or {}).items())))
        found[entry["record"]] = (*found.get(entry["record"], ()), own)
    return found


def _alert(entry: Mapping[str, Any]) -> Alert:
    def seconds(key: str) -> float:
        return parse_duration(entry[key]).total_seconds() if key in entry else 0.0

    return Alert(
        name=entry["alert"],
        expr=entry["expr"],
        hold=seconds("for"),
        keep=seconds("keep_firing_for"),
        # A label whose value is a template is filled in from the series: it stays as the series has it.
        labels={
            "alertname": entry["alert"],
            **{name: value for name, value in entry["labels"].items() if "{{" not in str(value)},
        },
    )


@dataclass(frozen=True, slots=True)
class Replayed:
    """What one set of rules would have done.

    Attributes:
        rules: The set.
        firings: Every alert that fired.
        episodes: What people would have heard.
        not_judged: Alert → what it needs.
        judged_without: Alert → what would have excused it and is not known.
        held_minutes: Alert → minutes for which its expression held, each series for itself.
    """

    rules: RuleSet
    firings: tuple[Firing, ...]
    episodes: tuple[Episode, ...]
    not_judged: Mapping[str, str]
    judged_without: Mapping[str, str]
    held_minutes: Mapping[str, float]

    @property
    def judged(self) -> tuple[str, ...]:
        """The names of the alerts that were judged."""
        return tuple(a.name for a in self.rules.alerts if a.name not in self.not_judged)


def replay(
    sets: Sequence[RuleSet],
    sources: Mapping[str, Source],
    grid: Grid,
    progress: Progress = lambda _: None,
) -> list[Replayed]:
    """Replay several sets of rules; what they have in common is evaluated once.

    Args:
        sets: The first one is in force, the others are tried.
        sources: The past.
        grid: The evaluations.
        progress: Told how far it is.
    """
    recordings: dict[str, tuple[Recorded, ...]] = {}
    for rules in sets:
        recordings |= rules.recordings
    evaluator = Evaluator(sources, recordings, grid.start, grid.step, _BLOCK)
    reasons: dict[str, str] = {}
    excused: dict[str, str] = {}
    active: dict[str, Active] = {}
    for expression in {alert.expr: None for rules in sets for alert in rules.alerts}:
        found = needs(promql.parse(expression), sources, recordings)
        reason = _reason(found)
        if reason:
            reasons[expression] = reason
        else:
            active[expression] = Active()
            if found.without:
                excused[expression] = ", ".join(sorted(found.without))
    _evaluate(evaluator, active, reasons, grid, progress)
    return [_replayed(rules, active, reasons, excused, grid) for rules in sets]


def judgeable(rules: RuleSet, sources: Mapping[str, Source]) -> list[str]:
    """Return the alerts whose series are there."""
    return [
        alert.name
        for alert in rules.alerts
        if not _reason(needs(promql.parse(alert.expr), sources, rules.recordings))
    ]


def _reason(found: Needs) -> str:
    if found.missing:
        return "needs " + ", ".join(sorted(found.missing))
    return "" if found.known else "says something of Airwarden alone"


def _evaluate(
    evaluator: Evaluator,
    active: dict[str, Active],
    reasons: dict[str, str],
    grid: Grid,
    progress: Progress,
) -> None:
    first = 0
    while first < grid.count:
        span = Span(first, min(_BLOCK - first % _BLOCK, grid.count - first))
        for expression in list(active):
            try:
                found = evaluator.vector(expression, span)
            except NotJudgedError as error:
                reasons[expression] = f"not supported: {error}"
                del active[expression]
            else:
                active[expression].add(found, first)
        first = span.end
        evaluator.forget(first - grid.before)
        progress(first / grid.count)


def _calendar(config: RuleConfig, start: float) -> Calendar:
    """Return whether a moment of the replay lies in one of the installation's time intervals."""

    def lies_in(name: str, moment: float) -> bool:
        when = datetime.fromtimestamp(start + moment, UTC)
        return any(hours.contains(when) for hours in config.time_intervals[name])

    return lies_in


def _replayed(
    rules: RuleSet,
    active: Mapping[str, Active],
    reasons: Mapping[str, str],
    excused: Mapping[str, str],
    grid: Grid,
) -> Replayed:
    firings: list[Firing] = []
    for alert in rules.alerts:
        if alert.expr in active:
            firings += fired(
                active[alert.expr], alert.hold, alert.keep, grid.step, grid.count, alert.labels
            )
    sent = [
        Sent.of(
            firing.labels, firing.fires * grid.step, never_ends(firing.resolved, grid.step), place
        )
        for place, firing in enumerate(firings)
        if firing.labels.get("severity") != Severity.NONE.value
    ]
    document = alertmanager_document(rules.rules)
    alertmanager = Alertmanager(document, _calendar(rules.rules.config, grid.start))
    episodes = alertmanager.episodes(sent, math.nextafter(grid.count * grid.step, 0))
    return Replayed(
        rules=rules,
        firings=tuple(firings),
        episodes=tuple(episodes),
        not_judged={a.name: reasons[a.expr] for a in rules.alerts if a.expr in reasons},
        judged_without={a.name: excused[a.expr] for a in rules.alerts if a.expr in excused},
        held_minutes={
            a.name: active[a.expr].minutes(grid.step) for a in rules.alerts if a.expr in active
        },
    )
