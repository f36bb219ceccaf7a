"""On a fleet that lives, every counter of runs and attempts equals what brute force finds at the end."""

from __future__ import annotations

import pytest

from airwarden.adapters.clock import SystemClock
from airwarden.adapters.metadata_database import PostgresMetadata
from airwarden.exporters.collectors.dag_runs import DagRunsCollector
from airwarden.exporters.labels import DagRegistry
from bench.fleet.mover import Mover, Pace
from bench.fleet.shape import fleet
from bench.fleet.truth import Truth
from support.airflow_rows import AirflowRows, now
from support.exactness import DatabaseFollower, compare
from support.families import nonzero
from support.fleet import SMALL
from support.postgres import Database


def live(database: Database, runs: int, pace: Pace, *, interval: float, within: float) -> None:
    """Let a fleet live while it is followed, and compare every count."""
    truth = Truth(database)
    follower = DatabaseFollower(database, interval)
    mover = Mover(database.dsn, fleet(SMALL), pace)
    try:
        mover.live(runs, within=within)
    finally:
        mover.close()
        families = follower.end()
    ended, attempts = compare(truth, follower, families)
    assert ended.total() >= runs
    assert {labels[0] for labels in attempts} >= {"success", "failed", "up_for_retry", "skipped"}


def test_every_end_is_counted_once_while_a_fleet_lives(small_fleet: Database) -> None:
    pace = Pace(per_day=40 * 86_400, speed=3000, trouble=8, clear_after=1.0)
    live(small_fleet, 150, pace, interval=0.3, within=90)


@pytest.mark.reliability
@pytest.mark.timeout(1800)
def test_every_end_of_10000_runs_is_counted_once(small_fleet: Database) -> None:
    pace = Pace(per_day=60 * 86_400, speed=1000, trouble=4, clear_after=6.0)
    live(small_fleet, 10_000, pace, interval=2.0, within=1500)


def test_a_failure_between_two_looks_in_a_run_of_hours_is_counted_at_the_next(
    rows: AirflowRows, database: PostgresMetadata, registry: DagRegistry
) -> None:
    runs = DagRunsCollector(database, registry, SystemClock())
    dag = rows.dag("orders")
    run = rows.run(dag)
    rows.task(run, "long", "running", start_date=now(), last_heartbeat_at=now())
    runs.collect()
    start = now()
    rows.task(run, "quick", "failed", start_date=start, end_date=now(), last_heartbeat_at=start)
    rows.task(run, "next", "upstream_failed", queued_dttm=None, start_date=start, end_date=start)
    unset = ("unset", "unset")
    assert nonzero(runs.collect(), "task_instances_finished_total") == {
        ("failed", "default", *unset): 1,
        ("upstream_failed", "default", *unset): 1,
    }
