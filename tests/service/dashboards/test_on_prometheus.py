"""Every panel's queries, asked of a real Prometheus that holds every series of the catalogue."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import httpx
import pytest

from airwarden.core.metrics import CATALOGUE, Metric, MetricType
from airwarden.dashboards.absent import Source
from airwarden.dashboards.names import BOARDS
from support.dashboards import queries, recordings
from support.eventually import eventually
from support.servers import Child, answers, free_port

SPAN, STEP = 3600, 60

#: Values of labels for which any value would not do, because a query asks for one of them.
VALUES: Mapping[str, tuple[str, ...]] = {
    "state": ("success", "failed", "running", "queued", "scheduled", "up_for_retry"),
    "type": ("etl", "ml_training", "analytics", "data_quality", "reporting", "ad_hoc"),
    "outcome": ("success", "failed", "hit", "rollback"),
    "cause": ("infrastructure", "dag_code"),
    "on_time": ("true", "false"),
    "asset": ("asset-1", "dag:dag_id-1"),
    "resource": ("slots", "cpu", "memory"),
    "status": ("active", "paused"),
    "component": ("scheduler", "worker"),
    "slo": ("task-success", "freshness"),
    "le": ("1.0", "+Inf"),
    "phase": ("Running", "Pending", "scheduled", "pulled"),
}
#: States of metrics that have others than runs and tasks.
STATES: Mapping[str, tuple[str, ...]] = {
    "airwarden_incidents": ("REMEDIATING", "ESCALATED"),
    "airwarden_pool_slots": ("total", "open", "running", "queued", "scheduled", "deferred"),
    "airwarden_executor_slots": ("open", "running"),
    "airwarden_workload_replicas": ("wanted", "existing", "ready", "updated"),
    "airwarden_scaler_replicas": ("minimum", "maximum", "wanted"),
}


def label_sets(name: str, labels: Iterable[str]) -> Iterator[str]:
    """Yield every combination of the labels' values."""
    names = list(labels)
    values = {**VALUES, "cluster": ("default",)}
    if name in STATES:
        values["state"] = STATES[name]
    choices = [values.get(label, (f"{label}-1", f"{label}-2")) for label in names]
    for combination in itertools.product(*choices):
        yield ",".join(f'{n}="{v}"' for n, v in zip(names, combination, strict=True))


def lines_of(metric: Metric, labels: str, end: int) -> Iterator[str]:
    """Yield an hour of samples: counters and buckets grow, the rest is steady."""
    for step, at in enumerate(range(end - SPAN, end, STEP)):
        if metric.type is MetricType.HISTOGRAM:
            for bound in (*(f"{b:g}" for b in metric.buckets), "+Inf"):
                yield f'{metric.name}_bucket{{{labels},le="{bound}"}} {step * 2} {at}'
            yield f"{metric.name}_count{{{labels}}} {step * 2} {at}"
            yield f"{metric.name}_sum{{{labels}}} {step} {at}"
        elif metric.type is MetricType.COUNTER:
            yield f"{metric.name}{{{labels}}} {step * 3} {at}"
        else:
            value = at - 30 if metric.name.endswith("timestamp_seconds") else 1
            yield f"{metric.name}{{{labels}}} {value} {at}"


def exposition(end: int) -> Iterator[str]:
    for metric in CATALOGUE.values():
        yield f"# TYPE {metric.name.removesuffix('_total')} {metric.type}"
        for labels in label_sets(metric.name, ("cluster", *metric.labels)):
            yield from lines_of(metric, labels, end)
    for record, labels_of_it in recordings().items():
        yield f"# TYPE {record} gauge"
        for labels in label_sets(record, sorted(labels_of_it - {"airwarden"})):
            yield from (f"{record}{{{labels}}} 1 {at}" for at in range(end - SPAN, end, STEP))
    yield "# TYPE ALERTS gauge"
    for severity in ("critical", "warning"):
        labels = f'alertname="A",alertstate="firing",severity="{severity}",cluster="default"'
        yield from (f"ALERTS{{{labels}}} 1 {at}" for at in range(end - SPAN, end, STEP))
    yield "# EOF"


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, int]]:
    """Start a Prometheus on blocks made from the catalogue; gives a client and the data's end."""
    folder = tmp_path_factory.mktemp("prometheus")
    for program in ("prometheus", "promtool"):
        if shutil.which(program) is None:
            pytest.fail(f"{program} is missing: apt-get install prometheus")
    end = int(time.time()) - 60
    (folder / "data.txt").write_text("\n".join(exposition(end)) + "\n")
    make = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "data.txt", "data"]
    subprocess.run(make, cwd=folder, check=True, capture_output=True)
    (folder / "prometheus.yml").write_text("global: {}\n")
    port = free_port()
    server = Child(
        [
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        folder / "prometheus.log",
    )
    try:
        eventually(lambda: answers(port), within=20, what="Prometheus listens")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            eventually(lambda: client.get("/-/ready").status_code == 200, within=20)
            yield client, end
    finally:
        server.stop()


@pytest.mark.parametrize("uid", [board.uid for board in BOARDS])
def test_every_query_is_accepted_quick_and_has_data(
    prometheus: tuple[httpx.Client, int], uid: str
) -> None:
    client, end = prometheus
    wrong = []
    for query in queries():
        if query.dashboard != uid:
            continue
        began = time.monotonic()
        answer = client.post("/api/v1/query", data={"query": query.expr, "time": end - STEP})
        seconds = time.monotonic() - began
        body: dict[str, Any] = answer.json()
        if body["status"] != "success":
            wrong.append((query.panel, query.expr, body.get("error")))
        # An hour of data has no day before.
        elif not body["data"]["result"] and "offset 1d" not in query.expr:
            wrong.append((query.panel, query.expr, "no data"))
        elif seconds > 2:
            wrong.append((query.panel, query.expr, "a panel answers at once"))
    assert wrong == []


@pytest.mark.parametrize("title", ["SLA compliance", "Data freshness"])
def test_a_goal_stands_beside_a_number_and_not_alone(
    prometheus: tuple[httpx.Client, int], title: str
) -> None:
    client, end = prometheus
    asked = [query.expr for query in queries() if query.panel == title and "vector" in query.expr]
    assert asked
    for expression in asked:
        with_assets, without = _results(client, expression, end - STEP, end - 2 * SPAN)
        assert (len(with_assets), len(without)) == (1, 0)


def test_the_table_of_targets_says_how_to_add_what_is_missing(
    prometheus: tuple[httpx.Client, int],
) -> None:
    client, end = prometheus
    (goals,) = (
        query.expr
        for query in queries()
        if query.panel == "Targets of the platform" and '"wanted"' in query.expr
    )
    with_assets, without = (
        {one["metric"]["target"]: one["metric"]["source"] for one in result}
        for result in _results(client, goals, end - STEP, end - 2 * SPAN)
    )
    assert with_assets.keys() == without.keys()
    for target in ("SLA compliance", "Data freshness"):
        assert with_assets[target] == "Airwarden"
        assert without[target] == Source.ASSETS.absent


def _results(client: httpx.Client, expression: str, *moments: int) -> list[list[Any]]:
    asked = [{"query": expression, "time": at} for at in moments]
    return [client.post("/api/v1/query", data=one).json()["data"]["result"] for one in asked]
