"""airflow-exporter's own functions on a filled fleet; run by Airflow's interpreter, prints one JSON line.

Its SQL runs in full. Reading one serialized DAG a row, which is where its time goes, is done for a sample
and scaled: at 15,000 DAGs it would take minutes. The sampled DAGs get a serialized DAG of as many tasks as
their runs have, written with Airflow's own serializer, and are read as soon as they were written, from
memory; everything else is as it came from the registry. What it makes of all that (samples, their text) is
not counted, as it is not on our side.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

_TASKS = """
SELECT dag_id, max(tasks)
FROM (
  SELECT dag_id, run_id, count(DISTINCT task_id) AS tasks FROM task_instance WHERE dag_id = ANY(:dags)
  GROUP BY dag_id, run_id
) AS run
GROUP BY dag_id
"""


def tasks_of(number: int) -> None:
    """Make the tasks of a DAG, the one after the other, as the fleet has them: commands, functions, none."""
    standard = "airflow.providers.standard.operators"
    bash: Any = import_module(f"{standard}.bash").BashOperator
    python: Any = import_module(f"{standard}.python").PythonOperator
    empty: Any = import_module(f"{standard}.empty").EmptyOperator
    made: list[Any] = []
    for place in range(number):
        name = f"task_{place + 1}"
        if place % 3 == 0:
            made.append(bash(task_id=name, bash_command=f"load --part {place} --day {{{{ ds }}}}"))
        elif place % 3 == 1:
            made.append(python(task_id=name, python_callable=main, op_kwargs={"part": place}))
        else:
            made.append(empty(task_id=name))
    for first, second in pairwise(made):
        first >> second


def store(dag_ids: list[str]) -> float:
    """Give each DAG a serialized form; return how many tasks they have on average."""
    from airflow.sdk import DAG
    from airflow.settings import Session
    from sqlalchemy import text

    serialized: Any = import_module("airflow.serialization.serialized_objects")
    make = getattr(serialized, "DagSerialization", None) or serialized.SerializedDAG
    tasks = {row[0]: int(row[1]) for row in Session.execute(text(_TASKS), {"dags": dag_ids})}
    for dag_id in dag_ids:
        with DAG(
            dag_id, schedule=None, tags=["tier:high", "team:a"], default_args={"retries": 2}
        ) as dag:
            tasks_of(tasks[dag_id])
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
    return sum(tasks.values()) / len(tasks)


def spent() -> float:
    """Return the seconds of a processor that this process and its sessions in the database have taken."""
    from airflow.settings import Session
    from sqlalchemy import text

    pids = Session.execute(
        text(
            "SELECT pid FROM pg_stat_activity"
            " WHERE datname = current_database() AND backend_type = 'client backend'"
        )
    )
    sessions = sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for (pid,) in pids)
    return time.process_time() + sessions / 1e9


def main(sample: int) -> None:
    """Measure and print."""
    exporter: Any = import_module("airflow_exporter.prometheus_exporter")
    begun, processor = time.perf_counter(), spent()
    status = exporter.get_dag_status_info()
    last = exporter.get_last_dagrun_info()
    running = exporter.get_dag_duration_info()
    tasks = exporter.get_task_status_info()
    seconds, processor = time.perf_counter() - begun, spent() - processor
    dags = sorted({row.dag_id for row in last})
    chosen = dags[:: max(1, len(dags) // sample)][:sample]
    tasks_each = store(chosen)
    exporter.get_dag_labels(chosen[0])
    begun, read = time.perf_counter(), spent()
    for dag_id in chosen:
        exporter.get_dag_labels(dag_id)
    each, read = (time.perf_counter() - begun) / len(chosen), (spent() - read) / len(chosen)
    reads = len(status) + len(last) + len(running) + len({row.dag_id for row in tasks})
    states = len(exporter.State.dag_states)
    answer = {
        "sql_seconds": seconds,
        "sample": len(chosen),
        "read_seconds": each,
        "sql_processor": processor,
        "read_processor": read,
        "reads": reads,
        "tasks_each": tasks_each,
        "series": len(status) + states * len(last) + len(running) + len(tasks),
    }
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
