"""All alerts, in one place: look them up, and put an operator's overrides on them."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping

from airwarden.core.durations import format_duration
from airwarden.core.errors import WrongInputError
from airwarden.core.thresholds import Operator, Threshold, Unit
from airwarden.rules.airwarden_itself import AIRWARDEN_ITSELF
from airwarden.rules.backlog import BACKLOG
from airwarden.rules.business import BUSINESS
from airwarden.rules.components import COMPONENTS
from airwarden.rules.config import AlertOverride, RuleConfig
from airwarden.rules.dag_files import DAG_FILES
from airwarden.rules.dags import DAGS
from airwarden.rules.data import DATA
from airwarden.rules.database import DATABASE
from airwarden.rules.database_load import DATABASE_LOAD
from airwarden.rules.dependencies import DEPENDENCIES
from airwarden.rules.failures import FAILURES
from airwarden.rules.kubernetes import KUBERNETES
from airwarden.rules.lateness import LATENESS
from airwarden.rules.model import AlertRule, Rules, Subject
from airwarden.rules.pipelines import PIPELINES
from airwarden.rules.queues import QUEUES
from airwarden.rules.scheduler import SCHEDULER
from airwarden.rules.scopes import check_where, contradiction
from airwarden.rules.slo import SLO
from airwarden.rules.tasks import TASKS
from airwarden.rules.workers import WORKERS

#: One rule file each, in the order in which an operator looks: causes first.
SUBJECTS: tuple[Subject, ...] = (
    DATABASE,
    DATABASE_LOAD,
    QUEUES,
    BACKLOG,
    SCHEDULER,
    COMPONENTS,
    DAG_FILES,
    WORKERS,
    KUBERNETES,
    FAILURES,
    DEPENDENCIES,
    PIPELINES,
    DAGS,
    TASKS,
    LATENESS,
    DATA,
    BUSINESS,
    SLO,
    AIRWARDEN_ITSELF,
)

#: Every alert by name.
ALERTS: Mapping[str, AlertRule] = {
    rule.name: rule for subject in SUBJECTS for rule in subject.alerts
}

#: These need a remediator; where there is none they are left out.
_OF_THE_REMEDIATOR = frozenset({"AirwardenRemediatorDown", "AirwardenAlertNotTaken"})

_EXAMPLES = {
    Unit.RATIO: "> 5% for 10m",
    Unit.SECONDS: "> 5m for 3m",
    Unit.COUNT: "> 1000 for 15m",
    Unit.SLA: "> SLA + 50% for 1h",
    Unit.USUAL: "> 3x usual for 30m",
}


def alert(name: str, *, place: str = "") -> AlertRule:
    """Return the alert of that name.

    Raises:
        WrongInputError: There is none; the hint names the nearest.
    """
    if name not in ALERTS:
        near = difflib.get_close_matches(name, ALERTS, 1)
        hint = f"did you mean {near[0]}?" if near else "the reference page lists all alerts"
        raise WrongInputError(f"there is no alert {name!r}", place=place, hint=hint)
    return ALERTS[name]


def resolve(config: RuleConfig) -> Rules:
    """Return the enabled alerts of an installation, after checking its overrides.

    Raises:
        WrongInputError: An override names no alert, or does not fit the alert it names.
    """
    if not config.clusters:
        raise WrongInputError("rules need at least one cluster", place="clusters")
    for name, override in config.overrides.items():
        rule = alert(name, place=f"alerts.{name}")
        _check(rule, override, f"alerts.{name}")
        _check_scoped(rule, override)
    enabled = {
        name: rule
        for name, rule in ALERTS.items()
        if _heard_somewhere(config.overrides.get(name, AlertOverride()))
        and (config.remediator is not None or name not in _OF_THE_REMEDIATOR)
    }
    return Rules(config, enabled)


def _heard_somewhere(override: AlertOverride) -> bool:
    return override.enabled is not False or any(s.change.enabled for s in override.scoped)


def _check_scoped(rule: AlertRule, override: AlertOverride) -> None:
    place = f"alerts.{rule.name}.overrides"
    allowed = () if rule.about_airwarden else (*rule.scopes, "cluster")
    for index, scoped in enumerate(override.scoped):
        check_where(scoped, allowed, f"{place}[{index}]")
        _check(rule, scoped.change, f"{place}[{index}]")
    if pair := contradiction(override.scoped):
        raise WrongInputError(
            f"names the same as overrides[{pair[0]}] and wants something else of it",
            place=f"{place}[{pair[1]}]",
            hint="keep one of them, or name another label in one",
        )


def _check(rule: AlertRule, override: AlertOverride, place: str) -> None:
    if override.threshold is not None:
        _check_threshold(rule, override.threshold, f"{place}.threshold")
        window = override.threshold.window
        if None not in (override.hold, window) and override.hold != window:
            raise WrongInputError(
                "the threshold and hold name two different lengths of time",
                place=f"{place}.hold",
                hint="give one of them",
            )
    if override.over is not None and rule.over is None:
        raise WrongInputError(
            "this alert takes no rate over a range", place=f"{place}.over", hint="leave it out"
        )
    if override.at_least is not None and not rule.at_least:
        raise WrongInputError(
            "this alert is not about a share", place=f"{place}.at_least", hint="leave it out"
        )


def _check_threshold(rule: AlertRule, own: Threshold, place: str) -> None:
    if own.unit is Unit.NONE:
        return
    if rule.threshold is None:
        example = f"for example 'for {format_duration(rule.hold)}'"
        raise WrongInputError(
            f"{str(own)!r}: this alert has no limit, only how long it must last",
            place=place,
            hint=example,
        )
    if own.unit not in rule.units:
        examples = " or ".join(repr(_EXAMPLES[unit]) for unit in rule.units)
        raise WrongInputError(
            f"{str(own)!r}: expected a limit in {' or '.join(unit.value for unit in rule.units)}",
            place=place,
            hint=f"for example {examples}",
        )
    if own.quantile is not None and not rule.quantiles:
        raise WrongInputError(
            f"{str(own)!r}: this alert knows no quantiles", place=place, hint="leave out the p"
        )
    wanted, below = rule.threshold.operator, (Operator.BELOW, Operator.AT_MOST)
    if own.operator is not None and (own.operator in below) != (wanted in below):
        sides = ("too little, not too much", "too much, not too little")
        raise WrongInputError(
            f"{str(own)!r}: this alert is about {sides[wanted not in below]}",
            place=place,
            hint=f"write {str(dataclasses.replace(own, operator=wanted))!r}",
        )
