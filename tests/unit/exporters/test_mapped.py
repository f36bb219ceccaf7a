"""What is mapped is left out: whole metrics, samples of them, and collectors that have nothing left."""

from __future__ import annotations

import re

import httpx
import pytest

from airwarden.adapters.clock import SystemClock
from airwarden.adapters.fakes import FakeAirflow, FakeBroker, FakeClock, FakeMariaDb
from airwarden.core.metrics import CATALOGUE
from airwarden.exporters import NAMES, ClusterSources, Exporter, ExporterConfig, MappedMetric
from airwarden.exporters.emitted import EMITTED
from airwarden.exporters.families import gauge
from airwarden.exporters.mapped import LeftOut
from support.eventually import eventually
from support.repository import ROOT

SOURCES = ROOT / "exporters/airwarden/exporters"
#: Collectors whose metrics are those of `reported`, which is never left out.
SILENT = {"asset_reports", "reported", "tagged_dags"}
#: Collectors that read what they give from elsewhere than their own file.
ELSEWHERE = {"queries": "queries.py"}


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"mariadb"} - SILENT))
def test_the_table_of_what_collectors_give_is_what_their_sources_name(name: str) -> None:
    text = (SOURCES / ELSEWHERE.get(name, f"collectors/{name}.py")).read_text()
    assert EMITTED[name] == set(re.findall(r'"(airwarden_[a-z0-9_]+)"', text)) & CATALOGUE.keys()


def test_a_mariadb_gives_what_the_table_says() -> None:
    from airwarden.exporters.collectors.mariadb import MariaDbCollector

    given = {family.metric.name for family in MariaDbCollector(FakeMariaDb()).collect()}
    assert given <= EMITTED["mariadb"]
    assert not SILENT & EMITTED.keys()


def test_only_the_samples_that_are_mapped_are_left_out() -> None:
    name = "airwarden_cluster_utilization_ratio"
    family = gauge(name, {("cpu",): 0.5, ("slots",): 0.25})
    other = gauge("airwarden_db_up", 1)
    (rest, kept) = LeftOut([MappedMetric(name, {"resource": "cpu"})]).rest([family, other])
    assert dict(rest.samples) == {("slots",): 0.25}
    assert kept is other
    assert LeftOut([MappedMetric(name)]).rest([family, other]) == [other]
    assert LeftOut([]).rest([family, other]) == [family, other]


def test_a_collector_with_nothing_left_to_give_is_not_run() -> None:
    broker = FakeBroker()
    mapped = tuple(MappedMetric(name) for name in EMITTED["broker"])
    assert LeftOut(mapped).whole("broker")
    assert not LeftOut(mapped[1:]).whole("broker")
    assert not LeftOut(mapped).whole("reported")
    cluster = ClusterSources(
        "east",
        airflow=FakeAirflow(FakeClock()),
        broker=broker,
        mapped=(*mapped, MappedMetric("airwarden_component_up", {"component": "api-server"})),
    )
    exporter = Exporter([cluster], ExporterConfig(port=0), SystemClock())
    exporter.start()
    try:
        url = f"http://127.0.0.1:{exporter.port}"
        eventually(lambda: httpx.get(f"{url}/readyz").status_code == 200, within=10)
        page = httpx.get(f"{url}/metrics").text
    finally:
        exporter.stop()
    assert "airwarden_broker_" not in page
    assert 'collector="broker"' not in page
    assert 'component="api-server"' not in page
    assert 'collector="api_server"' in page
