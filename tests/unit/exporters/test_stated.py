"""Metrics that the operator states: what a query may give, what is refused, and what a failure leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from airwarden.adapters.fakes import FakeClock, FakePrometheus
from airwarden.core.errors import RejectedError, UnavailableError
from airwarden.exporters.collectors.stated import MAX_ROWS, StatedCollector
from airwarden.exporters.reported import KEEP, ReportedValues
from airwarden.exporters.sources import StatedQuery
from support.families import every

RISK = "business_revenue_at_risk_dollars"
STAMP = "reported_timestamp_seconds"


class Warehouse:
    """A database that answers with the rows that a test gives it."""

    def __init__(self, *rows: Mapping[str, Any]) -> None:
        self.rows_now: Sequence[Mapping[str, Any]] = rows
        self.error: Exception | None = None
        self.asked: list[tuple[str, int]] = []

    def rows(self, statement: str, *, limit: int) -> Sequence[Mapping[str, Any]]:
        self.asked.append((statement, limit))
        if self.error is not None:
            raise self.error
        return self.rows_now


class World:
    def __init__(self, *rows: Mapping[str, Any], metric: str = RISK) -> None:
        self.clock = FakeClock()
        self.warehouse = Warehouse(*rows)
        self.values = ReportedValues(self.clock)
        query = StatedQuery(
            "pending-orders", f"airwarden_{metric}", "sql/pending-orders", 300, 10,
            database=self.warehouse, sql="SELECT 1",
        )  # fmt: skip
        self.collector = StatedCollector(query, self.values, self.clock)

    def shown(self, name: str = RISK) -> dict[tuple[str, ...], float]:
        return every(self.values.families(), name)


def test_rows_become_values_with_their_source_and_age() -> None:
    world = World(
        {"product": "checkout", "value": Decimal("12.5")},
        {"product": None, "value": 7},
    )
    hour_ago = world.clock.now() - timedelta(hours=1)
    world.warehouse.rows_now = [
        {**row, "updated": at}
        for row, at in zip(world.warehouse.rows_now, (hour_ago, None), strict=True)
    ]
    assert world.collector.name == "query_pending_orders"
    assert world.collector.collect() == []
    assert world.warehouse.asked == [("SELECT 1", MAX_ROWS + 1)]
    assert world.shown() == {("checkout",): 12.5, ("unset",): 7}
    name = f"airwarden_{RISK}"
    assert world.shown(STAMP) == {
        (name, "checkout", "sql/pending-orders"): hour_ago.timestamp(),
        (name, "unset", "sql/pending-orders"): world.clock.now().timestamp(),
    }


def test_what_a_query_gives_no_longer_goes_and_a_failure_leaves_what_there_was() -> None:
    world = World({"product": "a", "value": 1}, {"product": "b", "value": 2})
    world.collector.collect()
    world.warehouse.rows_now = [{"product": "a", "value": 3}]
    world.collector.collect()
    assert world.shown() == {("a",): 3}
    at = world.clock.now().timestamp()
    world.clock.advance(3600)
    world.warehouse.error = UnavailableError("gone")
    with pytest.raises(UnavailableError):
        world.collector.collect()
    assert world.shown() == {("a",): 3}
    world.clock.advance(KEEP)
    assert world.shown() == {}
    assert list(world.shown(STAMP).values()) == [at]


def test_a_counter_is_shown_as_the_database_counts_it() -> None:
    world = World({"team": "a", "value": 100}, metric="pipeline_cost_dollars_total")
    world.collector.collect()
    assert world.shown("pipeline_cost_dollars_total") == {("a",): 100}


BAD: list[tuple[str, list[Mapping[str, Any]], str]] = [
    (RISK, [{"product": "a"}], "no column value"),
    (RISK, [{"value": 1}], "no column product"),
    (RISK, [{"product": "a", "value": 1, "pod": "x"}], "a column pod"),
    (RISK, [{"product": "a", "value": None}], "NoneType"),
    (RISK, [{"product": "a", "value": "7"}], "str"),
    (RISK, [{"product": "a", "value": True}], "bool"),
    (RISK, [{"product": "a", "value": float("nan")}], "nan"),
    (RISK, [{"product": "a", "value": 1}, {"product": "a", "value": 2}], "several values for a"),
    (RISK, [{"product": "a\n", "value": 1}], "not printable"),
    (RISK, [{"product": "a" * 129, "value": 1}], "longer than"),
    (RISK, [{"product": "a", "value": 1, "updated": "now"}], "no timestamp"),
    (RISK, [{"product": str(n), "value": 1} for n in range(MAX_ROWS + 1)], "more than 1000 rows"),
    ("pipeline_cost_dollars_total", [{"team": "a", "value": -1}], "-1"),
    ("quality_score_ratio", [{"dataset": "d", "dimension": "x", "value": 97}], "97"),
    ("user_satisfaction_score", [{"team": "a", "value": 5.5}], "5.5"),
]


@pytest.mark.parametrize(("metric", "rows", "said"), BAD, ids=lambda value: str(value)[:50])
def test_what_is_no_value_of_the_metric_is_refused_whole(
    metric: str, rows: list[Mapping[str, Any]], said: str
) -> None:
    world = World(*rows, metric=metric)
    with pytest.raises(RejectedError, match=said):
        world.collector.collect()
    assert world.shown(metric) == {}


def test_a_moment_without_zone_is_utc_and_none_is_in_the_future() -> None:
    world = World()
    now = world.clock.now()
    world.warehouse.rows_now = [
        {"product": "a", "value": 1, "updated": datetime(2026, 1, 5, 8, 0)},  # noqa: DTZ001
        {"product": "b", "value": 1, "updated": now + timedelta(days=1)},
    ]
    world.collector.collect()
    eight = datetime(2026, 1, 5, 8, 0, tzinfo=UTC).timestamp()
    assert sorted(world.shown(STAMP).values()) == [eight, now.timestamp()]


def test_promql_gives_values_by_the_metrics_labels() -> None:
    clock = FakeClock()
    prometheus, values = FakePrometheus(clock), ReportedValues(clock)
    query = StatedQuery(
        "survey", "airwarden_user_satisfaction_score", "promql/survey", 60, 5,
        prometheus=prometheus, promql="avg by (team) (score)",
    )  # fmt: skip
    collector = StatedCollector(query, values, clock)
    prometheus.put("avg by (team) (score)", 4.5, {"team": "a"})
    collector.collect()
    assert every(values.families(), "user_satisfaction_score") == {("a",): 4.5}
    prometheus.put("avg by (team) (score)", 4.5, {"team": "a", "pod": "x"})
    with pytest.raises(RejectedError, match="label pod"):
        collector.collect()


def test_a_query_that_was_taken_out_of_the_settings_leaves_nothing() -> None:
    world = World({"product": "a", "value": 1})
    owners = {f"airwarden_{RISK}": frozenset({"sql/pending-orders"})}
    world.values.configure(keep=KEEP, owners=owners)
    world.collector.collect()
    world.values.configure(keep=KEEP, owners=owners)
    assert world.shown() == {("a",): 1}
    world.values.configure(keep=KEEP, owners={})
    assert world.shown() == {}
