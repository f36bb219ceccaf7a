"""What a replay says to people: pages with their DAGs, thresholds beside a budget, incidents found or missed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

import numpy as np

from airwarden.core.alerts import Severity
from airwarden.core.durations import format_duration
from airwarden.core.errors import WrongInputError
from airwarden.core.history import RUN_STATES
from airwarden.core.thresholds import Threshold, Unit
from airwarden.rules.backtest.episodes import Episode
from airwarden.rules.backtest.grid import Grid
from airwarden.rules.backtest.past_metrics import DagKind, PastOfRuns
from airwarden.rules.backtest.promises import Tight
from airwarden.rules.backtest.replay import Replayed, RuleSet, with_threshold
from airwarden.rules.backtest.vectors import Labels
from airwarden.rules.config import RuleConfig
from airwarden.rules.render_alertmanager import CHAT, PAGER

#: What of a limit, and of the time that it must last, is tried beside what is in force.
LIMITS = (Decimal("0.5"), Decimal("0.75"), Decimal(1), Decimal("1.5"), Decimal(2))
HOLDS = (0.5, 1.0, 2.0)
#: DAGs that are named with a page.
NAMED = 20
#: Labels that say which DAGs an alert is about.
_NAMES = ("team", "tier", "type", "dag_id", "asset")
_FAILED = RUN_STATES.index("failed")
#: Seconds before an alert was pending in which the runs it is about may have ended.
_EARLIER = 600.0
_WHAT_FAILS = frozenset({"pipelines", "data", "task"})


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that happened, as people remember it.

    Attributes:
        began, ended: Unix time.
        alerts: Names of which one should tell of it; empty: any.
        labels: What an alert that tells of it carries.
        noticed: Unix time at which people noticed; None where nobody wrote it down.
    """

    name: str
    began: float
    ended: float
    alerts: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    noticed: float | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One thing that somebody would have heard of.

    Attributes:
        kind: `page` or `message`.
        began: Unix time of its first notification.
        seconds: How long it lasted; to the end of the replay where it did.
        series: How many alerts were in it.
        notifications: How often it was told, repeats included.
        failing: DAGs whose runs failed meanwhile, the worst first; `others` are not named.
        playbook: What would have been run; empty where none was asked for or matches.
        incident: The one that it tells of; empty where it tells of none.
        unit: What `worst` is in.
    """

    kind: str
    alert: str
    severity: str
    labels: Labels
    began: float
    seconds: float
    series: int
    notifications: int
    worst: float
    failing: tuple[tuple[str, int], ...] = ()
    others: int = 0
    playbook: str = ""
    incident: str = ""
    unit: Unit = Unit.COUNT


@dataclass(frozen=True, slots=True)
class Found:
    """An incident, and what told of it.

    Attributes:
        told: Pages and messages about it; 0: missed.
        after: Seconds from its begin to the first of them.
        earlier: Seconds by which that was before people noticed.
    """

    incident: Incident
    told: int
    by: str = ""
    after: float | None = None
    earlier: float | None = None


@dataclass(frozen=True, slots=True)
class Tried:
    """One threshold that was tried: how many pages and messages of its alert there would have been."""

    threshold: str
    pages: int
    messages: int


@dataclass(frozen=True, slots=True)
class Row:
    """One alert beside the budget.

    Attributes:
        threshold: As in force.
        share: Its part of the budget of pages, 1 for all of it.
        grid: What other limits and times would have given.
    """

    alert: str
    severity: str
    threshold: str
    pages: int
    messages: int
    share: float
    without: str = ""
    grid: tuple[Tried, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """The whole answer.

    Attributes:
        start, end: Unix times.
        runs, dags: How many were looked at.
        budget: Pages a week that are thought bearable.
        naive: Pages of the same failure limit judged for each team alone, ungrouped and without the
            guards; None where it was not judged.
        tried: What the operator asked to be tried.
        not_judged: Alert → why.
        tight: Promises that a single failed run breaks.
    """

    cluster: str
    start: float
    end: float
    step: float
    runs: int
    dags: int
    budget: float
    pages: tuple[Page, ...]
    rows: tuple[Row, ...]
    incidents: tuple[Found, ...]
    tried: tuple[tuple[str, Tried], ...]
    naive: int | None
    not_judged: Mapping[str, str]
    tight: tuple[Tight, ...] = ()

    @property
    def days(self) -> float:
        """How many days were looked at."""
        return (self.end - self.start) / 86_400

    @property
    def not_judged_by_reason(self) -> Mapping[str, Sequence[str]]:
        """The alerts that were not judged, by why."""
        found: dict[str, list[str]] = {}
        for alert, why in self.not_judged.items():
            found.setdefault(why, []).append(alert)
        return found

    def count(self, kind: str) -> int:
        """Return how many pages, or messages, there would have been."""
        return sum(page.kind == kind for page in self.pages)

    def told(self, kind: str) -> int:
        """Return how many notifications those were, with what joined and what was repeated."""
        return sum(page.notifications for page in self.pages if page.kind == kind)

    def per_day(self, severity: str) -> float:
        """Return how many of a severity there would have been a day."""
        return sum(page.severity == severity for page in self.pages) / max(self.days, 1e-9)


def kind_of(episode: Episode) -> str:
    """Return how an episode is told: `page`, `message`, or nothing for nobody."""
    receiver = episode.route.receiver
    if receiver.split("-")[0] == PAGER:
        return "page"
    return "message" if receiver.split("-")[0] == CHAT else ""


def counted(replayed: Replayed, alert: str) -> tuple[int, int]:
    """Return the pages and the messages of one alert."""
    kinds = [
        kind_of(episode)
        for episode in replayed.episodes
        if any(sent.labels["alertname"] == alert for sent in episode.alerts.values())
    ]
    return kinds.count("page"), kinds.count("message")


def variants(judged: Iterable[str], rules: RuleSet) -> list[Variant]:
    """Return the other limits and times that are tried for each alert that has a limit."""
    found = []
    for name in judged:
        context = rules.rules.get(name)
        if context is None or context.threshold is None:
            continue
        windows = dict.fromkeys(
            timedelta(seconds=round(context.hold.total_seconds() * hold)) for hold in HOLDS
        )
        for limit in dict.fromkeys(_scaled(context.limit, factor) for factor in LIMITS):
            for window in windows:
                own = replace(limit, window=window)
                # A limit that the alert would refuse is not one to try.
                with contextlib.suppress(WrongInputError):
                    found.append(Variant(name, str(own), rules.with_threshold(name, own)))
    return found


def _scaled(threshold: Threshold, factor: Decimal) -> Threshold:
    """Return a limit times a factor; of one relative to an SLA, the part that goes beyond it."""
    value = threshold.value * factor
    if threshold.unit is Unit.RATIO:
        value = min(value, Decimal("0.99"))
    if threshold.unit is Unit.COUNT and threshold.value >= 1:
        # Half a failure is none.
        value = max(Decimal(1), value.to_integral_value(ROUND_HALF_UP))
    return replace(threshold, value=value.normalize() + 0)


@dataclass(frozen=True, slots=True)
class Variant:
    """One alert with another threshold: the rules that come of it."""

    alert: str
    threshold: str
    rules: RuleSet

    @classmethod
    def of(cls, config: RuleConfig, alert: str, threshold: Threshold) -> Variant:
        """Return the installation with this one thing changed.

        Raises:
            WrongInputError: The threshold does not fit the alert.
        """
        changed = with_threshold(config, alert, threshold)
        return cls(alert, str(threshold), RuleSet.of(changed, alert))


def pages_of(
    replayed: Replayed,
    past: PastOfRuns | None,
    grid: Grid,
    choose: Callable[[Labels], str] | None,
) -> list[Page]:
    """Return what people would have heard, in order of time."""
    found = []
    for episode in replayed.episodes:
        kind = kind_of(episode)
        if kind:
            found.append(_page(episode, kind, replayed, past, grid, choose))
    return found


def _page(
    episode: Episode,
    kind: str,
    replayed: Replayed,
    past: PastOfRuns | None,
    grid: Grid,
    choose: Callable[[Labels], str] | None,
) -> Page:
    firings = [replayed.firings[origin] for origin in episode.alerts]
    first = firings[0]
    end = grid.end - grid.start if episode.ended is None else episode.ended
    since = grid.at(min(firing.active for firing in firings)) - _EARLIER
    failing = _failing(past, [f.labels for f in firings], since, grid.start + end)
    rank = [severity.value for severity in (Severity.CRITICAL, Severity.WARNING, Severity.INFO)]
    severities = {firing.labels.get("severity", "") for firing in firings}
    return Page(
        kind=kind,
        alert=first.labels["alertname"],
        severity=next((s for s in rank if s in severities), ""),
        labels=_common([firing.labels for firing in firings]),
        began=grid.start + episode.began,
        seconds=end - episode.began,
        series=len(firings),
        notifications=episode.told,
        worst=max(firing.worst for firing in firings),
        failing=tuple(failing[:NAMED]),
        others=max(0, len(failing) - NAMED),
        playbook=choose(first.labels) if choose else "",
        unit=_unit(replayed.rules, first.labels["alertname"]),
    )


def _unit(rules: RuleSet, alert: str) -> Unit:
    context = rules.rules.get(alert)
    return context.limit.unit if context is not None and context.threshold else Unit.COUNT


def _common(labels: Sequence[Labels]) -> dict[str, str]:
    left_out = {"alertname", "severity", "component"}
    return {
        name: value
        for name, value in labels[0].items()
        if name not in left_out and all(other.get(name) == value for other in labels)
    }


def _failing(
    past: PastOfRuns | None, labels: Sequence[Labels], since: float, until: float
) -> list[tuple[str, int]]:
    """Return DAGs with how many of their runs failed, as far as the alerts' labels are about them."""
    if past is None or not {own.get("component") for own in labels} & _WHAT_FAILS:
        return []
    runs = past.runs
    about: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    for own in labels:
        names = tuple(name for name in _NAMES if name in own)
        about.setdefault(names, set()).add(tuple(own[name] for name in names))
    chosen = (runs.state == _FAILED) & (runs.ended >= since) & (runs.ended <= until)
    found: dict[str, int] = {}
    for place, number in zip(*np.unique(runs.dag[chosen], return_counts=True), strict=True):
        dag = past.dags[int(place)]
        if any(tuple(_label(dag, n) for n in names) in values for names, values in about.items()):
            found[dag.dag_id or "(a DAG that is gone)"] = int(number)
    return sorted(found.items(), key=lambda item: (-item[1], item[0]))


