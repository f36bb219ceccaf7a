"""Machine learning and analytics: a slow DAG, a flaky one, and one that waits in the triggerer."""

from __future__ import annotations

import random
import time
from datetime import datetime, timedelta

from airflow.providers.standard.sensors.time_delta import TimeDeltaSensor
from airflow.sdk import dag, task

FAILURE_SHARE = 0.15


@dag(
    schedule=timedelta(minutes=3),
    start_date=datetime(2025, 1, 1),
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=1,
    default_args={"owner": "ml"},
    tags=["tier:medium", "team:ml", "type:ml_training"],
)
def churn_model_train() -> None:
    @task
    def train() -> None:
        time.sleep(40)

    train()


@dag(
    schedule=timedelta(minutes=1),
    start_date=datetime(2025, 1, 1),
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=2,
    default_args={"owner": "analytics", "retries": 5, "retry_delay": timedelta(seconds=5)},
    tags=["tier:low", "team:analytics", "type:analytics", "auto-heal:idempotent"],
)
def clickstream_sessions() -> None:
    @task
    def sessionize() -> None:
        # About one try in seven fails, as flaky sources do; a later try succeeds.
        if random.random() < FAILURE_SHARE:
            raise ConnectionError("the clickstream source closed the connection")

    sessionize()


@dag(
    schedule=timedelta(minutes=2),
    start_date=datetime(2025, 1, 1),
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=1,
    default_args={"owner": "analytics"},
    tags=["tier:medium", "team:analytics", "type:analytics"],
)
def partner_feed() -> None:
    wait = TimeDeltaSensor(task_id="wait_for_partner", delta=timedelta(seconds=10), deferrable=True)

    @task
    def ingest() -> None:
        time.sleep(0.5)

    wait >> ingest()


churn_model_train()
clickstream_sessions()
partner_feed()
