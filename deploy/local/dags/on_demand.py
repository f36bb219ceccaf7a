"""DAGs that run only when something starts them: a flood, a long task, a one-off export."""

from __future__ import annotations

import time
from datetime import datetime

from airflow.sdk import dag, get_current_context, task

COMMON = {
    "schedule": None,
    "start_date": datetime(2025, 1, 1),
    "catchup": False,
    "is_paused_upon_creation": False,
}


@dag(
    **COMMON,
    max_active_tasks=512,
    default_args={"owner": "platform", "pool": "flood"},
    params={"tasks": 60, "seconds": 8},
    tags=["tier:low", "team:platform", "type:ad_hoc", "auto-heal:idempotent"],
)
def flood() -> None:
    """Many short tasks at once: run with ``{"tasks": N, "seconds": S}``."""

    @task(pool="default_pool")
    def plan() -> list[int]:
        return list(range(int(get_current_context()["params"]["tasks"])))

    @task
    def work(item: int) -> int:
        time.sleep(float(get_current_context()["params"]["seconds"]))
        return item

    work.expand(item=plan())


@dag(
    **COMMON,
    default_args={"owner": "ml"},
    params={"seconds": 120},
    tags=["tier:high", "team:ml", "type:ml_training"],
)
def long_haul() -> None:
    """One long task, to show that it outlives what happens around it."""

    @task
    def haul() -> float:
        seconds = float(get_current_context()["params"]["seconds"])
        time.sleep(seconds)
        return seconds

    haul()


@dag(
    **COMMON,
    max_active_tasks=64,
    default_args={"owner": "platform", "pool": "exports"},
    params={"exports": 1, "seconds": 1},
    tags=["tier:low", "team:platform", "type:ad_hoc"],
)
def adhoc_export() -> None:
    """A few exports, two at a time: run with ``{"exports": N, "seconds": S}``."""

    @task(pool="default_pool")
    def plan() -> list[int]:
        return list(range(int(get_current_context()["params"]["exports"])))

    @task
    def export(item: int) -> int:
        time.sleep(float(get_current_context()["params"]["seconds"]))
        return item

    export.expand(item=plan())


flood()
long_haul()
adhoc_export()
