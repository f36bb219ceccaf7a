"""The catalogue keeps Prometheus' naming rules, and its page is its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from airwarden.cli import metric_reference
from airwarden.core.errors import WrongInputError
from airwarden.core.metrics import (
    CATALOGUE,
    LEFT_OUT,
    SECTIONS,
    Metric,
    MetricType,
    metric,
)
from airwarden.exporters.costs import COSTS
from airwarden.exporters.emitted import EMITTED

ROOT = Path(__file__).resolve().parents[2]
EVERY = [entry for entries in SECTIONS.values() for entry in entries]


@pytest.mark.parametrize("entry", EVERY, ids=lambda entry: entry.name)
def test_each_metric_keeps_the_naming_rules(entry: Metric) -> None:
    assert re.fullmatch(r"airwarden_[a-z0-9_]+", entry.name)
    assert entry.name.endswith("_total") == (entry.type is MetricType.COUNTER)
    assert bool(entry.buckets) == (entry.type is MetricType.HISTOGRAM)
    assert list(entry.buckets) == sorted(set(entry.buckets))
    assert "cluster" not in entry.labels
    assert "le" not in entry.labels
    assert entry.help.endswith(".")
    assert entry.source


def test_no_name_stands_twice_nor_begins_a_histograms_series() -> None:
    assert len(CATALOGUE) == len(EVERY)
    series = {
        entry.name + suffix
        for entry in EVERY
        if entry.type is MetricType.HISTOGRAM
        for suffix in ("_bucket", "_sum", "_count")
    }
    assert not series & set(CATALOGUE)


def test_what_is_left_out_has_a_reason_and_is_not_there() -> None:
    names = [name for absent in LEFT_OUT for name in absent.names]
    assert len(names) == len(set(names))
    assert not set(names) & set(CATALOGUE)
    assert all(re.fullmatch(r"airwarden_[a-z0-9_]+", name) for name in names)
    for absent in LEFT_OUT:
        assert absent.reason.endswith(".")
        named = re.findall(r"airwarden_[a-z0-9_]+", absent.instead)
        assert set(named) <= set(CATALOGUE)


def test_lookup_knows_a_histograms_series_and_names_the_nearest() -> None:
    assert metric("airwarden_db_up").type is MetricType.GAUGE
    name = "airwarden_dag_run_duration_seconds"
    assert metric(f"{name}_bucket") is metric(name)
    with pytest.raises(WrongInputError, match="airwarden_db_up"):
        metric("airwarden_db_upp")
    with pytest.raises(WrongInputError):
        metric("airwarden_db_up_bucket")


def test_the_committed_page_is_the_rendered_one() -> None:
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    assert page == metric_reference.render(), "make generate"


def test_each_metric_of_the_exporter_has_a_collector_and_each_collector_its_cost() -> None:
    given = {name for names in EMITTED.values() for name in names}
    unexplained = {
        entry.name
        for entry in EVERY
        if "remediator" not in entry.source
        and entry.source != "exporter"
        and entry.name not in given
    }
    sent = ("Only from a site's own exporters", "Business and pipelines")
    assert unexplained <= {entry.name for section in sent for entry in SECTIONS[section]}
    assert set(metric_reference.intervals()) <= set(COSTS)
    assert set(EMITTED) <= set(COSTS)
