"""The replay: every alert of one or several sets of rules, over the same past, in blocks of time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from airwarden.core.alerts import Severity
from airwarden.core.durations import parse_duration
from airwarden.core.thresholds import Threshold
from airwarden.rules.backtest.episodes import Episode, Sent
from airwarden.rules.backtest.evaluate import Evaluator
from airwarden.rules.backtest.grid import Grid
from airwarden.rules.backtest.holding import Active, Firing, fired
from airwarden.rules.backtest.needs import Needs, Recorded, Recordings, needs
from airwarden.rules.backtest.notify import (
    Alertmanager,
    Batch,
    Calendar,
    never_ends,
)
from airwarden.rules.backtest.sources import Source
from airwarden.rules.backtest.tree import parsed, shared
from airwarden.rules.backtest.vectors import NotJudgedError, Span
from airwarden.rules.catalogue import resolve
from airwarden.rules.config import AlertOverride, PagerDutyRoute, RuleConfig, SlackRoute
from airwarden.rules.model import Context, Rules
from airwarden.rules.render_alertmanager import alertmanager_document
from airwarden.rules.render_prometheus import alert_entry, rule_groups

#: Told how much of the replay is done, from 0 to 1.
Progress = Callable[[float], None]
#: Evaluations that are worked on at once.
_BLOCK = 2880


@dataclass(frozen=True, slots=True)
class Alert:
    """One alerting rule, as it is written for Prometheus.

    Attributes:
        hold, keep: `for` and `keep_firing_for`, seconds.
        labels: Those that the rule adds, `alertname` included.
        key: What tells two of them apart.
    """

    name: str
    expr: str
    hold: float
    keep: float
    labels: Mapping[str, str]
    key: tuple[object, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Work out the key once: hundreds of sets of rules have the same alerts."""
        key = self.expr, self.hold, self.keep, *sorted(self.labels.items())
        object.__setattr__(self, "key", key)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """One installation's rules and routing.

    Attributes:
        document: Alertmanager's configuration, as its YAML reads.
        asked_by: Alert → the alerts whose expressions depend on its settings.
        changed: The alert that is tried with another threshold; empty for what is in force.
    """

    config: RuleConfig
    rules: Rules
    alerts: tuple[Alert, ...]
    recordings: Recordings
    document: Mapping[str, Any]
    asked_by: Mapping[str, frozenset[str]]
    changed: str = ""

    @classmethod
    def of(cls, config: RuleConfig, changed: str = "") -> RuleSet:
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
            alertmanager_document(rules),
            _asked_by(rules),
            changed,
        )

    def with_threshold(self, name: str, threshold: Threshold) -> RuleSet:
        """Return the same with another limit of the same unit for one alert: only its rules are new.

        Raises:
            WrongInputError: The threshold does not fit the alert.
        """
        config = with_threshold(self.config, name, threshold)
        rules = resolve(config)
        changed = {name, *self.asked_by.get(name, ())}
        fresh = {
            one: tuple(_alert(alert_entry(context)) for context in rules.variants(one))
            for one in changed
        }
        alerts: list[Alert] = []
        for alert in self.alerts:
            # The new ones stand where the first of the old ones stood.
            alerts += fresh.pop(alert.name, ())
            if alert.name not in changed:
                alerts.append(alert)
        return replace(self, config=config, rules=rules, alerts=tuple(alerts), changed=name)


def with_threshold(config: RuleConfig, name: str, threshold: Threshold) -> RuleConfig:
    """Return an installation with one threshold changed; its length goes before a `hold`."""
    own = config.overrides.get(name, AlertOverride())
    hold = None if threshold.window is not None else own.hold
    changed = replace(own, threshold=threshold, hold=hold)
    return replace(config, overrides={**config.overrides, name: changed})


@dataclass(frozen=True)
class _Watched(Rules):
    """Rules that note which alerts are asked for."""

    seen: set[str] = field(default_factory=set)

    def variants(self, name: str) -> tuple[Context, ...]:
        self.seen.add(name)
        return Rules.variants(self, name)


