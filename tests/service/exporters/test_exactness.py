"""On a fleet that lives, every counter of runs and attempts equals what brute force finds at the end."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from airwarden.adapters.clock import SystemClock
from airwarden.adapters.metadata_database import PostgresMetadata
from airwarden.exporters.collectors.dag_runs import DagRunsCollector
from airwarden.exporters.families import Bins, Family
from airwarden.exporters.labels import DagLabels, DagRegistry
from bench.fleet.mover import Mover, Pace
from bench.fleet.shape import fleet
from bench.fleet.truth import Truth
from support.airflow_rows import AirflowRows, now
from support.families import nonzero
from support.fleet import SMALL
from support.postgres import Database

Counts = Counter[tuple[str, ...]]


class Follower:
    """The collector, collecting all the time until it is stopped."""

    def __init__(self, database: Database, interval: float) -> None:
        clock = SystemClock()
        self._interval = interval
        self.metadata = PostgresMetadata(database.dsn)
        self.registry = DagRegistry(self.metadata, (), clock)
        self.collector = DagRunsCollector(self.metadata, self.registry, clock)
        self.collector.collect()
        self._stopped = threading.Event()
        self._failures: list[Exception] = []
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    def end(self) -> dict[str, Family]:
        """Stop, collect what is left, and return the families by name."""
        self._stopped.set()
        self._thread.join(30)
        assert self._failures == []
        for _ in range(2):  # a run is settled at the look after its end
            families = self.collector.collect()
        self.labels = self.registry.all()
        self.metadata.close()
        return {family.metric.name.removeprefix("airwarden_"): family for family in families}

    def _loop(self) -> None:
        while not self._stopped.wait(self._interval):
            try:
                self.collector.collect()
            except Exception as error:  # told by the test, not lost with its thread
                self._failures.append(error)
                return


def counts(family: Family) -> Counts:
    found: Counts = Counter()
    for labels, value in family.samples:
        number = value.count if isinstance(value, Bins) else int(value)
        if number:
            found[labels] = number
    return found


def live(database: Database, runs: int, pace: Pace, *, interval: float, within: float) -> None:
    """Let a fleet live while it is followed, and compare every count."""
    truth = Truth(database)
    follower = Follower(database, interval)
    mover = Mover(database.dsn, fleet(SMALL), pace)
    try:
        mover.live(runs, within=within)
    finally:
        mover.close()
        families = follower.end()
    labels = follower.labels
    ended: Counts = Counter()
    by_type: Counts = Counter()
    for (state, dag_id), number in truth.runs().items():
        dag = labels.get(dag_id, DagLabels())
        ended[state, dag.type, dag.tier, dag.team] += number
        by_type[state, dag.type, dag.tier] += number
    told: Counts = Counter()
    for (state, _, *kind), number in counts(families["dag_runs_finished_total"]).items():
        told[state, *kind] += number
    assert told == ended
    assert counts(families["dag_run_duration_seconds"]) == by_type
    assert ended.total() >= runs

    attempts: Counts = Counter()
    for (state, queue, dag_id), number in truth.attempts().items():
        dag = labels.get(dag_id, DagLabels())
        attempts[state, queue, dag.tier, dag.team] += number
    assert counts(families["task_instances_finished_total"]) == attempts
    started = {(queue,): number for queue, number in truth.started().items()}
    assert counts(families["task_instances_started_total"]) == started
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
