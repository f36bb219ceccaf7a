"""Canaries: when each queue last proved to work, by database or by REST, and in no other metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from airwarden.adapters.fakes import FakeAirflow, FakeClock
from airwarden.core.platform import Dag, DagRun
from airwarden.exporters.collectors.canaries import CanariesByRest, CanariesCollector, Success
from airwarden.exporters.labels import DagLabels
from support.families import every

LAST, TOOK, PAUSE = (
    "canary_last_success_timestamp_seconds", "canary_run_duration_seconds", "canary_interval_seconds"
)  # fmt: skip


class Runs:
    """Canaries that a test puts in."""

    def __init__(self) -> None:
        self.canaries: dict[str, DagLabels] = {}
        self.successes: dict[str, Success] = {}

    def dags(self) -> Mapping[str, DagLabels]:
        return self.canaries

    def last(self, dags: Sequence[str]) -> Mapping[str, Success]:
        return {id_: self.successes[id_] for id_ in dags if id_ in self.successes}


def test_the_last_success_stays_known_however_many_runs_fail_after_it() -> None:
    runs = Runs()
    runs.canaries["c"] = DagLabels(canary="gpu", canary_every="5m")
    runs.successes["c"] = Success(100.0, 7.5)
    collector = CanariesCollector(runs)
    collector.collect()
    runs.successes.clear()
    families = collector.collect()
    assert every(families, LAST) == {("gpu",): 100.0}
    assert every(families, TOOK) == {("gpu",): 7.5}
    assert every(families, PAUSE) == {("gpu",): 300.0}
    runs.canaries.clear()
    assert every(collector.collect(), LAST) == {}


def test_a_canary_that_never_came_back_reads_0_and_an_unreadable_pause_is_two_minutes() -> None:
    runs = Runs()
    runs.canaries["c"] = DagLabels(canary="gpu", canary_every="often")
    families = CanariesCollector(runs).collect()
    assert every(families, LAST) == {("gpu",): 0.0}
    assert every(families, TOOK) == {}
    assert every(families, PAUSE) == {("gpu",): 120.0}


def test_of_two_canaries_of_one_queue_the_newer_success_counts() -> None:
    runs = Runs()
    for name, at in (("a", 100.0), ("b", 200.0)):
        runs.canaries[name] = DagLabels(canary="gpu", canary_every="1m")
        runs.successes[name] = Success(at, 1.0)
    assert every(CanariesCollector(runs).collect(), LAST) == {("gpu",): 200.0}


def test_by_rest_where_nothing_else_can_be_read() -> None:
    clock = FakeClock()
    airflow = FakeAirflow(clock)
    tags = ("airwarden-canary", "airwarden-canary:gpu", "airwarden-every:1m")
    airflow.put_dag(Dag("canary", False, tags))
    airflow.put_dag(Dag("asleep", True, ("airwarden-canary", "airwarden-canary:old")))
    airflow.put_dag(Dag("work", False, ("tier:high",)))
    due = clock.now()

    def run(name: str, state: str, after: float, took: float) -> None:
        start: datetime = due + timedelta(seconds=after)
        end = start + timedelta(seconds=took)
        airflow.put_run(DagRun("canary", name, state, "scheduled", start, end, start))

    run("1", "success", 0, 5)
    run("2", "success", 60, 9)
    run("3", "failed", 120, 1)
    families = CanariesCollector(CanariesByRest(airflow)).collect()
    assert every(families, LAST) == {("gpu",): (due + timedelta(seconds=69)).timestamp()}
    assert every(families, TOOK) == {("gpu",): 9.0}
    assert every(families, PAUSE) == {("gpu",): 60.0}
