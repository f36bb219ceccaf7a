"""A real Prometheus takes the page as `airwarden build` tells it to: TLS, credential, every series and type.

What it takes is what the reference page lists.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families as text

from airwarden.adapters.broker_redis import RedisBroker
from airwarden.adapters.clock import SystemClock
from airwarden.adapters.fakes import FakeHost, FakeMariaDb, FakePooler, FakeProbe, FakeStatsd
from airwarden.adapters.metadata_database import PostgresMetadata
from airwarden.cli import exporting
from airwarden.cli.outputs import render_all
from airwarden.core.metrics import metric
from airwarden.core.platform import Component
from airwarden.core.settings import parse
from airwarden.exporters import ClusterSources, Exporter, ExporterConfig
from airwarden.exporters.emitted import EMITTED
from support.airflow_rows import AirflowRows
from support.certificates import Authority
from support.eventually import eventually
from support.monitoring import Prometheus
from support.postgres import ROOT, PostgresServer
from support.programs import free_port
from support.redis import RedisServer

_SETTINGS = """\
exporter:
  listen: 127.0.0.1:{port}
  auth: {{username: prometheus, password_file: password}}
  tls:
    cert_file: server.pem
    key_file: server.key
    client_ca_file: authority.pem
    prometheus: {{ca_file: authority.pem, cert_file: prometheus.pem, key_file: prometheus.key}}
prometheus: {{scrape_interval: 1s}}
"""
_ROW = re.compile(r"^\| `(airwarden_\w+)` \| (\w+) \| ([^|]*) \| [^|]+ \| ([^|]+) \|$")
_COST = re.compile(r"^\| `(\w+)` \| \S+ s \| ([^|]+) \| ([^|]+) \|$")


@dataclass
class Scraped:
    """A Prometheus that has scraped an exporter, and the page that it took."""

    prometheus: Prometheus
    page: str

    @property
    def names(self) -> set[str]:
        """The series' names on the page."""
        return {sample.name for family in text(self.page) for sample in family.samples}


@pytest.fixture(scope="module")
def scraped(
    postgres_server: PostgresServer,
    session_redis: RedisServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Scraped]:
    folder = tmp_path_factory.mktemp("scraped")
    authority = Authority(folder)
    authority.sign("server")
    authority.sign("prometheus")
    (folder / "password").write_text("of the scraper")
    port = free_port()
    settings = parse(_SETTINGS.format(port=port), source="airwarden.yaml", environ={}, base=folder)
    airflow = postgres_server.fresh("airflow")
    airflow.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    rows = AirflowRows(airflow)
    run = rows.run(rows.dag('quo"ted\\dag', "tier:high", "team:a\nb", "type:etl"))
    rows.task(run, "work", "running")
    rows.close()
    database = PostgresMetadata(airflow.dsn)
    broker = RedisBroker(session_redis.url)
    cluster = ClusterSources(
        "east", database=database, broker=broker, dependencies={"billing": FakeProbe()}, machine=True,
        host=FakeHost(SystemClock(), {Component.SCHEDULER: ["scheduler"]}), pooler=FakePooler(), mariadb=FakeMariaDb(), statsd=FakeStatsd(),
    )  # fmt: skip
    config = ExporterConfig(port=port, door=exporting.door(settings), tls=exporting.tls(settings))
    exporter = Exporter([cluster], config, SystemClock())
    exporter.start()
    context = ssl.create_default_context(cafile=str(authority.cert))
    context.load_cert_chain(folder / "prometheus.pem", folder / "prometheus.key")
    client = httpx.Client(
        base_url=f"https://127.0.0.1:{port}", verify=context, auth=("prometheus", "of the scraper")
    )
    eventually(lambda: client.get("/readyz").status_code == 200, within=30)
    generated = yaml.safe_load(render_all(settings)["prometheus/prometheus.yml"])
    only = {"global": generated["global"], "scrape_configs": generated["scrape_configs"]}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(only))
    prometheus = Prometheus(folder)
    try:
        eventually(
            lambda: [s["value"][1] for s in prometheus.query("up")] == ["1"],
            within=20,
            what="the scrape succeeds",
        )
        yield Scraped(prometheus, client.get("/metrics").text)
    finally:
        prometheus.stop()
        client.close()
        exporter.stop()
        broker.close()
        database.close()
        postgres_server.drop(airflow)


