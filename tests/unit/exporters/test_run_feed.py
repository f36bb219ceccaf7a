"""What a feed reads again: what the scheduler alone ends is never under way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from airwarden.adapters.fakes import FakeClock
from airwarden.core.platform import DatabaseSession
from airwarden.exporters.run_feed import RunFeed, TaskFeed

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
RUN = {
    "id": 1, "dag_id": "orders", "state": "running", "run_type": "scheduled", "run_after": NOW,
    "queued_at": NOW, "start_date": NOW, "end_date": None, "clear_number": 0,
}  # fmt: skip


class OneRun:
    """A `MetadataDatabase` with one open run of two tasks, the second of which nobody runs."""

    def __init__(self) -> None:
        self.states: dict[str, str | None] = {"first": "running", "second": None}
        self.reads = 0

    def rows(self, query: str, **parameters: Any) -> Sequence[Mapping[str, Any]]:
        if query == "recent_run_ids":
            return [{"id": 1}]
        if query in ("open_runs", "runs"):
            return [RUN]
        if query == "open_run_ids":
            return [{"running": "1", "queued": None, "now": NOW}]
        if query == "live_task_ids":
            ended = "first" if self.states["first"] == "success" else None
            running = "first" if self.states["first"] == "running" else None
            return [{"state": "running", "ids": running}, {"state": "ended", "ids": ended}]
        if query == "runs_of_tasks":
            return [{"id": 1}]
        if query == "tasks_of_runs":
            self.reads += 1
            assert parameters["settle"] == [1]
            return [self._task(id_, state) for id_, state in self.states.items()]
        assert query in ("rerun_runs", "new_runs"), query
        return []

    @staticmethod
    def _task(id_: str, state: str | None) -> Mapping[str, Any]:
        ran = id_ == "first"
        return {
            "id": id_, "run": 1, "dag_id": "orders", "state": state, "queue": "default",
            "start_date": NOW if ran else None, "end_date": NOW if state == "success" else None,
            "queued_dttm": NOW if ran else None, "history": False, "retriable": True, "inherited": False,
            "scheduled_dttm": NOW if ran else None, "pool": "default_pool", "try_number": 1,
        }  # fmt: skip

    def probe(self) -> float:
        return 0.0

    def sessions(self) -> Sequence[DatabaseSession]:
        return ()


def test_what_a_busy_scheduler_skips_a_minute_later_is_counted_while_the_run_is_open() -> None:
    clock, database = FakeClock(), OneRun()
    runs = RunFeed(database, clock)
    tasks = TaskFeed(database, clock, runs)
    runs.begin()
    tasks.begin()

    def look() -> list[str]:
        clock.advance(5)
        runs.take(runs.read())
        begun, attempts = tasks.read()
        return [f"{attempt.id} {attempt.state}" for attempt in tasks.take(begun, attempts)[1]]

    assert look() == []
    database.states["first"] = "success"
    assert look() == ["first success"]
    assert [look() for _ in range(8)] == [[]] * 8
    database.states["second"] = "skipped"
    found = [look() for _ in range(4)]
    assert [one for one in found if one] == [["second skipped"]]

    for _ in range(40):
        look()
    reads = database.reads
    for _ in range(40):
        assert look() == []
    assert database.reads == reads, "a run in which nothing happens is left alone in the end"
