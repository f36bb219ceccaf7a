"""The targets of the platform's profile as panels: current value, target, trend.

A target whose source Airwarden does not collect is a panel that says so and how to add it; given a
PromQL expression under `dashboards: sources:` it becomes an ordinary one, and one that has a source of
ours takes that instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from airwarden.dashboards.absent import Source
from airwarden.dashboards.config import DashboardConfig
from airwarden.dashboards.layout import Section, Sized
from airwarden.dashboards.panels import Steps, at_least, at_most, override, stat, text
from airwarden.dashboards.queries import (
    ASSET_AGES,
    DELAYS,
    ENDED_RUNS,
    Query,
    counted,
    increase,
    mean,
    mean_asset_age,
    quantile,
    recorded_quantile,
    series,
)

GOAL = "target"
MINUTE, HOUR = 60.0, 3600.0

TASKS = "airwarden_task_instances_finished_total"
TASK_SECONDS = "airwarden_task_duration_seconds"
RUN_SECONDS = "airwarden_dag_run_duration_seconds"
UTILIZATION = "airwarden_cluster_utilization_ratio"


@dataclass(frozen=True, slots=True)
class Target:
    """One line of the profile's table that Airwarden measures.

    Attributes:
        title, description, unit, decimals: Of its panel.
        current: What is shown; `judged` is the one that the goal is about.
        goal: In the panel's unit.
        judge: Steps from the goal.
        source: What the platform may lack; without it the panel says how to add it, and shows no goal.
    """

    title: str
    description: str
    unit: str
    current: tuple[Query, ...]
    goal: float
    judge: Callable[[float], Steps]
    decimals: int | None = None
    judged: int = 0
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Unsourced:
    """One line of the table that is best given by a series of the site's own.

    Attributes:
        key: Under `dashboards: sources:`.
        example: PromQL that works with the usual exporter of such series.
        ours: What Airwarden itself measures of it, where it does.
    """

    key: str
    title: str
    description: str
    unit: str
    goal: float
    judge: Callable[[float], Steps]
    example: str
    ours: str = ""


def _none_allowed(_goal: float) -> Steps:
    """Green at zero only."""
    return at_most(1)


def _ratio(metric: str, count: Callable[[str], str]) -> str:
    """Return the share of successes; `count` makes the number of events of a selector."""
    good = count(series(metric, "tier", "team", state="success"))
    all_ = count(series(metric, "tier", "team", state="~success|failed"))
    return f"{good} / {all_}"


def measured() -> Sequence[Target]:
    """Return the targets that Airwarden measures."""
    buckets = series(f"{TASK_SECONDS}_bucket", "tier")
    run_buckets = series(f"{RUN_SECONDS}_bucket", "tier")
    return (
        Target(
            "Task success",
            "Final outcomes of task instances in the window: succeeded among succeeded and failed. "
            "Skipped, removed and upstream-failed ones do not count. Target above 99.9 %.",
            "percentunit",
            (Query(_ratio(TASKS, increase), "now"),),
            0.999,
            at_least,
            2,
        ),
        Target(
            "DAG success",
            "DAG runs in the window: succeeded among succeeded and failed. Target above 98 %.",
            "percentunit",
            (Query(_ratio(ENDED_RUNS, counted), "now"),),
            0.98,
            at_least,
            2,
        ),
        Target(
            "Task latency",
            "Run time of finished tasks, waiting excluded. Profile: p50 45 s, p95 3.2 min, p99 "
            "8.5 min; target p99 below 10 min.",
            "s",
            tuple(Query(quantile(q, buckets), f"p{q * 100:g}") for q in (0.5, 0.95, 0.99)),
            10 * MINUTE,
            at_most,
            1,
            judged=2,
        ),
        Target(
            "DAG duration",
            "Mean and p95 time from a run's start to its end. Profile: mean 1.2 h, p95 2.8 h.",
            "s",
            (
                Query(mean(RUN_SECONDS, "tier"), "mean"),
                Query(quantile(0.95, run_buckets), "p95"),
            ),
            2.8 * HOUR,
            at_most,
            1,
            judged=1,
        ),
        Target(
            "Scheduling latency",
            "p95 of the time from when a run could start to its start. Target below 3 s.",
            "s",
            (Query(recorded_quantile(0.95, series(DELAYS, "tier", "team")), "p95"),),
            3.0,
            at_most,
            1,
        ),
        Target(
            "Platform availability",
            "Mean over all components of the share of the window in which each was up. Target "
            "99.95 %, which allows 21.6 minutes in 30 days.",
            "percentunit",
            (Query(f"avg(avg_over_time({series('airwarden_component_up')}[$window]))", "now"),),
            0.9995,
            at_least,
            2,
        ),
        Target(
            "SLA compliance",
            "Share of the registered assets whose last update is within their SLA now. Target "
            "97 %.",
            "percentunit",
            (Query(f"avg({series(ASSET_AGES, 'tier', 'team')} <= bool 1)", "now"),),
            0.97,
            at_least,
            1,
            source=Source.ASSETS,
        ),
        Target(
            "Data freshness",
            "Mean age of the registered assets' last successful update. Profile: 45 min; target "
            "below 1 h.",
            "s",
            (Query(mean_asset_age(), "mean"),),
            HOUR,
            at_most,
            1,
            source=Source.ASSETS,
        ),
        Target(
            "Runs per day",
            "DAG runs finished in the last 24 hours. Profile: 25,000 a day, peak 45,000.",
            "short",
            (Query(counted(series(ENDED_RUNS, "tier", "team"), over="1d"), "now"),),
            25_000.0,
            at_least,
            0,
        ),
        Target(
            "Active DAGs",
            "DAGs that are neither paused nor stale. Profile: 15,000.",
            "short",
            (Query(f"sum({series('airwarden_dags', status='active')})", "now"),),
            15_000.0,
            at_least,
            0,
        ),
        Target(
            "Task parallelism",
            "Tasks that run now, and the slots there are for them. Profile: 5,000 running, peak "
            "8,500, capacity 10,000.",
            "short",
            (
                Query(f"sum({series('airwarden_task_instances', state='running')})", "running"),
                Query(f"sum({series('airwarden_celery_worker_concurrency')})", "slots"),
            ),
            5_000.0,
            at_least,
            0,
        ),
        Target(
            "Slot utilization",
            "Busy among all worker slots. The profile calls 85 % normal and scales up there; above "
            "90 % for 30 minutes the warning fires.",
            "percentunit",
            (Query(f"max({series(UTILIZATION, resource='slots')})", "now"),),
            0.90,
            at_most,
            0,
        ),
    )


def unsourced() -> Sequence[Unsourced]:
    """Return the targets that are best given by a series of the site's own."""
    ratio = "percentunit"
    busy = '1 - avg(rate(node_cpu_seconds_total{mode="idle"}[5m]))'
    used = "1 - avg(node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)"
    waited = "sum(rate(node_disk_read_time_seconds_total[5m]))"
    reads = "sum(rate(node_disk_reads_completed_total[5m]))"
    ours = {name: f"max({series(UTILIZATION, resource=name)})" for name in ("cpu", "memory")}
    return (
        Unsourced(
            "cpu",
            "CPU",
            "Busy CPU: of the machine that the exporter runs on, unless a source for all nodes is "
            "given. Profile: mean 85 %, peak 92 %.",
            ratio, 0.92, at_most, busy, ours["cpu"],
        ),
        Unsourced(
            "memory",
            "Memory",
            "Used memory: of the machine that the exporter runs on, unless a source for all nodes "
            "is given. Profile: mean 82 %, peak 89 %.",
            ratio, 0.89, at_most, used, ours["memory"],
        ),
        Unsourced(
            "oom_kills",
            "OOM kills, 24 h",
            "Containers killed for memory in the last 24 hours. Target: none.",
            "short", 0.0, _none_allowed, "sum(increase(container_oom_events_total[1d]))",
        ),
        Unsourced(
            "gpu",
            "GPU",
            "Busy GPUs of ML training. Profile: mean 78 %, peak 94 %.",
            ratio, 0.94, at_most, "avg(DCGM_FI_DEV_GPU_UTIL) / 100",
        ),
        Unsourced(
            "disk_latency",
            "Disk latency",
            "Mean time of a read. Profile: 2.5 ms at 15 GB/s read and 8 GB/s written.",
            "s", 0.0025, at_most, f"{waited} / {reads}",
        ),
        Unsourced(
            "network_in",
            "Network in",
            "Bits received per second. Profile: 2.5 Gbit/s in, 1.8 Gbit/s out.",
            "bps", 2.5e9, at_most, "8 * sum(rate(node_network_receive_bytes_total[5m]))",
        ),
        Unsourced(
            "cost_per_tb",
            "Cost per TB",
            "Cost of a window over the terabytes processed in it. Profile: 12 $ (from 45 $).",
            "currencyUSD", 12.0, at_most, "your_cost_dollars / your_processed_terabytes",
        ),
        Unsourced(
            "satisfaction",
            "User satisfaction",
            "Net promoter score of the data scientists. Profile: 8.7.",
            "none", 8.7, at_least, "avg(your_survey_score)",
        ),
    )  # fmt: skip