def _asked_by(rules: Rules) -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    watched = _Watched(rules.config, rules.catalogue)
    for name in rules.catalogue:
        for context in Rules.variants(watched, name):
            watched.seen.clear()
            context.rule.expr(context)
            for other in watched.seen - {name}:
                found.setdefault(other, set()).add(name)
    return {name: frozenset(names) for name, names in found.items()}


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
        firings: Every alert that fired, those of other sets among them; by an episode's `origin`.
        episodes: What people would have heard; of a set that changes one alert, those with it.
        not_judged: Alert → what it needs.
        judged_without: Alert → what would have excused it and is not known.
    """

    rules: RuleSet
    firings: Sequence[Firing]
    episodes: tuple[Episode, ...]
    not_judged: Mapping[str, str]
    judged_without: Mapping[str, str]

    @property
    def judged(self) -> tuple[str, ...]:
        """The names of the alerts that were judged."""
        names = dict.fromkeys(a.name for a in self.rules.alerts)
        return tuple(name for name in names if name not in self.not_judged)


def replay(
    sets: Sequence[RuleSet],
    sources: Mapping[str, Source],
    grid: Grid,
    progress: Progress = lambda _: None,
) -> list[Replayed]:
    """Replay several sets of rules; what they have in common is evaluated, and fires, once.

    Args:
        sets: The first one is in force, the others are tried.
        sources: The past.
        grid: The evaluations.
        progress: Told how far it is.
    """
    recordings: dict[str, tuple[Recorded, ...]] = {}
    for rules in sets:
        recordings |= rules.recordings
    expressions = dict.fromkeys(alert.expr for rules in sets for alert in rules.alerts)
    others = (rule.expr for own in recordings.values() for rule in own)
    evaluator = Evaluator(
        sources,
        recordings,
        grid.start,
        grid.step,
        _BLOCK,
        first=grid.whole.first,
        kept=shared(map(parsed, (*expressions, *dict.fromkeys(others)))),
    )
    reasons: dict[str, str] = {}
    excused: dict[str, str] = {}
    active: dict[str, Active] = {}
    for expression in expressions:
        found = needs(parsed(expression), sources, recordings)
        reason = _reason(found)
        if reason:
            reasons[expression] = reason
        else:
            active[expression] = Active()
            if found.without:
                excused[expression] = ", ".join(sorted(found.without))
    _evaluate(evaluator, active, reasons, grid, progress)
    told = _Told(active, grid)
    return [
        Replayed(
            rules=rules,
            firings=told.firings,
            episodes=told.episodes(rules),
            not_judged={a.name: reasons[a.expr] for a in rules.alerts if a.expr in reasons},
            judged_without={a.name: excused[a.expr] for a in rules.alerts if a.expr in excused},
        )
        for rules in sets
    ]


def judgeable(rules: RuleSet, sources: Mapping[str, Source]) -> list[str]:
    """Return the alerts whose series are there."""
    names = {
        alert.name: None
        for alert in rules.alerts
        if not _reason(needs(parsed(alert.expr), sources, rules.recordings))
    }
    return list(names)


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
        evaluator.forget(first)
        progress(first / grid.count)


def _calendar(config: RuleConfig, start: float) -> Calendar:
    """Return whether a moment of the replay lies in one of the installation's time intervals."""

    def lies_in(name: str, moment: float) -> bool:
        when = datetime.fromtimestamp(start + moment, UTC)
        return any(hours.contains(when) for hours in config.time_intervals[name])

    return lies_in


class _Told:
    """From expressions that held to notifications, each alert's firings made once."""

    def __init__(self, active: Mapping[str, Active], grid: Grid) -> None:
        self._active = active
        self._grid = grid
        self._sent: dict[tuple[object, ...], list[Sent]] = {}
        self._alertmanagers: dict[int, Alertmanager] = {}
        self._batches: dict[tuple[int, tuple[object, ...]], Batch] = {}
        self.firings: list[Firing] = []

    def episodes(self, rules: RuleSet) -> tuple[Episode, ...]:
        """Return what people would have heard; of a changed set, what is about its changed alert."""
        document = rules.document
        known = self._alertmanagers.get(id(document))
        if known is None:
            known = Alertmanager(document, _calendar(rules.config, self._grid.start))
            self._alertmanagers[id(document)] = known
        grid = self._grid
        until = math.nextafter(grid.count * grid.step, 0)
        batches = [self._batch(known, alert) for alert in rules.alerts if self._of(alert)]
        return tuple(known.told_of(batches, until, rules.changed))

    def _batch(self, alertmanager: Alertmanager, alert: Alert) -> Batch:
        key = id(alertmanager), alert.key
        if key not in self._batches:
            self._batches[key] = alertmanager.batch(self._of(alert))
        return self._batches[key]

    def _of(self, alert: Alert) -> list[Sent]:
        """Return an alert's firings as Alertmanager has them."""
        if alert.key in self._sent:
            return self._sent[alert.key]
        sent: list[Sent] = []
        if alert.expr in self._active and alert.labels.get("severity") != Severity.NONE.value:
            step = self._grid.step
            for firing in fired(
                self._active[alert.expr],
                alert.hold,
                alert.keep,
                step,
                self._grid.count,
                alert.labels,
            ):
                ends = never_ends(firing.resolved, step)
                origin = len(self.firings)
                sent.append(Sent.of(firing.labels, firing.fires * step, ends, origin))
                self.firings.append(firing)
        self._sent[alert.key] = sent
        return sent
