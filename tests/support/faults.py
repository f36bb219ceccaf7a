"""Faults made on purpose in a filled fleet: what an alert or a panel needs to have something to show."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg

from airwarden.exporters.events import EVENTS
from airwarden.exporters.failures.door import FAILURES
from support.airflow_rows import AirflowRows, now
from support.dashboards import VARIABLES
from support.deliveries import alert, webhook
from support.eventually import eventually
from support.filled import PROMISED_ASSET, Filled
from support.postgres import Database
from support.remediator import Running

#: The DAG that somebody has chosen on a dashboard: critical, and of a promised age.
CHOSEN = VARIABLES["$dag"]
ORDINARY, SOUND = "ordinary-1", "sound-1"
#: Runs that fail one after the other: from so many on a critical DAG is a page, unless its whole team fails.
STREAK = 3
#: So many of its team's end well meanwhile.
_WELL = 20
#: Alerts within a minute: too many to be treated one by one.
_STORM = 60


def make_dags(database: Database) -> None:
    """Add DAGs, each with a run that succeeded, and an asset: to be there at the exporter's first look."""
    rows = AirflowRows(database)
    rows.dag(CHOSEN, "tier:critical", "team:chosen", "sla:1h")
    rows.dag(SOUND, "tier:medium", "team:chosen")
    rows.dag(ORDINARY, "tier:medium", "team:ordinary")
    rows.dag("canary-1", "airwarden-canary", "airwarden-canary:default", "airwarden-every:1m")
    for dag in (CHOSEN, SOUND, ORDINARY, "canary-1"):
        due = now() - timedelta(minutes=2)
        rows.run(dag, "success", logical_date=due, run_after=due, start_date=due)
    asset = rows.insert(
        "asset", name=PROMISED_ASSET, uri=f"s3://{PROMISED_ASSET}", group="asset", extra="{}",
        created_at=now(), updated_at=now(),
    )  # fmt: skip
    rows.insert(
        "task_outlet_asset_reference", asset_id=asset, dag_id=ORDINARY, task_id="t",
        created_at=now(), updated_at=now(),
    )  # fmt: skip
    rows.insert("asset_event", asset_id=asset, extra="{}", timestamp=now())
    rows.insert(
        "dag_warning", dag_id=ORDINARY, warning_type="non-existent pool", message="x", timestamp=now()
    )  # fmt: skip
    # As autovacuum does in its own time.
    rows.connection.execute("VACUUM dag")
    rows.close()


@contextmanager
def forgotten_slot(database: Database) -> Iterator[None]:
    """A replication slot that nobody reads: it keeps the database's log."""
    database.execute("SELECT pg_create_physical_replication_slot('forgotten', true)")
    try:
        yield
    finally:
        database.execute("SELECT pg_drop_replication_slot('forgotten')")


def go_wrong(world: Filled, database: Database, session: psycopg.Connection[Any]) -> None:
    """Let go wrong what can: after the exporter's first look, since what failed before is not counted.

    Args:
        world: What is to notice.
        database: The fleet's.
        session: Of somebody who forgets to end a transaction, with what it holds.
    """
    session.execute("SELECT pg_advisory_xact_lock(2)")
    rows = AirflowRows(database)
    for _ in range(_WELL):
        rows.end(rows.run(SOUND))
    for dag in (CHOSEN, ORDINARY):
        for _ in range(STREAK):
            run = rows.run(dag)
            _fail_for_want_of_a_connection(world, rows, dag, run)
            rows.end(run, "failed")
    since = now() - timedelta(minutes=1)
    rows.run(CHOSEN, "queued", logical_date=since, run_after=since, queued_at=since)
    rows.close()
    world.post(EVENTS, _events())
    _let_remedies_be_tried(world.remediator)


def _let_remedies_be_tried(remediator: Running) -> None:
    """One remedy is refused, since its alert is over; one is of no help; one heals; and then there is a storm."""
    machine = remediator.machine
    machine.healthy = machine.heals = False
    _fire(remediator, "over", shown=False)
    _await(remediator, "airwarden_guard_blocks_total")
    _fire(remediator, "stubborn", shown=True)
    _await(remediator, "airwarden_breaker_state")
    machine.heals = True
    _fire(remediator, "one", shown=True)
    _await(remediator, "airwarden_time_to_heal_seconds_count")
    everything = [alert(name=f"machine-{number}", starts=now()) for number in range(_STORM)]
    remediator.webhook(webhook(*everything)).raise_for_status()


def _await(remediator: Running, name: str) -> None:
    eventually(
        lambda: any(series.startswith(name) for series in remediator.metrics()),
        within=60,
        what=name,
    )


def _fire(remediator: Running, name: str, *, shown: bool) -> None:
    """Post an alert that Alertmanager still shows, or no longer."""
    one = alert(name=name, starts=now())
    if shown:
        remediator.alertmanager.shown.append(one)
    remediator.webhook(webhook(one)).raise_for_status()


def _fail_for_want_of_a_connection(world: Filled, rows: AirflowRows, dag: str, run: int) -> None:
    """A task fails: its listener says why, then Airflow writes it down."""
    rows.task(run, "t", "failed", start_date=now(), end_date=now(), operator="PythonOperator")
    refused = {"classes": ["builtins.ConnectionRefusedError", "builtins.OSError"]}
    report = {
        "form": 1, "dag_id": dag, "run_id": f"run_{run}", "task_id": "t", "try_number": 1,
        "exceptions": [refused], "connections": ["warehouse"],
    }  # fmt: skip
    world.post(FAILURES, report)
    rows.connection.execute(
        "INSERT INTO log (dttm, dag_id, run_id, task_id, map_index, event, try_number)"
        " VALUES (now(), %s, %s, 't', -1, 'failed', 1)",
        [dag, f"run_{run}"],
    )


def _events() -> list[dict[str, object]]:
    """One of each kind, and of each outcome."""
    said: list[dict[str, object]] = [
        {"kind": "revenue_at_risk", "product": "checkout", "dollars": 1500},
        {"kind": "revenue_processed", "product": "checkout", "dollars": 200},
        {"kind": "model_training", "model": "fraud", "outcome": "success"},
        {"kind": "model_training", "model": "fraud", "outcome": "failed"},
        {"kind": "report_delivery", "report_group": "board", "delay_seconds": -60},
        {"kind": "report_delivery", "report_group": "board", "delay_seconds": 3600},
        {"kind": "user_satisfaction", "team": "team_01", "score": 4.1, "responses": 12},
        {"kind": "quality_score", "dataset": "orders", "dimension": "validity", "score": 0.5},
        {"kind": "quality_checks", "dataset": "orders", "passed": 8, "failed": 1},
        {"kind": "bytes_processed", "team": "team_01", "direction": "write", "bytes": 2 * 10**12},
        {"kind": "cost", "team": "team_01", "dollars": 24, "dollars_per_terabyte": 12},
    ]
    return [{"id": f"{one['kind']}-{number}", **one} for number, one in enumerate(said)]