def test_prometheus_takes_every_series_with_its_type(scraped: Scraped) -> None:
    prometheus = scraped.prometheus
    eventually(
        lambda: (
            scraped.names
            <= {s["metric"]["__name__"] for s in prometheus.query('{job="airwarden-exporter"}')}
        ),
        within=20,
    )
    labels = prometheus.query('airwarden_dag_runs{state="running",tier="high"}')[0]["metric"]
    assert labels["team"] == "a\nb"

    metadata = httpx.get(f"{prometheus.url}/api/v1/targets/metadata").json()["data"]
    types = {entry["metric"]: entry["type"] for entry in metadata}
    for name in scraped.names:
        entry = metric(name)
        known = types.get(entry.name) or types[entry.name.removesuffix("_total")]
        assert known == entry.type.value
    rejected = prometheus.query("scrape_samples_scraped - scrape_samples_post_metric_relabeling")
    assert [s["value"][1] for s in rejected] == ["0"]


def lines() -> list[str]:
    return (ROOT / "docs" / "reference" / "metrics.md").read_text().splitlines()


def listed() -> dict[str, tuple[str, set[str]]]:
    """Return metric → type and labels, as the reference page has them."""
    found: dict[str, tuple[str, set[str]]] = {}
    for line in lines():
        if row := _ROW.match(line):
            name, kind, labels, source = row.groups()
            assert source.strip()
            found[name] = (kind, set(re.findall(r"`(\w+)`", labels)))
    return found


def costs() -> dict[str, set[str]]:
    """Return collector → the metrics that the page says it gives, where it says what that costs."""
    return {
        row[1]: set(re.findall(r"`(\w+)`", row[3]))
        for line in lines()
        if (row := _COST.match(line)) and row[2].strip() not in ("", "–")
    }


def test_the_reference_page_lists_what_a_scrape_gives_with_type_and_labels(
    scraped: Scraped,
) -> None:
    reference = listed()
    for family in text(scraped.page):
        for sample in family.samples:
            entry = metric(sample.name)
            kind, labels = reference[entry.name]
            assert kind == entry.type.value == family.type
            assert set(sample.labels) - {"le"} == labels | {"cluster"}


#: What the sources of this test do not give, and what is born with its first event.
_NOT_HERE = {
    "api_server", "workers", "reported", "mapped", "canaries", "task_failures", "kubernetes_pods", "kubernetes_workloads",
}  # fmt: skip
#: What there is only when there is something to tell, which an idle platform has not.
_ON_OCCASION = {
    "airwarden_api_dag_bag_cache_size",
    "airwarden_asset_freshness_sla_seconds",
    "airwarden_asset_last_update_timestamp_seconds",
    "airwarden_celery_oldest_message_age_seconds",
    "airwarden_component_heartbeat_timestamp_seconds",
    "airwarden_component_up",
    "airwarden_dag_bundle_last_refresh_timestamp_seconds",
    "airwarden_dag_consecutive_failures",
    "airwarden_dag_file_oldest_parse_age_seconds",
    "airwarden_dag_file_queue",
    "airwarden_dag_last_success_timestamp_seconds",
    "airwarden_dag_version_last_change_timestamp_seconds",
    "airwarden_dag_warnings",
    "airwarden_db_cache_hit_ratio",
    "airwarden_db_idle_in_transaction_age_seconds",
    "airwarden_db_query_rows_total",
    "airwarden_db_query_seconds_total",
    "airwarden_db_replication_lag_seconds",
    "airwarden_db_scheduler_lock_held_seconds",
    "airwarden_db_slot_retained_bytes",
    "airwarden_db_table_last_autovacuum_timestamp_seconds",
    "airwarden_executor_slots",
    "airwarden_mariadb_replicating",
    "airwarden_mariadb_replication_lag_seconds",
    "airwarden_pgbouncer_client_active_connections",
    "airwarden_pgbouncer_client_waiting_connections",
    "airwarden_pgbouncer_maxwait_seconds",
    "airwarden_pgbouncer_server_connections",
    "airwarden_scheduler_critical_section_busy_total",
    "airwarden_scheduler_critical_section_duration_seconds",
    "airwarden_scheduler_executor_heartbeat_duration_seconds",
    "airwarden_scheduler_loop_duration_seconds",
    "airwarden_task_duration_seconds",
    "airwarden_task_heartbeat_oldest_age_seconds",
    "airwarden_triggerer_capacity",
    "airwarden_triggers_blocked_main_thread_total",
}


def test_a_scrape_gives_what_the_reference_page_lists(scraped: Scraped) -> None:
    given = {metric(name).name for name in scraped.names}
    for collector, names in EMITTED.items():
        if collector not in _NOT_HERE:
            assert costs()[collector] == names
    silent = {
        name for collector, names in EMITTED.items() if collector not in _NOT_HERE for name in names
    } - given
    assert sorted(silent - _ON_OCCASION) == []
