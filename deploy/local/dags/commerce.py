"""Commerce: orders extracted, checked and reported, each started by the asset before it."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from airflow.sdk import Asset, dag, task

ORDERS = Asset(name="warehouse_orders", uri="warehouse://commerce/orders")
ORDERS_CHECKED = Asset(name="warehouse_orders_checked", uri="warehouse://commerce/orders_checked")
DEFAULTS = {"owner": "commerce", "retries": 1, "retry_delay": timedelta(seconds=10)}


@dag(
    schedule=timedelta(minutes=1),
    start_date=datetime(2025, 1, 1),
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags=["tier:critical", "team:commerce", "type:etl", "auto-heal:idempotent"],
)
def orders_extract() -> None:
    @task
    def extract() -> int:
        time.sleep(1)
        return 1000

    @task(outlets=[ORDERS])
    def load(rows: int) -> int:
        return rows

    load(extract())


@dag(
    schedule=[ORDERS],
    start_date=datetime(2025, 1, 1),
    catchup=False,
    is_paused_upon_creation=False,
    default_args=DEFAULTS,
    tags=["tier:high", "team:commerce", "type:data_quality"],
)
def orders_quality() -> None:
    @task(outlets=[ORDERS_CHECKED])
    def row_counts() -> None:
        time.sleep(0.5)

    row_counts()


@dag(
    schedule=[ORDERS_CHECKED],
    start_date=datetime(2025, 1, 1),
    catchup=False,
    is_paused_upon_creation=False,
    default_args=DEFAULTS,
    tags=["tier:high", "team:finance", "type:reporting"],
)
def revenue_report() -> None:
    @task
    def publish() -> None:
        time.sleep(0.5)

    publish()


orders_extract()
orders_quality()
revenue_report()
