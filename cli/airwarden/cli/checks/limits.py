"""Thresholds that lie within what is normal, and shares that leave nothing: valid, and hardly meant.

What is normal here is what the operator says under `normal:`, else the averages and peaks of the
profile that the defaults were made for. Only what an operator wrote is judged.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from decimal import Decimal

from airwarden.cli.checks.finding import Finding, Level
from airwarden.cli.outputs import as_written, rule_config
from airwarden.core.durations import format_duration
from airwarden.core.settings import Settings
from airwarden.core.settings.alerting import AutoScaling, PriorityClass
from airwarden.core.thresholds import Threshold, Unit
from airwarden.rules.catalogue import resolve


def check_limits(settings: Settings) -> Iterator[Finding]:
    """Yield thresholds inside the normal band, and contradictions of the allocation."""
    allocation = settings.resource_allocation
    if allocation is not None:
        if allocation.auto_scaling is not None:
            yield from _scaling(allocation.auto_scaling, settings)
            yield from _scaling_beside_alerts(allocation.auto_scaling, settings)
        yield from _guarantees(dict(allocation.priority_classes.items()))
    yield from _alerts(settings)


def _percent(share: Decimal) -> str:
    return str(Threshold(None, share, Unit.RATIO))


def _scaling(scaling: AutoScaling, settings: Settings) -> Iterator[Finding]:
    place, normal = "resource_allocation.auto_scaling", settings.normal
    up, down = scaling.scale_up_threshold, scaling.scale_down_threshold
    if up.unit is Unit.RATIO and up.value <= normal.utilization.value:
        yield Finding(
            f"{place}.scale_up_threshold",
            Level.WARNING,
            f"{up.limit} is within what is normal here ({normal.utilization.limit} on average): "
            "capacity would be added about half of the time",
            f"take more than the usual peak, {normal.utilization_peak.limit}, or scale on queued work",
        )
    if up.unit is down.unit and down.value >= up.value:
        yield Finding(
            f"{place}.scale_down_threshold",
            Level.ERROR,
            f"{down.limit} is not below scale_up_threshold, {up.limit}: it would add and remove at once",
            "leave a gap, for example 85% and 40%",
        )
    if scaling.min_nodes == scaling.max_nodes:
        yield Finding(
            f"{place}.max_nodes", Level.WARNING, "equals min_nodes: nothing can be scaled"
        )


def _scaling_beside_alerts(scaling: AutoScaling, settings: Settings) -> Iterator[Finding]:
    """Alerts that call a person for what scaling is there to do, or that its lower bound fires."""
    place, rules = "resource_allocation.auto_scaling", resolve(rule_config(settings))
    up = scaling.scale_up_threshold
    for high in rules.variants("AirflowResourceUtilizationHigh"):
        if high.limit.unit is not up.unit or up.unit is not Unit.RATIO:
            continue
        where = f" where {', '.join(map(str, high.scope))}" if high.scope else ""
        hint = "let the alert be later than the scaling: a higher limit, or longer"
        if high.limit.value <= up.value:
            yield Finding(
                f"{place}.scale_up_threshold",
                Level.WARNING,
                f"{high.name}{where} fires {high.beyond_in_words} already, and capacity is added beyond "
                f"{up.limit} only: a person is called for what scaling would do",
                hint,
            )
        elif up.window is not None and high.hold <= up.window:
            yield Finding(
                f"{place}.scale_up_threshold",
                Level.WARNING,
                f"{high.name}{where} fires after {format_duration(high.hold)}, when capacity has not been "
                f"added yet (after {format_duration(up.window)})",
                hint,
            )
    few = rules.get("AirflowWorkersBelowMinimum")
    if few is not None and scaling.min_nodes < few.limit.value:
        yield Finding(
            f"{place}.min_nodes",
            Level.WARNING,
            f"{scaling.min_nodes} fires {few.name} ({few.beyond_in_words}): scaled down on purpose, it pages",
            f"keep {few.limit.value:f} at least, or lower the alert's limit",
        )


def _guarantees(classes: Mapping[str, PriorityClass]) -> Iterator[Finding]:
    shares = [Decimal(one.guaranteed_resources.removesuffix("%")) for one in classes.values()]
    if sum(shares) >= 100:
        yield Finding(
            "resource_allocation.priority_classes",
            Level.WARNING,
            f"guaranteed_resources add up to {sum(shares):f}%: nothing is left for what has no class, "
            "and nothing for the loss of a machine",
            "guarantee less than 100%, or lend what is idle",
        )
    order = ("critical", "high", "medium", "low")
    ranked = [name for name in order if name in classes]
    for better, worse in itertools.pairwise(ranked):
        if classes[better].weight <= classes[worse].weight:
            yield Finding(
                f"resource_allocation.priority_classes.{better}.weight",
                Level.WARNING,
                f"{classes[better].weight} is not more than that of {worse}, "
                f"{classes[worse].weight}: {better} does not go first",
            )


def _alerts(settings: Settings) -> Iterator[Finding]:
    """Limits that the operator wrote and that what is normal would cross."""
    config, normal = rule_config(settings), settings.normal
    rules = resolve(config)
    bands = {
        "AirflowResourceUtilizationHigh": (normal.utilization_peak, "at the usual peak"),
        "AirflowDagFailureRateHigh": (normal.dag_failure_rate, "on average"),
        "AirflowSchedulerLagHigh": (normal.scheduler_lag, "on average"),
    }
    for name, (usual, when) in bands.items():
        override = config.overrides.get(name)
        if override is None or override.threshold is None:
            continue
        for variant in rules.variants(name):
            limit = variant.limit
            if limit.unit is usual.unit and limit.value <= usual.value:
                where = ", ".join(map(str, variant.scope))
                yield Finding(
                    as_written(settings, name),
                    Level.WARNING,
                    f"{variant.beyond_in_words}{f' where {where}' if where else ''} is within what is "
                    f"normal here ({usual.limit} {when}): it fires without a fault",
                    f"raise it above {usual.limit}, or say under normal what is normal here",
                )
