"""The rendered page is what prometheus_client reads and Prometheus' own rules ask for."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text

from airwarden.exporters.exposition import Renderer, page
from airwarden.exporters.families import Counter, Family, Histogram, Labels, gauge
from airwarden.exporters.snapshot import Snapshot

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def render(*families: Family, open_format: bool = False) -> str:
    renderer = Renderer("east")
    return page([renderer.render(family) for family in families], openmetrics=open_format)


def parse(page_text: str, open_format: bool = False) -> Samples:
    read: Any = openmetrics if open_format else text  # prometheus_client types only one of them
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in read(page_text)
        for sample in family.samples
    }


@pytest.mark.parametrize("open_format", [False, True])
def test_each_type_reads_back(open_format: bool) -> None:
    runs = Counter("airwarden_task_instances_started_total")
    runs.born([("default",), ("gpu",)])
    runs.add(("gpu",), 2)
    waits = Histogram("airwarden_task_queue_wait_seconds")
    for seconds in (0.2, 0.5, 7.0, 99999.0):
        waits.observe(("default",), seconds)
    up = gauge("airwarden_db_up", 1)

    page_text = render(runs.family(), waits.family(), up, open_format=open_format)
    read = parse(page_text, open_format)

    def value(name: str, **labels: str) -> float:
        return read[name, frozenset({"cluster": "east", **labels}.items())]

    assert value("airwarden_db_up") == 1
    assert value("airwarden_task_instances_started_total", queue="default") == 0
    assert value("airwarden_task_instances_started_total", queue="gpu") == 2
    name = "airwarden_task_queue_wait_seconds"
    bounds = ["0.5", "5.0", "10.0", "3600.0", "+Inf"]
    assert [value(f"{name}_bucket", queue="default", le=b) for b in bounds] == [2, 2, 3, 3, 4]
    assert value(f"{name}_count", queue="default") == 4
    assert value(f"{name}_sum", queue="default") == pytest.approx(100006.7)


def test_a_counter_is_announced_as_each_format_wants_it() -> None:
    counter = Counter("airwarden_task_instances_started_total")
    counter.add(("q",))
    assert "# TYPE airwarden_task_instances_started_total counter\n" in render(counter.family())
    open_page = render(counter.family(), open_format=True)
    assert "# TYPE airwarden_task_instances_started counter\n" in open_page
    assert 'airwarden_task_instances_started_total{cluster="east",queue="q"} 1.0\n' in open_page


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.tuples(st.text(st.characters(exclude_categories=["Cs"]), max_size=12)),
        st.floats(allow_nan=False) | st.integers(-(2**53), 2**53),
        max_size=8,
    )
)
def test_any_label_value_and_number_reads_back(samples: dict[tuple[str, ...], float]) -> None:
    page_text = render(gauge("airwarden_dependency_up", samples))
    wanted = {
        ("airwarden_dependency_up", frozenset({"cluster": "east", "dependency": k[0]}.items())): v
        for k, v in samples.items()
    }
    assert parse(page_text) == wanted


def test_what_is_not_finite_reads_back() -> None:
    values: dict[Labels, float] = {("n",): math.nan, ("p",): math.inf, ("m",): -math.inf}
    read = parse(render(gauge("airwarden_dependency_up", values)))
    numbers = {dict(labels)["dependency"]: value for (_, labels), value in read.items()}
    assert math.isnan(numbers["n"])
    assert (numbers["p"], numbers["m"]) == (math.inf, -math.inf)


def test_a_series_that_went_away_is_not_rendered() -> None:
    renderer = Renderer("east")
    renderer.render(gauge("airwarden_dependency_up", {("a",): 1, ("b",): 1}))
    lines = renderer.render(gauge("airwarden_dependency_up", {("b",): 0})).lines
    assert lines == 'airwarden_dependency_up{cluster="east",dependency="b"} 0\n'


def test_kept_prefixes_do_not_grow_with_series_that_come_and_go() -> None:
    renderer = Renderer("east")
    for number in range(1000):
        renderer.render(gauge("airwarden_dependency_up", {(str(number),): 1}))
    assert len(renderer._kept["airwarden_dependency_up"]) < 100


def test_families_of_several_collectors_stand_together() -> None:
    snapshot = Snapshot()
    snapshot.publish("east", "one", [gauge("airwarden_dependency_up", {("a",): 1})])
    snapshot.publish("west", "one", [gauge("airwarden_dependency_up", {("a",): 0})])
    body = page(snapshot.blocks(), openmetrics=False)
    assert body.count("# TYPE airwarden_dependency_up gauge") == 1
    assert len(parse(body)) == 2


def test_a_wrong_type_or_label_count_is_our_mistake() -> None:
    with pytest.raises(TypeError, match="histogram"):
        Histogram("airwarden_db_up").family()
    with pytest.raises(TypeError, match="labels"):
        gauge("airwarden_db_up", {("a",): 1})
