"""Every panel's queries, asked of a real Prometheus that holds every series of the catalogue."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from airwarden.core.metrics import CATALOGUE, Metric, MetricType
from support.dashboards import PanelQuery, queries
from support.eventually import eventually
from support.servers import Child, answers, free_port

SPAN, STEP = 3600, 15

#: Values of labels for which any value would not do, because a query asks for one of them.
VALUES: Mapping[str, tuple[str, ...]] = {
    "state": ("success", "failed", "running", "queued", "total", "REMEDIATING"),
    "type": ("etl", "ml_training", "analytics", "data_quality", "reporting", "ad_hoc"),
    "resource": ("slots", "cpu", "memory"),
    "status": ("active", "paused"),
    "component": ("scheduler", "worker"),
}


def label_sets(metric: Metric) -> Iterator[str]:
    names = ("cluster", *metric.labels)
    choices = [VALUES.get(name, (f"{name}-1", f"{name}-2")) for name in names]
    choices[0] = ("default",)
    for values in itertools.product(*choices):
        yield ",".join(f'{n}="{v}"' for n, v in zip(names, values, strict=True))


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
        for labels in label_sets(metric):
            yield from lines_of(metric, labels, end)
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


@pytest.mark.parametrize("query", [pytest.param(q, id=q.panel) for q in queries()])
def test_it_is_accepted_quick_and_has_data(
    prometheus: tuple[httpx.Client, int], query: PanelQuery
) -> None:
    client, end = prometheus
    began = time.monotonic()
    answer = client.get("/api/v1/query", params={"query": query.expr, "time": end - STEP})
    seconds = time.monotonic() - began
    body: dict[str, Any] = answer.json()
    assert body["status"] == "success", f"{query.expr}\n{body.get('error')}"
    assert body["data"]["result"], f"no data: {query.expr}"
    assert seconds < 2, "a panel answers at once"
