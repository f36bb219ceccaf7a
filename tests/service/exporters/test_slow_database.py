"""The whole exporter while its database is slow, or frozen: what it serves, and how fast."""

from __future__ import annotations

import threading

import httpx
import pytest

from airwarden.adapters.clock import SystemClock
from airwarden.adapters.metadata_database import PostgresMetadata
from airwarden.exporters import ClusterSources, Exporter, ExporterConfig
from support.airflow_rows import AirflowRows
from support.eventually import eventually
from support.postgres import Database, FreshDatabase, PostgresServer
from support.proxy import FreezableProxy


@pytest.fixture
def airflow(fresh_database: FreshDatabase) -> Database:
    """Airflow's schema with one DAG and an open run."""
    database = fresh_database(template="airflow")
    rows = AirflowRows(database)
    rows.run(rows.dag("orders", "tier:high"))
    rows.close()
    return database


def test_a_slow_database_reads_slow_and_not_down_and_no_collector_fails(
    airflow: Database, postgres_server: PostgresServer
) -> None:
    proxy = FreezableProxy(postgres_server.port)
    database = PostgresMetadata(airflow.dsn.replace(f":{postgres_server.port}/", f":{proxy.port}/"))
    database.open()
    exporter = Exporter(
        [ClusterSources("east", database=database)], ExporterConfig(port=0), SystemClock()
    )
    exporter.start()
    url = f"http://127.0.0.1:{exporter.port}"

    def samples() -> dict[str, float]:
        page = httpx.get(f"{url}/metrics", timeout=5).text
        pairs = (line.rsplit(" ", 1) for line in page.splitlines() if line[:1] != "#")
        return {name: float(value) for name, value in pairs}

    last_success = (
        'airwarden_collector_last_success_timestamp_seconds{cluster="east",collector="dag_runs"}'
    )
    probe = 'airwarden_db_probe_last_seconds{cluster="east",role="metadata"}'
    try:
        eventually(lambda: httpx.get(f"{url}/readyz").status_code == 200, within=20)
        proxy.delay = 1.2
        eventually(lambda: samples()[probe] > 1, within=20)
        wrong: list[str] = []
        rounds: set[float] = set()

        def watched() -> bool:
            page = samples()
            wrong.extend(
                name
                for name, value in page.items()
                if name.startswith(("airwarden_collector_success", "airwarden_db_up")) and not value
            )
            rounds.add(page[last_success])
            return len(rounds) > 3

        eventually(watched, within=60, every=0.5, what="three rounds of the slowest collector")
        assert wrong == []
        assert samples()[probe] < 2.4, "one round trip"
    finally:
        exporter.stop()
        proxy.close()
        database.close()


def test_the_page_is_served_at_once_while_the_database_is_frozen(
    airflow: Database, postgres_server: PostgresServer
) -> None:
    proxy = FreezableProxy(postgres_server.port)
    dsn = airflow.dsn.replace(f":{postgres_server.port}/", f":{proxy.port}/")
    database = PostgresMetadata(dsn, statement_timeout=1.0)
    database.open()
    cluster = ClusterSources("east", database=database)
    exporter = Exporter([cluster], ExporterConfig(port=0), SystemClock())
    exporter.start()
    url = f"http://127.0.0.1:{exporter.port}"

    def page() -> str:
        answer = httpx.get(f"{url}/metrics", timeout=5)
        assert answer.elapsed.total_seconds() < 0.5
        return answer.text

    try:
        eventually(lambda: "\nairwarden_db_up" in page(), within=20)
        eventually(lambda: httpx.get(f"{url}/readyz").status_code == 200, within=20)
        assert 'airwarden_db_up{cluster="east"} 1\n' in page()
        proxy.freeze()
        eventually(lambda: 'airwarden_db_up{cluster="east"} 0\n' in page(), within=30)
        assert "airwarden_dag_runs_finished_total" in page(), "counters stay"
        proxy.thaw()
        eventually(lambda: 'airwarden_db_up{cluster="east"} 1\n' in page(), within=30)
    finally:
        exporter.stop()
        proxy.close()
        database.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("collect-east")]
