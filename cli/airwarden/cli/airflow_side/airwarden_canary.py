"""Canaries of Airwarden: one DAG a queue, with one task that does nothing but run there.

A run that ends well proves the whole way: schedule, scheduler, executor, broker, a worker of that queue,
and the report back. Airwarden's exporter reads when that last happened; see docs/how-to/canaries.md of
Airwarden. Written by `airwarden airflow canary`; put it among your DAGs. For Airflow 2.10, 2.11 and 3.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG
try:
    from airflow.providers.standard.operators.python import PythonOperator
except ImportError:  # Airflow 2 without the provider
    from airflow.operators.python import PythonOperator

#: The queues to prove, how often (seconds, and as a tag says it), and the pool of the canaries' own, if any.
QUEUES = ("default",)
EVERY, EVERY_TEXT = 120, "2m"
POOL = ""


def prove() -> None:
    """Do nothing: to have run is the proof."""


def dag_id_of(queue: str) -> str:
    """Return a name that Airflow takes, and that no other queue has."""
    plain = re.sub(r"[^A-Za-z0-9_.\-]", "_", queue)
    if plain != queue:
        plain += "_" + hashlib.sha256(queue.encode()).hexdigest()[:6]
    return f"airwarden_canary_{plain}"


def canary(queue: str) -> DAG:
    """Make the canary of a queue."""
    with DAG(
        dag_id=dag_id_of(queue),
        description=f"Airwarden's canary: proves that queue {queue} works",
        schedule=timedelta(seconds=EVERY),
        start_date=datetime(2025, 1, 1),  # noqa: DTZ001 - Airflow takes it as UTC
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        # A run that got stuck makes room for the next one.
        dagrun_timeout=timedelta(seconds=max(5 * EVERY, 600)),
        default_args={"owner": "airwarden", "retries": 0},
        tags=["airwarden-canary", f"airwarden-canary:{queue}", f"airwarden-every:{EVERY_TEXT}"],
    ) as dag:
        PythonOperator(
            task_id="prove",
            python_callable=prove,
            queue=queue,
            do_xcom_push=False,
            execution_timeout=timedelta(seconds=60),
            **({"pool": POOL} if POOL else {}),
        )
    return dag


for name in QUEUES:
    globals()[dag_id_of(name)] = canary(name)
