"""The exporter over HTTP: it answers whatever its sources do."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text

from airwarden.adapters.clock import SystemClock
from airwarden.adapters.fakes import FakeAirflow, FakeBroker, FakeClock
from airwarden.core.errors import WrongInputError
from airwarden.core.metrics import metric
from airwarden.exporters import ClusterSources, Exporter, ExporterConfig, Reloaded, Timing
from support.eventually import eventually

pytestmark = pytest.mark.thorough


class HangingBroker(FakeBroker):
    """A broker whose answers come when the test lets them."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()

    def ping(self) -> float:
        self.let_go.wait(30)
        return super().ping()


@contextmanager
def running(
    *clusters: ClusterSources, settings: ExporterConfig | None = None
) -> Iterator[tuple[Exporter, str]]:
    exporter = Exporter(clusters, settings or ExporterConfig(port=0), SystemClock())
    exporter.start()
    try:
        yield exporter, f"http://127.0.0.1:{exporter.port}"
    finally:
        exporter.stop()


@pytest.fixture
def airflow() -> FakeAirflow:
    return FakeAirflow(FakeClock())


def ready(url: str) -> bool:
    return httpx.get(f"{url}/readyz").status_code == 200


def samples(page: str) -> Mapping[str, float]:
    return {f"{s.name}{sorted(s.labels.items())}": s.value for f in text(page) for s in f.samples}


def test_both_formats_are_served_plain_and_compressed(airflow: FakeAirflow) -> None:
    with running(ClusterSources("east", airflow=airflow)) as (_, url):
        eventually(lambda: ready(url), within=10)
        for encoding in ("identity", "gzip"):
            plain = httpx.get(f"{url}/metrics", headers={"Accept-Encoding": encoding})
            assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
            assert ("content-encoding" in plain.headers) == (encoding == "gzip")
            families = list(text(plain.text))
            for family in families:
                for sample in family.samples:
                    metric(sample.name)
            names = {sample.name for family in families for sample in family.samples}
            assert {"airwarden_component_up", "airwarden_build_info"} <= names

        accept = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
        openly = httpx.get(f"{url}/metrics", headers=accept)
        assert openly.headers["content-type"].startswith("application/openmetrics-text")
        assert list(openmetrics(openly.text))  # type: ignore[no-untyped-call]


def test_a_hanging_collector_blanks_and_delays_nothing(airflow: FakeAirflow) -> None:
    broker = HangingBroker()
    timings = {"broker": Timing(timeout=0.2)}
    cluster = ClusterSources("east", airflow=airflow, broker=broker)
    with running(cluster, settings=ExporterConfig(port=0, timings=timings)) as (_, url):

        def page() -> Mapping[str, float]:
            answer = httpx.get(f"{url}/metrics", timeout=5)
            assert answer.elapsed.total_seconds() < 1.0
            return samples(answer.text)

        success = "airwarden_collector_success[('cluster', 'east'), ('collector', '{}')]"
        eventually(lambda: page().get(success.format("broker")) == 0, within=10)
        eventually(lambda: page().get(success.format("api_server")) == 1, within=10)
        broker.let_go.set()


def test_not_ready_until_every_collector_has_ended_once(airflow: FakeAirflow) -> None:
    broker = HangingBroker()
    with running(ClusterSources("east", airflow=airflow, broker=broker)) as (_, url):
        eventually(
            lambda: httpx.get(f"{url}/readyz").text == "first collect not done: east/broker\n",
            within=10,
        )
        assert httpx.get(f"{url}/healthz").status_code == 200
        broker.let_go.set()
        eventually(lambda: ready(url), within=10)


def test_a_refused_configuration_leaves_the_old_one_in_force(airflow: FakeAirflow) -> None:
    refused = True

    def reload() -> Reloaded:
        if refused:
            raise WrongInputError("no such key", place="airwarden.yaml: clusterz")
        return Reloaded([ClusterSources("west", airflow=airflow)], restart_for=("exporter.tls",))

    settings = ExporterConfig(port=0, reload=reload)
    with running(ClusterSources("east", airflow=airflow), settings=settings) as (_, url):
        eventually(lambda: ready(url), within=10)
        good = "airwarden_config_reload_success[('cluster', 'airwarden')]"

        answer = httpx.post(f"{url}/-/reload")
        assert answer.status_code == 500
        assert "clusterz" in answer.text
        page = httpx.get(f"{url}/metrics").text
        assert samples(page)[good] == 0
        assert 'cluster="east"' in page

        refused = False
        answer = httpx.post(f"{url}/-/reload")
        assert answer.status_code == 200
        assert answer.text == "reloaded; at the next start: exporter.tls\n"
        eventually(lambda: ready(url), within=10)
        page = httpx.get(f"{url}/metrics").text
        assert samples(page)[good] == 1
        assert 'cluster="west"' in page
        assert 'cluster="east"' not in page


def test_unknown_addresses_are_not_found_and_reload_is_no_get(airflow: FakeAirflow) -> None:
    with running(ClusterSources("east", airflow=airflow)) as (_, url):
        assert httpx.get(f"{url}/secret").status_code == 404
        assert httpx.get(f"{url}/-/reload").status_code == 404
        assert httpx.post(f"{url}/metrics").status_code == 404


def test_what_lives_on_is_out_of_the_garbage_collectors_way_in_a_process_of_its_own(
    airflow: FakeAirflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    walks: list[object] = []
    monkeypatch.setattr(gc, "collect", lambda *generation: walks.append(generation))
    try:
        for own in (False, True):
            assert gc.get_freeze_count() == 0
            settings = ExporterConfig(port=0, own_process=own)
            with running(ClusterSources("east", airflow=airflow), settings=settings) as (_, url):
                eventually(lambda: ready(url), within=10)
                httpx.get(f"{url}/metrics")
                if own:
                    eventually(lambda: gc.get_freeze_count() > 0, within=10)
        assert walks == [], (
            "nor is there a walk over all of it, which holds up who scrapes meanwhile"
        )
    finally:
        gc.unfreeze()


def test_a_stop_ends_every_thread_and_frees_the_address(airflow: FakeAirflow) -> None:
    before = set(threading.enumerate())
    with running(ClusterSources("east", airflow=airflow)) as (exporter, url):
        eventually(lambda: ready(url), within=10)
    eventually(lambda: not set(threading.enumerate()) - before, within=10)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/healthz")
    exporter.stop()
