"""60,000 distinct label values, in the database and in Airflow's reports: the exporter as a process stays small."""

from __future__ import annotations

import time
import urllib.request
from pathlib import Path

from bench.fleet.cost import exporter_process
from support.airflow_rows import AirflowRows
from support.eventually import eventually
from support.postgres import FreshDatabase
from support.programs import value

MANY = 60_000
#: Most series of a page, seconds that it may take to be served, and bytes of memory.
SERIES, FAST, MEMORY = 50_000, 0.5, 250e6


def test_60000_queues_leave_all_other_metrics_whole_fast_and_memory_bounded(
    fresh_database: FreshDatabase,
) -> None:
    airflow = fresh_database(template="airflow")
    rows = AirflowRows(airflow)
    run = rows.run(rows.dag("orders", "tier:high", "team:commerce"))
    rows.task(run, "work", "running")
    rows.connection.execute(
        "INSERT INTO task_instance (id, dag_id, run_id, task_id, state, try_number, max_tries, pool,"
        " pool_slots, queue, updated_at, queued_dttm, scheduled_dttm)"
        " SELECT gen_random_uuid(), dag_id, run_id, 't' || n, 'queued', 1, 0, 'default_pool', 1,"
        " 'queue-' || n, now(), now(), now() FROM dag_run, generate_series(1, %s) AS n"
        " WHERE id = %s",
        [MANY, run],
    )
    rows.connection.execute("ANALYZE task_instance")
    rows.close()
    with exporter_process(airflow.dsn) as (process, port):
        url = f"http://127.0.0.1:{port}"

        def get(path: str) -> str:
            begun = time.perf_counter()
            with urllib.request.urlopen(f"{url}{path}", timeout=10) as reply:
                text: str = reply.read().decode()
            took.append(time.perf_counter() - begun)
            return text

        def ready() -> bool:
            try:
                return get("/readyz") == "ready\n"
            except OSError:
                return False

        took: list[float] = []
        eventually(ready, within=60)
        tasks = 'airwarden_task_instances{cluster="bench",state="queued",queue="_overflow"'
        eventually(lambda: value(get("/metrics"), tasks), within=30, what="the rest is summed")
        took.clear()
        for _ in range(10):  # in a row: rendering goes on beside
            page = get("/metrics")
        assert max(took) < FAST

        lines = [line for line in page.splitlines() if line[:1] != "#"]
        assert len(lines) < SERIES
        queued = [line for line in lines if line.startswith("airwarden_task_instances{")]
        assert sum(float(line.rsplit(" ", 1)[1]) for line in queued) == MANY + 1
        dropped = (
            'airwarden_series_dropped_total{cluster="bench",metric="airwarden_task_instances"}'
        )
        assert (value(page, dropped) or 0) > 0
        for whole in (
            'airwarden_dag_runs{cluster="bench",state="running",tier="high",team="commerce"}',
            'airwarden_dags{cluster="bench",status="active"}',
            'airwarden_db_up{cluster="bench"}',
        ):
            assert value(page, whole) == 1
        failing = [line for line in lines if line.startswith("airwarden_collector_success")]
        assert [line for line in failing if line.endswith(" 0")] == []
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert int(status.split("VmHWM:")[1].split()[0]) * 1024 < MEMORY
