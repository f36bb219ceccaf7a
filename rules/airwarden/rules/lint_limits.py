"""Findings about thresholds: overrides that change nothing, pairs that contradict each other, haste.

Prometheus accepts all of these; they are what an operator did not mean.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from airwarden.core.durations import format_duration
from airwarden.core.thresholds import Operator, Unit
from airwarden.rules.config import AlertOverride, RuleConfig
from airwarden.rules.findings import Finding, FindingSeverity
from airwarden.rules.model import Context, Rules
from airwarden.rules.scopes import applied, merged, points

#: (the earlier and milder, the later and worse): both speak of the same number.
PAIRS = (
    ("AirflowDatabaseConnectionsHigh", "AirflowDatabaseConnectionsCritical"),
    ("AirflowScheduleDelayWarn", "AirflowScheduleDelayCrit"),
)
_SCRAPES = 4
_BELOW = (Operator.BELOW, Operator.AT_MOST)


def lint_limits(rules: Rules) -> Iterator[Finding]:
    """Yield what stands out in the operator's overrides and between the alerts."""
    for name, override in rules.config.overrides.items():
        yield from _without_effect(rules, name, override)
        yield from _unknown_clusters(name, override, rules.config)
    for context in rules.all():
        for variant in rules.variants(context.name):
            yield from _hasty(variant)
    for mild, bad in PAIRS:
        yield from _contradiction(rules.get(mild), rules.get(bad))


def _without_effect(rules: Rules, name: str, base: AlertOverride) -> Iterator[Finding]:
    if name not in rules.catalogue:
        return
    for index, scoped in enumerate(base.scoped):
        others = tuple(s for position, s in enumerate(base.scoped) if position != index)
        without = AlertOverride(scoped=others)
        if all(_same_there(rules, name, base, without, point) for point in points(scoped)):
            yield Finding(
                f"alerts.{name}.overrides[{index}]",
                FindingSeverity.WARNING,
                "changes nothing: a more specific override wins, or it says what holds anyway",
                f"airwarden check --explain {name} shows what applies where",
            )


def _same_there(
    rules: Rules,
    name: str,
    base: AlertOverride,
    without: AlertOverride,
    point: tuple[tuple[str, str], ...],
) -> bool:
    def holds(overrides: AlertOverride) -> tuple[object, ...]:
        effect = merged(base, applied(overrides, dict(point)))
        there = Context(rules.catalogue[name], rules.config, rules, effect)
        limit = there.beyond_in_words if there.threshold else ""
        enabled = effect.enabled is not False
        return enabled, limit, there.hold, there.severity, there.over, there.at_least

    return holds(base) == holds(without)


def _unknown_clusters(name: str, base: AlertOverride, config: RuleConfig) -> Iterator[Finding]:
    for index, scoped in enumerate(base.scoped):
        for cluster in scoped.where.get("cluster", ()):
            if cluster not in config.clusters:
                near = difflib.get_close_matches(cluster, config.clusters, 1)
                yield Finding(
                    f"alerts.{name}.overrides[{index}].where.cluster",
                    FindingSeverity.WARNING,
                    f"there is no cluster {cluster!r}: it changes nothing",
                    f"did you mean {near[0]}?" if near else "clusters names them",
                )


def _hasty(context: Context) -> Iterator[Finding]:
    """Alerts that an operator made so quick that one or two odd samples fire them."""
    least = _SCRAPES * context.config.scrape_interval
    if not context.hold or context.hold >= least or context.hold == context.rule.hold:
        return
    yield Finding(
        f"alerts.{context.name}",
        FindingSeverity.WARNING,
        f"{format_duration(context.hold)} is shorter than {_SCRAPES} scrapes of "
        f"{format_duration(context.config.scrape_interval)}: a single odd sample may fire it",
        f"take at least {format_duration(least)}, or scrape more often",
    )


def _contradiction(mild: Context | None, bad: Context | None) -> Iterator[Finding]:
    if mild is None or bad is None or mild.limit.unit is not bad.limit.unit:
        return
    if mild.limit.unit is Unit.USUAL or mild.limit.quantile != bad.limit.quantile:
        return
    below = bad.limit.operator in _BELOW
    beyond = bad.limit.value < mild.limit.value if below else bad.limit.value > mild.limit.value
    if not beyond:
        yield Finding(
            f"alerts.{mild.name}.threshold",
            FindingSeverity.WARNING,
            f"{mild.beyond_in_words} warns no earlier than {bad.name} "
            f"({bad.beyond_in_words}), which mutes it",
            "let the warning come first, or switch it off",
        )
