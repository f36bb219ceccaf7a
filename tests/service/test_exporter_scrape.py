"""A real Prometheus takes the page: every series, with its type, over OpenMetrics and gzip."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families as text

from airwarden.adapters.broker_redis import RedisBroker
from airwarden.adapters.clock import SystemClock
from airwarden.adapters.fakes import FakeProbe
from airwarden.adapters.metadata_database import PostgresMetadata
from airwarden.core.metrics import metric
from airwarden.exporters import ClusterSources, Exporter, ExporterConfig
from support.airflow_rows import AirflowRows
from support.eventually import eventually
from support.monitoring import Prometheus
from support.postgres import FreshDatabase
from support.redis import RedisServer


def test_prometheus_takes_every_series_with_its_type(
    fresh_database: FreshDatabase, redis_server: RedisServer, tmp_path: Path
) -> None:
    rows = AirflowRows(fresh_database(template="airflow"))
    rows.run(rows.dag('quo"ted\\dag', "tier:high", "team:a\nb", "type:etl"))
    database = PostgresMetadata(rows.database.dsn)
    cluster = ClusterSources(
        "east",
        database=database,
        broker=RedisBroker(redis_server.url),
        dependencies={"billing": FakeProbe()},
        machine=True,
    )
    exporter = Exporter([cluster], ExporterConfig(port=0), SystemClock())
    exporter.start()
    address = f"127.0.0.1:{exporter.port}"
    eventually(lambda: httpx.get(f"http://{address}/readyz").status_code == 200, within=20)
    (tmp_path / "prometheus.yml").write_text(
        json.dumps(
            {
                "global": {"scrape_interval": "1s"},
                "scrape_configs": [
                    {"job_name": "airwarden", "static_configs": [{"targets": [address]}]}
                ],
            }
        )
    )
    prometheus = Prometheus(tmp_path)
    try:
        up = 'up{job="airwarden"}'
        eventually(
            lambda: [s["value"][1] for s in prometheus.query(up)] == ["1"],
            within=20,
            what="the scrape succeeds",
        )
        page = httpx.get(f"http://{address}/metrics").text
        served = {sample.name for family in text(page) for sample in family.samples}
        taken = {s["metric"]["__name__"] for s in prometheus.query('{job="airwarden"}')}
        assert served <= taken
        labels = prometheus.query('airwarden_dag_runs{state="running",tier="high"}')[0]["metric"]
        assert labels["team"] == "a\nb"

        metadata = httpx.get(f"{prometheus.url}/api/v1/targets/metadata").json()["data"]
        types = {entry["metric"]: entry["type"] for entry in metadata}
        for name in served:
            entry = metric(name)
            assert types.get(entry.name) or types.get(entry.name.removesuffix("_total"))
            known = types.get(entry.name) or types[entry.name.removesuffix("_total")]
            assert known == entry.type.value
        rejected = prometheus.query(
            "scrape_samples_scraped - scrape_samples_post_metric_relabeling"
        )
        assert [s["value"][1] for s in rejected] == ["0"]
    finally:
        prometheus.stop()
        exporter.stop()
        database.close()
        rows.close()