def _panel(target: Target) -> object:
    """Return the numbers with the target beside them; both get their trend."""
    goal = f"vector({target.goal:g})"
    if target.source is not None:
        goal += f" and on () {target.current[target.judged].expr}"
    return stat(
        target.title,
        target.description,
        target.unit,
        (*target.current, Query(goal, GOAL)),
        steps=target.judge(target.goal),
        decimals=target.decimals,
        overrides=[override(GOAL, color={"mode": "fixed", "fixedColor": "text"})],
        no_value=target.source or "no data",
    )


def _sourced(target: Unsourced, expression: str) -> object:
    if expression:
        sourced = Target(
            target.title,
            f"{target.description} Another source: `dashboards.sources.{target.key}`.",
            target.unit,
            (Query(expression, "now"),),
            target.goal,
            target.judge,
        )
        return _panel(sourced)
    return text(
        target.title,
        target.description,
        f"**No source configured.** {target.description}\n\n"
        f"To add it, set in `airwarden.yaml` and run `airwarden build`:\n\n"
        f"```yaml\ndashboards:\n  sources:\n    {target.key}: '{target.example}'\n```\n",
    )


def targets(config: DashboardConfig) -> Section:
    """Return the table of targets; `config.sources` fills the gaps."""
    shown = [Sized(_panel(target), 8 if len(target.current) > 1 else 4, 5) for target in measured()]
    others = []
    for target in unsourced():
        expression = config.sources.get(target.key, target.ours)
        others.append(
            Sized(_sourced(target, expression), 4 if expression else 8, 5 if expression else 7)
        )
    # Those that show something come first, so that rows of equal height stay together.
    others.sort(key=lambda sized: sized.height)
    return Section("Targets, one by one (window: $window)", (*shown, *others))


def source_keys() -> frozenset[str]:
    """Return the keys that `dashboards: sources:` may have."""
    return frozenset(target.key for target in unsourced())
