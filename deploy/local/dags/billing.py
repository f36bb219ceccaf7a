"""Billing: two DAGs that need the external billing service, one of them safe to repeat, and a canary.

Both declare it by tag and take their slots from the pool that protects it. The canary runs only when
started, after an outage, before the others are let loose again.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

import httpx
from airflow.sdk import dag, task

DEFAULTS = {
    "owner": "finance",
    "pool": "billing",
    "retries": 3,
    "retry_delay": timedelta(seconds=15),
}
SCHEDULE = timedelta(minutes=1)


def _call_billing(path: str) -> int:
    answer = httpx.get(os.environ["BILLING_API_URL"] + path, timeout=5)
    answer.raise_for_status()
    return answer.status_code


@dag(
    schedule=SCHEDULE,
    start_date=datetime(2025, 1, 1),
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=4,
    default_args=DEFAULTS,
    tags=["tier:high", "team:finance", "type:etl", "depends:billing-api", "auto-heal:idempotent"],
)
def billing_sync() -> None:
    @task
    def fetch(page: int) -> int:
        return _call_billing(f"/invoices?page={page}")

    fetch.expand(page=[1, 2])


@dag(
    schedule=SCHEDULE,
    start_date=datetime(2025, 1, 1),
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=4,
    default_args=DEFAULTS,
    tags=["tier:critical", "team:finance", "type:reporting", "depends:billing-api"],
)
def billing_charge() -> None:
    @task
    def charge() -> int:
        # Not repeatable: a second call would charge twice, so no tag says it may be repeated.
        return _call_billing("/charge")

    charge()


@dag(
    schedule=None,
    start_date=datetime(2025, 1, 1),
    catchup=False,
    is_paused_upon_creation=False,
    default_args={**DEFAULTS, "retries": 0, "priority_weight": 100},
    tags=["tier:low", "team:finance", "type:ad_hoc", "canary:billing-api"],
)
def billing_canary() -> None:
    @task
    def ask() -> int:
        return _call_billing("/invoices?page=1")

    ask()


billing_sync()
billing_charge()
billing_canary()
