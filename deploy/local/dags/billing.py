"""Billing: two DAGs that need the external billing service, one of them safe to repeat.

Both declare it by tag and take their slots from the pool that protects it.
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


billing_sync()
billing_charge()
