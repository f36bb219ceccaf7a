"""The age of open runs is told from who follows them; who follows nobody is asked instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airwarden.adapters.fakes import FakeClock
from airwarden.core.platform import DatabaseSession
from airwarden.exporters.collectors.late_runs import LateRunsCollector
from airwarden.exporters.follow_runs import Run
from airwarden.exporters.labels import DagRegistry
from airwarden.exporters.open_runs import STALE, OpenRuns
from support.families import every

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
DAGS = {"orders": ("tier:high", False), "off": ("tier:low", True)}


class Database:
    """A `MetadataDatabase` with two DAGs, that says how often it was asked for ages."""

    def __init__(self) -> None:
        self.asked = 0

    def rows(self, query: str, **parameters: Any) -> Sequence[Mapping[str, Any]]:
        if query == "dags_digest":
            return [{"digest": 1}]
        if query == "dags":
            return [
                {"dag_id": dag, "is_paused": paused, "is_stale": False, "tags": [tier]}
                for dag, (tier, paused) in DAGS.items()
            ]
        if query == "open_run_ages":
            self.asked += 1
            return [{"dag_id": "orders", "state": "running", "age": 7.0}]
        assert query == "overdue_runs", query
        return []

    def probe(self) -> float:
        return 0.0

    def sessions(self) -> Sequence[DatabaseSession]:
        return ()


def run(number: int, dag: str, state: str, seconds: float) -> Run:
    since = NOW - timedelta(seconds=seconds)
    start = since if state == "running" else None
    return Run(number, dag, state, "scheduled", since, since, start, None)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def ages(collector: LateRunsCollector) -> dict[tuple[str, ...], float]:
    found = every(collector.collect(), "dag_run_oldest_age_seconds")
    return {labels: age for labels, age in found.items() if age}


def test_the_oldest_of_those_that_are_followed_counts_by_the_clock_of_the_database(
    clock: FakeClock,
) -> None:
    database, followed = Database(), OpenRuns(clock)
    collector = LateRunsCollector(database, DagRegistry(database, (), clock), followed)
    assert ages(collector) == {("running", "high"): 7.0}
    runs = [
        run(1, "orders", "running", 60), run(2, "orders", "running", 90), run(3, "orders", "queued", 5),
        run(4, "off", "queued", 900), run(5, "gone", "queued", 900), run(6, "off", "running", 40),
    ]  # fmt: skip
    followed.note(runs, NOW)
    clock.advance(10)
    assert ages(collector) == {
        ("running", "high"): 100.0, ("queued", "high"): 15.0, ("running", "low"): 50.0,
    }  # fmt: skip
    assert database.asked == 1


def test_nothing_is_told_of_runs_that_nobody_follows_any_more(clock: FakeClock) -> None:
    database, followed = Database(), OpenRuns(clock)
    collector = LateRunsCollector(database, DagRegistry(database, (), clock), followed)
    followed.note([run(1, "orders", "running", 60)], NOW)
    followed.note([run(1, "orders", "running", 999)], None)
    assert ages(collector) == {("running", "high"): 60.0}
    clock.advance(STALE + 1)
    assert ages(collector) == {("running", "high"): 7.0}
