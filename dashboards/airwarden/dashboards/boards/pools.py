"""Which pools are full, who waits for them, and what else holds tasks back?"""

from __future__ import annotations

from typing import Any

from airwarden.dashboards.absent import Source
from airwarden.dashboards.config import DashboardConfig
from airwarden.dashboards.layout import Section, dashboard, numbers, row
from airwarden.dashboards.names import POOLS, TASKS, WORKERS
from airwarden.dashboards.panels import (
    RED,
    YELLOW,
    any_is,
    at_most,
    override,
    stat,
    table,
    timeseries,
)
from airwarden.dashboards.queries import Query, series, top

_SLOTS = "airwarden_pool_slots"
_STARVING = series("airwarden_pool_starving_tasks")


def _slots(state: str) -> str:
    return f"sum by (cluster, pool) ({series(_SLOTS, state=state)})"


def pools(_config: DashboardConfig) -> dict[str, Any]:
    """Return the dashboard of pools."""
    full = f"{_slots('~running|queued')} / ({_slots('total')} > 0)"
    return dashboard(POOLS, (_now(full), _each(full), _others()))


def _now(full: str) -> Section:
    return Section(
        "Now",
        numbers(
            stat(
                "Starving tasks",
                "Scheduled tasks that take more slots than their pool has open. Airflow's own gauge "
                "of that name reads 0 with tasks waiting.",
                "short",
                [Query(f"sum({_STARVING})")],
                steps=any_is(YELLOW),
            ),
            stat(
                "Pools with starving tasks",
                "Pools that hold tasks back now.",
                "none",
                [Query(f"count({_STARVING} > 0) or vector(0)")],
                steps=any_is(YELLOW),
            ),
            stat(
                "Full pools",
                "Pools without an open slot, among those that have a limit.",
                "none",
                [Query(f"count({_slots('open')} <= 0) or vector(0)")],
                steps=any_is(YELLOW),
            ),
            stat(
                "Fullest pool",
                "Running and queued among a pool's slots, of the fullest one.",
                "percentunit",
                [Query(f"max({full})")],
                steps=at_most(1),
            ),
        ),
    )


def _each(full: str) -> Section:
    starving = f"max by (cluster, pool) ({_STARVING})"
    # The fullest come first, and with them every pool that starves its tasks.
    chosen = f"({top(50, full)} or {top(50, f'{starving} > 0')})"

    def of_chosen(state: str) -> Query:
        return Query(f"{_slots(state)} and on (cluster, pool) {chosen}", instant=True)

    return Section(
        "Pools",
        (
            *row(
                timeseries(
                    "Pools, fullest ten",
                    "Running and queued among a pool's slots. A full pool holds its tasks back "
                    "without any error.",
                    "percentunit",
                    [Query(top(10, full), "{{pool}} {{cluster}}")],
                ),
                timeseries(
                    "Starving tasks by pool",
                    "Scheduled tasks that take more slots than their pool has open, the ten pools "
                    "with most. Above the line for a while the alert fires.",
                    "short",
                    [Query(top(10, starving), "{{pool}} {{cluster}}")],
                    limit=0,
                ),
                timeseries(
                    "Scheduled by pool",
                    "Tasks that wait for a slot or a scheduler, the ten pools with most.",
                    "short",
                    [Query(top(10, _slots("scheduled")), "{{pool}} {{cluster}}")],
                ),
            ),
            *row(
                table(
                    "Pools, fullest fifty",
                    "Slots of each pool as the scheduler counts them. Deferred tasks take slots "
                    "where the pool says so.",
                    "none",
                    [
                        Query(top(50, full), instant=True),
                        of_chosen("total"),
                        of_chosen("open"),
                        of_chosen("running"),
                        of_chosen("queued"),
                        of_chosen("scheduled"),
                        of_chosen("deferred"),
                        Query(f"{starving} and on (cluster, pool) {chosen}", instant=True),
                    ],
                    columns={
                        "pool": "Pool",
                        "cluster": "Cluster",
                        "Value #A": "Taken",
                        "Value #B": "Slots",
                        "Value #C": "Open",
                        "Value #D": "Running",
                        "Value #E": "Queued",
                        "Value #F": "Scheduled",
                        "Value #G": "Deferred",
                        "Value #H": "Starving",
                    },
                    overrides=[
                        override(
                            "Taken",
                            unit="percentunit",
                            decimals=0,
                            thresholds={"mode": "absolute", "steps": list(at_most(1))},
                            custom_cellOptions={"type": "color-text"},
                        ),
                        override(
                            "Starving",
                            thresholds={"mode": "absolute", "steps": list(any_is(RED))},
                            custom_cellOptions={"type": "color-text"},
                        ),
                    ],
                    sort_by="Taken",
                    no_value="",
                ),
                height=12,
            ),
        ),
    )


def _others() -> Section:
    slots = series("airwarden_executor_slots")
    busy = series("airwarden_celery_worker_slot_utilization_ratio", "queue")
    return Section(
        "If it is not the pool",
        row(
            timeseries(
                "What holds tasks back",
                "Unfinished tasks that do not run, by the first reason that holds.",
                "short",
                [Query(f"sum by (reason) ({series('airwarden_task_blocked')})", "{{reason}}")],
                stacked=True,
                more=TASKS,
            ),
            timeseries(
                "Executor slots",
                "Slots of the executors: parallelism is used up where none is open.",
                "short",
                [Query(f"sum by (executor, state) ({slots})", "{{executor}} {{state}}")],
                stacked=True,
                no_value=Source.STATSD,
            ),
            timeseries(
                "Worker slots by queue",
                "Slots in use, of the workers that consume from a queue, the twenty fullest.",
                "percentunit",
                [Query(top(20, f"max by (cluster, queue) ({busy})"), "{{queue}} {{cluster}}")],
                maximum=1,
                more=WORKERS,
            ),
        ),
    )
