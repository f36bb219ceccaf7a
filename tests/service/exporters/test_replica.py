"""An exporter that reads from a real streaming replica: how old its numbers are is told, by collector."""

from __future__ import annotations

import httpx
import pytest

from airwarden.adapters.clock import SystemClock
from airwarden.adapters.metadata_database import PostgresMetadata
from airwarden.cli.doctor import database as doctor
from airwarden.cli.doctor.finding import Outcome
from airwarden.exporters import ClusterSources, Exporter, ExporterConfig, Timing
from airwarden.exporters.collectors import NAMES
from support.airflow_rows import AirflowRows
from support.eventually import eventually
from support.postgres import FreshDatabase, PostgresServer
from support.replica import Replica

LAG = "airwarden_collector_source_lag_seconds"


def test_who_reads_from_a_replica_that_lags_says_so(
    fresh_database: FreshDatabase,
    postgres_server: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor, "_LATE", 1.0)
    airflow = fresh_database(template="airflow")
    replica = Replica(postgres_server)
    rows = AirflowRows(airflow)
    here = replica.of(airflow)
    database = PostgresMetadata(here.dsn)
    cluster = ClusterSources("east", database=database, machine=True)
    timings = dict.fromkeys(NAMES, Timing(interval=0.5))
    exporter = Exporter([cluster], ExporterConfig(port=0, timings=timings), SystemClock())
    exporter.start()

    def samples() -> dict[str, float]:
        page = httpx.get(f"http://127.0.0.1:{exporter.port}/metrics", timeout=5).text
        pairs = (line.rsplit(" ", 1) for line in page.splitlines() if line[:1] != "#")
        return {name: float(value) for name, value in pairs}

    def lag(collector: str) -> float | None:
        return samples().get(f'{LAG}{{cluster="east",collector="{collector}"}}')

    def found() -> tuple[Outcome, str]:
        findings = doctor.probe_observer("metadata database", here.dsn, (), timeout=5)
        return next(
            (f.outcome, f.sentence) for f in findings if f.subject == "read what is true now"
        )

    try:
        eventually(lambda: lag("dag_runs") == 0, within=30, what="it follows closely")
        assert found()[0] is Outcome.OK
        replica.hold()
        rows.dag("unseen")
        for collector in ("dag_runs", "heartbeats", "waiting"):
            eventually(lambda name=collector: (lag(name) or 0) > 1.5, within=20)  # type: ignore[misc]  # a default has no type
        assert lag("machine") is None
        dags = 'airwarden_dags{cluster="east",status="active"}'
        assert samples()[dags] == 0
        outcome, text = found()
        assert outcome is Outcome.LIMITED
        assert "every number read from it is that old" in text

        replica.go_on()
        eventually(lambda: lag("dag_runs") == 0, within=20)
        assert found()[0] is Outcome.OK
    finally:
        exporter.stop()
        database.close()
        rows.close()
        replica.stop()
