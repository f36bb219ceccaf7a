"""airflow-exporter's own functions on a filled fleet; run by Airflow's interpreter, prints one JSON line.

Its SQL runs in full. Reading one serialized DAG a row, which is where its time goes, is done for a sample
and scaled: at 15,000 DAGs it would take ten minutes. The sampled DAGs get a serialized DAG of four tasks,
written with Airflow's own serializer; everything else is as it came from the registry.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from importlib import import_module
from typing import Any


def store(dag_ids: list[str]) -> None:
    """Give each DAG a serialized form."""
    from airflow.sdk import DAG
    from airflow.settings import Session
    from sqlalchemy import text

    operator = import_module("airflow.providers.standard.operators.empty").EmptyOperator
    serialized: Any = import_module("airflow.serialization.serialized_objects")
    make = getattr(serialized, "DagSerialization", None) or serialized.SerializedDAG
    for dag_id in dag_ids:
        with DAG(dag_id, schedule=None, tags=["tier:high", "team:a"]) as dag:
            for number in range(4):
                operator(task_id=f"task_{number}")
        Session.execute(
            text(
                """INSERT INTO serialized_dag
                     (id, dag_id, data, created_at, last_updated, dag_hash, dag_version_id)
                   SELECT :id, :dag, CAST(:data AS jsonb), now(), now(), md5(:dag), v.id
                   FROM dag_version AS v WHERE v.dag_id = :dag ORDER BY version_number DESC LIMIT 1"""
            ),
            {"id": uuid.uuid4(), "dag": dag_id, "data": json.dumps(make.to_dict(dag))},
        )
    Session.commit()


def main(sample: int) -> None:
    """Measure and print."""
    exporter: Any = import_module("airflow_exporter.prometheus_exporter")
    begun = time.perf_counter()
    status = exporter.get_dag_status_info()
    last = exporter.get_last_dagrun_info()
    running = exporter.get_dag_duration_info()
    tasks = exporter.get_task_status_info()
    seconds = time.perf_counter() - begun
    dags = sorted({row.dag_id for row in last})
    chosen = dags[:: max(1, len(dags) // sample)][:sample]
    store(chosen)
    exporter.get_dag_labels(chosen[0])
    begun = time.perf_counter()
    for dag_id in chosen:
        exporter.get_dag_labels(dag_id)
    each = (time.perf_counter() - begun) / len(chosen)
    reads = len(status) + len(last) + len(running) + len({row.dag_id for row in tasks})
    states = len(exporter.State.dag_states)
    answer = {
        "sql_seconds": seconds,
        "sample": len(chosen),
        "read_seconds": each,
        "reads": reads,
        "series": len(status) + states * len(last) + len(running) + len(tasks),
    }
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
