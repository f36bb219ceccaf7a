"""The objectives (SLOs): what each counts as an event, and which events are good.

Every indicator is a share of events of one cluster, so that all are judged by the same rules (see
`slo`). What happens is counted over five minutes; what is a state is looked at once per evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from airwarden.core.errors import WrongInputError
from airwarden.core.metrics import metric
from airwarden.rules.config import ObjectiveOverride, RuleConfig

_TASKS = "airwarden_task_instances_finished_total"
_RUNS = "airwarden_dag_runs_finished_total"
_UPDATED = "airwarden_asset_last_update_timestamp_seconds"
_SLA = "airwarden_asset_freshness_sla_seconds"


@dataclass(frozen=True, slots=True)
class Objective:
    """One objective of one installation.

    Attributes:
        name: The `slo` label.
        target: The share of events that must be good, 0 to 1.
        limit: Up to what time an event is good; None where it is not about time.
        at_least: Events that are assumed in a window that has fewer.
        definition: What is counted, as a sentence for people.
        bad, total: Make the expressions of the bad events and of all, by cluster.
        histogram: The metric whose bounds `limit` must be one of; empty where there is none.
    """

    name: str
    target: Decimal
    limit: timedelta | None
    at_least: int
    definition: str
    bad: Callable[[Objective], str]
    total: Callable[[Objective], str]
    histogram: str = ""

    @property
    def budget(self) -> Decimal:
        """The share of events that may be bad."""
        return 1 - self.target

    @property
    def seconds(self) -> float:
        """The limit in seconds."""
        return self.limit.total_seconds() if self.limit is not None else 0.0


def _increase(series: str) -> Callable[[Objective], str]:
    return lambda _: f"sum by (cluster) (increase({series}[5m]))"


def _too_slow(metric_name: str) -> Callable[[Objective], str]:
    def expression(objective: Objective) -> str:
        # Prometheus 2 keeps the bound as the exporter writes it, Prometheus 3 as a float.
        bound = f"{objective.seconds:g}"
        return (
            f"sum by (cluster) (increase({metric_name}_count[5m]))\n"
            f'- sum by (cluster) (increase({metric_name}_bucket{{le=~"{bound}([.]0)?"}}[5m]))'
        )

    return expression


def _stale(objective: Objective) -> str:
    return f"""\
count by (cluster) (
  time() - max by (cluster, asset) ({_UPDATED})
  > on (cluster, asset) clamp_min(max by (cluster, asset) ({_SLA}), {objective.seconds:g})
)
or
0 * count by (cluster) ({_UPDATED})"""


_PARTS = """\
max by (cluster, component) (airwarden_component_up{component=~"scheduler|api-server"})
or
max by (cluster) (airwarden_db_up)
or
max by (cluster, kind) (airwarden_broker_up)"""

CATALOGUE: Mapping[str, Objective] = {
    objective.name: objective
    for objective in (
        Objective(
            "task-success",
            Decimal("0.999"),
            None,
            1000,
            "Of the tasks that ended in success or failure, with every retry used, those that "
            "succeeded. Skipped, removed and upstream_failed ones do not count.",
            _increase(f'{_TASKS}{{state="failed"}}'),
            _increase(f'{_TASKS}{{state=~"success|failed"}}'),
        ),
        Objective(
            "dag-success",
            Decimal("0.98"),
            None,
            100,
            "Of the DAG runs that ended in success or failure, those that succeeded.",
            _increase(f'{_RUNS}{{state="failed"}}'),
            _increase(f'{_RUNS}{{state=~"success|failed"}}'),
        ),
        Objective(
            "sla-compliance",
            Decimal("0.97"),
            None,
            100,
            "Of the scheduled runs that ended, as many as promises were broken (a deadline missed, an "
            "asset older than its target) are bad. How many promises were due nobody counts.",
            _increase("airwarden_sla_breaches_total"),
            _increase(f'{_RUNS}{{run_type="scheduled"}}'),
        ),
        Objective(
            "freshness",
            Decimal("0.99"),
            timedelta(hours=1),
            0,
            "Of the assets with a target, at every look, those that are no older than the limit, or "
            "than their own target where that is longer.",
            _stale,
            lambda _: f"count by (cluster) ({_UPDATED})",
        ),
        Objective(
            "task-latency",
            Decimal("0.99"),
            timedelta(minutes=10),
            1000,
            "Of the task attempts that ran, those that took no longer than the limit: a target of "
            "99 % is a p99 under the limit.",
            _too_slow("airwarden_task_duration_seconds"),
            _increase("airwarden_task_duration_seconds_count"),
            "airwarden_task_duration_seconds",
        ),
        Objective(
            "scheduling-latency",
            Decimal("0.95"),
            timedelta(seconds=3),
            100,
            "Of the scheduled runs, those that started no later than the limit after they were due: a "
            "target of 95 % is a p95 under the limit.",
            _too_slow("airwarden_dag_run_schedule_delay_seconds"),
            _increase("airwarden_dag_run_schedule_delay_seconds_count"),
            "airwarden_dag_run_schedule_delay_seconds",
        ),
        Objective(
            "platform-availability",
            Decimal("0.9995"),
            None,
            0,
            "Of all looks, those at which a scheduler sent heartbeats, an api-server answered, and the "
            "metadata database and the broker did. While nothing is measured nothing counts.",
            lambda _: f"1 - min by (cluster) (\n{_PARTS}\n)",
            lambda _: f"count by (cluster) (min by (cluster) (\n{_PARTS}\n))",
        ),
    )
}


def resolve(config: RuleConfig) -> tuple[Objective, ...]:
    """Return the enabled objectives of an installation.

    Raises:
        WrongInputError: An override names no objective, or a limit that cannot be measured.
    """
    found = []
    for name, override in config.objectives.items():
        if name not in CATALOGUE:
            raise WrongInputError(
                "there is no such objective",
                place=f"objectives.{name}",
                hint=f"one of {', '.join(CATALOGUE)}",
            )
        _check(CATALOGUE[name], override)
    for objective in CATALOGUE.values():
        override = config.objectives.get(objective.name, ObjectiveOverride())
        if override.enabled:
            found.append(_with(objective, override))
    return tuple(found)


def _with(objective: Objective, override: ObjectiveOverride) -> Objective:
    at_least = override.at_least
    return Objective(
        objective.name,
        override.target or objective.target,
        override.limit or objective.limit,
        objective.at_least if at_least is None else at_least,
        objective.definition,
        objective.bad,
        objective.total,
        objective.histogram,
    )


def _check(objective: Objective, override: ObjectiveOverride) -> None:
    place = f"objectives.{objective.name}"
    if override.target is not None and not 0 < override.target < 1:
        raise WrongInputError(
            "a target lies above 0% and below 100%",
            place=f"{place}.target",
            hint="100% leaves nothing that may fail, so that every failure pages",
        )
    if override.limit is None:
        return
    if objective.limit is None:
        raise WrongInputError(
            "this objective is not about a time", place=f"{place}.limit", hint="leave it out"
        )
    if objective.histogram:
        bounds = metric(objective.histogram).buckets
        if override.limit.total_seconds() not in bounds:
            raise WrongInputError(
                "the histogram has no such bound",
                place=f"{place}.limit",
                hint=f"one of {', '.join(f'{bound:g}s' for bound in bounds)}",
            )
