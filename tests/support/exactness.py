"""Following a fleet that lives, and comparing every count with what brute force finds at the end."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

from airwarden.adapters.clock import SystemClock
from airwarden.adapters.metadata_database import PostgresMetadata
from airwarden.exporters.collectors.dag_runs import DagRunsCollector
from airwarden.exporters.families import Bins, Family
from airwarden.exporters.labels import DagLabels, DagRegistry
from bench.fleet.truth import Truth
from support.eventually import eventually
from support.postgres import Database

Counts = Counter[tuple[str, ...]]


class Follower:
    """A collector, collecting all the time until it is stopped."""

    def __init__(self, collector: DagRunsCollector, registry: DagRegistry, interval: float) -> None:
        self._interval = interval
        self.registry = registry
        self.collector = collector
        self.collector.collect()
        self._looks = 0
        self._stopped = threading.Event()
        self._failures: list[Exception] = []
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    def catch_up(self, within: float) -> None:
        """Wait until a collect that begins from now on has ended: what has happened by now is seen."""
        seen = self._looks + 2
        eventually(lambda: self._looks >= seen or bool(self._failures), within=within)

    def end(self) -> dict[str, Family]:
        """Stop, collect what is left, and return the families by name."""
        self._stopped.set()
        self._thread.join(60)
        assert self._failures == []
        for _ in range(2):  # a run is settled at the look after its end
            families = self.collector.collect()
        self.labels = self.registry.all()
        return {family.metric.name.removeprefix("airwarden_"): family for family in families}

    def _loop(self) -> None:
        while not self._stopped.wait(self._interval):
            try:
                self.collector.collect()
                self._looks += 1
            except Exception as error:  # told by the test, not lost with its thread
                self._failures.append(error)
                return


class DatabaseFollower(Follower):
    """Follows the metadata database."""

    def __init__(self, database: Database, interval: float) -> None:
        clock = SystemClock()
        self.metadata = PostgresMetadata(database.dsn)
        registry = DagRegistry(self.metadata, (), clock)
        super().__init__(DagRunsCollector(self.metadata, registry, clock), registry, interval)

    def end(self) -> dict[str, Family]:
        """Stop, and close the connections."""
        families = super().end()
        self.metadata.close()
        return families


def counts(family: Family) -> Counts:
    """Return a counter's values, or the counts of a histogram, without those that are 0."""
    found: Counts = Counter()
    for labels, value in family.samples:
        number = value.count if isinstance(value, Bins) else int(value)
        if number:
            found[labels] = number
    return found


def same(told: Counts, true: Counts) -> None:
    """Assert that two counts are equal, and name only what differs."""
    more, fewer = told - true, true - told
    assert (more, fewer) == (Counter(), Counter()), f"too many: {more}; too few: {fewer}"


def between(least: Counts, told: Counts, most: Counts) -> None:
    """Assert that everything that is sure was counted, and nothing that never was."""
    missed, invented = least - told, told - most
    assert (missed, invented) == (Counter(), Counter()), f"missed: {missed}; invented: {invented}"


def compare(
    truth: Truth, follower: Follower, families: Mapping[str, Family]
) -> tuple[Counts, Counts]:
    """Compare every count; return what ended, runs and attempts."""
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
    same(told, ended)
    same(counts(families["dag_run_duration_seconds"]), by_type)

    attempts: Counts = Counter()
    for (state, queue, dag_id), number in truth.attempts().items():
        dag = labels.get(dag_id, DagLabels())
        attempts[state, queue, dag.tier, dag.team] += number
    same(counts(families["task_instances_finished_total"]), attempts)
    begun, queued, by_pool, scheduled = (Counter[tuple[str, ...]]() for _ in range(4))
    for one in truth.started():
        begun[one.queue,] += one.number
        queued[one.queue,] += one.number * one.queued
        by_pool[one.pool,] += one.number
        scheduled[one.pool,] += one.number * one.scheduled
    same(counts(families["task_instances_started_total"]), begun)
    between(queued, counts(families["task_queue_wait_seconds"]), begun)
    between(scheduled, counts(families["task_schedule_wait_seconds"]), by_pool)
    last: Counts = Counter()
    for (state, _, tier, _), number in attempts.items():
        if state in ("success", "failed"):
            last[(tier,)] += number
    same(counts(families["task_attempts"]), last)
    return ended, attempts
