"""What DAGs are worth by their tags, and what tasks report with their assets, in Airflow's real schema."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from psycopg.types.json import Json

from airwarden.adapters.fakes import FakeClock
from airwarden.adapters.metadata_database import PostgresMetadata
from airwarden.exporters.collectors.asset_reports import LOOK_BACK, AssetReportsCollector
from airwarden.exporters.collectors.tagged_dags import TaggedDagsCollector, worth_of
from airwarden.exporters.labels import DagRegistry
from airwarden.exporters.reported import BIRTH, ReportedValues
from support.airflow_rows import AirflowRows, now
from support.families import nonzero

RISK, PROCESSED = "business_revenue_at_risk_dollars", "business_revenue_processed_dollars_total"
TRAINED = "ml_model_last_success_timestamp_seconds"


class Board:
    """Readings, on a clock that tells the real time and moves when a test says so."""

    def __init__(self) -> None:
        self.clock = FakeClock(now())
        self.values = ReportedValues(self.clock)

    def shown(self, name: str) -> dict[tuple[str, ...], float]:
        self.values.families()
        self.clock.advance(BIRTH)
        return nonzero(self.values.families(), name)


@pytest.fixture
def board() -> Board:
    return Board()


def test_trainings_reports_and_revenue_are_counted_as_runs_end(
    rows: AirflowRows, database: PostgresMetadata, registry: DagRegistry, board: Board
) -> None:
    rows.dag("train", "model:fraud")
    rows.dag("board_report", "report:board", "due:2h", "team:finance")
    rows.dag("orders", "value:checkout=1500", "due:1h")
    rows.dag("ordinary")
    earlier = rows.run("train", "success", logical_date=now() - timedelta(days=7))
    rows.run("orders", "failed", logical_date=now() - timedelta(days=1))
    collector = TaggedDagsCollector(database, registry, board.values, board.clock)
    collector.collect()
    assert board.shown("ml_training_runs_total") == {}  # history is not counted
    assert set(board.shown(TRAINED)) == {("fraud",)}
    assert board.shown(RISK) == {("checkout",): 1500}

    trainings = [rows.run("train", logical_date=now() - timedelta(days=n)) for n in (2, 1)]
    late = rows.run("board_report", run_after=now() - timedelta(hours=3))
    timely = rows.run("board_report", run_after=now() - timedelta(hours=1))
    backfill = rows.run("board_report", run_after=now() - timedelta(days=9), run_type="backfill")
    orders = rows.run("orders", logical_date=now())
    ordinary = rows.run("ordinary")
    collector.collect()
    for run in (trainings[0], late, timely, backfill, orders, ordinary):
        rows.end(run)
    rows.end(trainings[1], "failed")
    for _ in range(2):
        collector.collect()
    assert earlier
    assert board.shown("ml_training_runs_total") == {
        ("success", "fraud"): 1,
        ("failed", "fraud"): 1,
    }
    assert board.shown("report_deliveries_total") == {("false", "board"): 1, ("true", "board"): 1}
    assert board.shown("report_delivery_delay_seconds") == {
        ("false", "board"): 1,
        ("true", "board"): 1,
    }
    assert board.shown(PROCESSED) == {("checkout",): 1500}
    assert board.shown(RISK) == {}


def test_revenue_is_at_risk_while_the_latest_run_failed_or_is_late(
    rows: AirflowRows, database: PostgresMetadata, registry: DagRegistry, board: Board
) -> None:
    rows.dag("a", "value:checkout=1000", "due:1h")
    rows.dag("b", "value:checkout=200")
    rows.dag("c", "value:search=50", is_paused=True)
    rows.dag("d", "value:nonsense")
    collector = TaggedDagsCollector(database, registry, board.values, board.clock)
    collector.collect()
    late = rows.run("a", run_after=now() - timedelta(hours=2))
    rows.run("b", run_after=now() - timedelta(hours=2))  # says nothing of when it is due
    failed = rows.run("c")
    collector.collect()
    assert board.shown(RISK) == {("checkout",): 1000}
    rows.end(late)
    rows.end(failed, "failed")  # paused: somebody knows
    rows.end(rows.run("b"), "failed")
    collector.collect()
    assert board.shown(RISK) == {("checkout",): 200}
    rows.connection.execute("DELETE FROM dag_tag")
    collector.collect()
    assert board.shown(RISK) == {}


@pytest.mark.parametrize(
    ("text", "worth"),
    [
        ("checkout=1500", ("checkout", 1500.0)),
        ("a=b=1.5", ("a=b", 1.5)),
        ("checkout", None),
        ("=5", None),
        ("x=-5", None),
        ("x=nan", None),
        ("x=inf", None),
        ("x=much", None),
    ],
)
def test_a_worth_is_a_product_and_dollars(text: str, worth: object) -> None:
    assert worth_of(text) == worth


def updated(rows: AirflowRows, asset: int, extra: Any, **values: Any) -> None:
    rows.insert(
        "asset_event",
        asset_id=asset,
        extra=Json(extra),
        timestamp=now(),
        source_dag_id="loader",
        **values,
    )


def test_what_tasks_report_with_an_asset_is_counted_once(
    rows: AirflowRows, database: PostgresMetadata, registry: DagRegistry, board: Board
) -> None:
    rows.dag("loader", "team:growth")
    asset = rows.insert(
        "asset", name="orders", uri="s3://lake/orders", group="asset", extra=Json({}),
        created_at=now(), updated_at=now(),
    )  # fmt: skip
    before = {"airwarden": {"bytes": 7, "quality": {"validity": 0.5}}}
    updated(rows, asset, before, id=10)
    collector = AssetReportsCollector(database, registry, board.values)
    collector.collect()
    assert board.shown("pipeline_bytes_total") == {}
    assert board.shown("quality_score_ratio") == {("orders", "validity"): 0.5}

    said = {
        "bytes": 4000,
        "bytes_read": 5000,
        "passed": 9,
        "failed": 1,
        "quality": {"validity": 0.9},
    }
    updated(rows, asset, {"airwarden": said, "password": "hunter2"}, id=20)
    updated(rows, asset, {"row_count": 3}, id=21)
    wrongs: tuple[Any, ...] = (
        {"bytes": -1},
        {"colour": 1},
        {"quality": {"validity": 2}},
        [],
        "text",
        None,
    )
    for wrong in wrongs:
        updated(rows, asset, {"airwarden": wrong})
    for _ in range(2):
        collector.collect()
    updated(rows, asset, {"airwarden": {"bytes": 1}}, id=15)  # committed late
    for _ in range(2):
        collector.collect()
    assert board.shown("pipeline_bytes_total") == {
        ("growth", "write"): 4001,
        ("growth", "read"): 5000,
    }
    assert board.shown("quality_checks_total") == {("orders", "passed"): 9, ("orders", "failed"): 1}
    assert board.shown("quality_score_ratio") == {("orders", "validity"): 0.9}
    assert board.shown("events_total") == {("asset", "accepted"): 3, ("asset", "refused"): 6}
    assert LOOK_BACK > 10
