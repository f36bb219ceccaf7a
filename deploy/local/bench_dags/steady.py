"""A steady load whose every execution leaves a line, so that what a fault costs can be counted.

Copied into the platform's DAG folder by the bench. Each line says which task began or ended, in which try
and process: what ended twice was run twice.
"""

from __future__ import annotations

import json
import os
import time
from datetime import datetime, timedelta
from pathlib import Path

from airflow.providers.standard.sensors.time_delta import TimeDeltaSensor
from airflow.sdk import dag, get_current_context, task

LEDGER = Path(__file__).with_name("steady.jsonl")
#: Two platforms bear that on two cores: about one task in six seconds each.
EVERY = timedelta(seconds=30)
COMMON = {
    "schedule": EVERY,
    "start_date": datetime(2025, 1, 1),
    "catchup": False,
    "is_paused_upon_creation": False,
    "max_active_runs": 8,
    "tags": ["tier:high", "team:bench", "type:etl", "auto-heal:idempotent"],
}
RETRYING = {"owner": "bench", "retries": 2, "retry_delay": timedelta(seconds=10)}


def _note(what: str) -> None:
    instance = get_current_context()["ti"]
    line = {
        "what": what,
        "dag": instance.dag_id,
        "run": instance.run_id,
        "task": instance.task_id,
        "map": instance.map_index,
        "try": instance.try_number,
        "pid": os.getpid(),
        "at": time.time(),
    }
    # One write of a short line is not torn apart by another's.
    with LEDGER.open("a") as ledger:
        ledger.write(json.dumps(line) + "\n")


def _work(seconds: float) -> None:
    _note("begun")
    time.sleep(seconds)
    _note("ended")


@dag(**COMMON, default_args=RETRYING)
def steady_extract() -> None:
    @task
    def extract() -> None:
        _work(2)

    extract()


@dag(**COMMON, default_args=RETRYING | {"pool": "steady"})
def steady_load() -> None:
    @task
    def load() -> None:
        _work(3)

    load()


@dag(**COMMON, default_args=RETRYING)
def steady_wait() -> None:
    TimeDeltaSensor(task_id="wait", delta=timedelta(seconds=3), deferrable=True)


@dag(**COMMON, default_args=RETRYING | {"pool": "billing"})
def steady_billing() -> None:
    @task
    def call() -> None:
        import httpx

        _note("begun")
        httpx.get(os.environ["BILLING_API_URL"] + "/invoices?page=1", timeout=5).raise_for_status()
        _note("ended")

    call()


@dag(
    schedule=None,
    start_date=datetime(2025, 1, 1),
    catchup=False,
    is_paused_upon_creation=False,
    default_args={"owner": "bench", "pool": "steady"},
    tags=["tier:low", "team:bench", "type:ad_hoc"],
)
def steady_hung() -> None:
    """Takes every slot of the pool and does not end for long."""

    @task
    def hang(number: int) -> int:
        time.sleep(1800)
        return number

    hang.expand(number=list(range(4)))


steady_extract()
steady_load()
steady_wait()
steady_billing()
steady_hung()