def _label(dag: DagKind, name: str) -> str:
    return f"dag:{dag.dag_id}" if name == "asset" else str(getattr(dag, name))


def told_of(incidents: Sequence[Incident], pages: Sequence[Page]) -> tuple[list[Found], list[Page]]:
    """Return what was found and missed, and the pages with the incident that each tells of.

    A page tells of an incident when it begins while that lasts, or within an hour after, and carries its
    labels and the name of one of its alerts.
    """
    marked = list(pages)
    found = []
    for incident in incidents:
        mine = [
            place
            for place, page in enumerate(marked)
            if not page.incident
            and incident.began <= page.began <= incident.ended + 3600
            and (not incident.alerts or page.alert in incident.alerts)
            and all(page.labels.get(name) == value for name, value in incident.labels.items())
        ]
        for place in mine:
            marked[place] = replace(marked[place], incident=incident.name)
        if not mine:
            found.append(Found(incident, 0))
            continue
        first = marked[mine[0]]
        noticed = incident.noticed
        found.append(
            Found(
                incident,
                sum(marked[place].notifications for place in mine),
                first.alert,
                first.began - incident.began,
                None if noticed is None else noticed - first.began,
            )
        )
    return found, marked


def rows_of(
    replayed: Replayed, tried: Sequence[tuple[Variant, Replayed]], budget: float, days: float
) -> list[Row]:
    """Return each judged alert beside the budget."""
    rows = []
    allowed = max(budget * days / 7, 1e-9)
    for name in replayed.judged:
        context = replayed.rules.rules.get(name)
        if context is None:
            continue
        pages, messages = counted(replayed, name)
        hold = format_duration(context.hold)
        limit = f"{context.limit.operator} {context.limit.limit} " if context.threshold else ""
        grid = tuple(
            Tried(variant.threshold, *counted(result, name))
            for variant, result in tried
            if variant.alert == name
        )
        rows.append(
            Row(
                name,
                context.severity.value,
                f"{limit}for {hold}",
                pages,
                messages,
                pages / allowed,
                replayed.judged_without.get(name, ""),
                grid,
            )
        )
    return rows
