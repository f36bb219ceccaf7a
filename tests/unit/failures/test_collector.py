"""Each failed attempt is counted once under one cause, with the best evidence to be had in its time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from airwarden.adapters.fakes import FakeAirflow, FakeClock
from airwarden.core.errors import UnavailableError, WrongInputError
from airwarden.core.failures import AttemptKey, Evidence, Raised
from airwarden.core.platform import TaskKey
from airwarden.exporters.collectors import task_failures
from airwarden.exporters.collectors.task_failures import TaskFailuresCollector
from airwarden.exporters.dependency_states import DependencyStates
from airwarden.exporters.failures import book as books
from airwarden.exporters.failures.attempts import Attempt, AttemptsByRest
from airwarden.exporters.failures.book import FailureBook
from airwarden.exporters.failures.classify import Classifier
from airwarden.exporters.failures.desk import FailureDesk
from airwarden.exporters.failures.reports import Reported
from airwarden.exporters.failures.rules import shipped
from airwarden.exporters.failures.tails import LogTails
from airwarden.exporters.families import Family
from airwarden.exporters.labels import DagLabels
from support.families import every, nonzero

CAUSES, EVIDENCE = "task_failures_total", "task_failures_by_evidence_total"
KEY_ERROR = (
    b'{"event": "Task failed with exception",'
    b' "error_detail": [{"exc_type": "KeyError", "exc_value": "x", "frames": []}]}'
)


@dataclass
class World:
    """A collector on fakes."""

    per_minute: int = 30
    clock: FakeClock = field(default_factory=FakeClock)
    came: list[Attempt] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.airflow = FakeAirflow(self.clock)
        self.book = FailureBook(self.clock)
        self.states = DependencyStates(self.clock)
        self.tails: LogTails | None = LogTails(
            self.airflow, self.clock, per_minute=self.per_minute, most=100_000
        )
        self.made: TaskFailuresCollector | None = None

    def read(self) -> Sequence[Attempt]:
        came, self.came = self.came, []
        return came

    def fail(
        self, number: int = 1, *, tier: str = "low", task: str = "t", log: bytes | None = KEY_ERROR,
        events: Sequence[str] = (), dag: DagLabels | None = None,
    ) -> AttemptKey:  # fmt: skip
        key = AttemptKey("d", f"run-{number}", task, -1, 1)
        labels = dag or DagLabels(tier, "a")
        attempt = Attempt(
            key, self.clock.now(), labels, "PythonOperator", "w1", True, frozenset(events)
        )
        self.came.append(attempt)
        if log is not None:
            self.airflow.put_log(TaskKey("d", key.run_id, task), 1, log)
        return key

    def report(self, key: AttemptKey, cls: str = "builtins.ConnectionRefusedError") -> None:
        evidence = Evidence("listener", (Raised((cls, "builtins.OSError")),), connections=("db",))
        self.book.report(Reported("", key, evidence))

    def collect(self, after: float = 0.0) -> Sequence[Family]:
        self.clock.advance(after)
        if self.made is None:
            classifier = Classifier((), shipped())
            self.made = TaskFailuresCollector(
                self, classifier, self.book, self.tails, self.states, self.clock
            )
        return self.made.collect()


def test_the_end_of_the_log_tells_where_no_listener_does() -> None:
    world = World()
    world.fail()
    families = world.collect()
    assert nonzero(families, CAUSES) == {("dag_code", "low", "a"): 1}
    assert nonzero(families, EVIDENCE) == {("log",): 1}
    assert nonzero(families, "log_tails_total") == {("read",): 1}
    assert every(families, "task_failures_known_ratio") == {(): 1.0}
    assert nonzero(world.collect(), CAUSES) == {("dag_code", "low", "a"): 1}


def test_a_report_goes_before_the_log_and_names_the_connection() -> None:
    world = World()
    world.report(world.fail())
    families = world.collect()
    assert nonzero(families, CAUSES) == {("dependency", "low", "a"): 1}
    assert nonzero(families, EVIDENCE) == {("listener",): 1}
    assert nonzero(families, "connection_failures_total") == {("db",): 1}
    assert nonzero(families, "log_tails_total") == {}
    (kept,) = world.book.find("d", "t")
    assert kept.connections == ("db",)


def test_where_a_listener_works_its_word_is_waited_for_before_a_log_is_read() -> None:
    world = World()
    world.report(AttemptKey("d", "another", "t", -1, 1))
    key = world.fail()
    assert nonzero(world.collect(), CAUSES) == {}
    world.report(key)
    assert nonzero(world.collect(10), EVIDENCE) == {("listener",): 1}
    world.fail(2)
    world.collect()
    assert nonzero(world.collect(task_failures.GRACE + 1), EVIDENCE) == {
        ("listener",): 1,
        ("log",): 1,
    }


def test_what_the_audit_log_says_is_enough() -> None:
    world = World()
    world.fail(events=["heartbeat timeout"], log=None)
    families = world.collect()
    assert nonzero(families, CAUSES) == {("infrastructure", "low", "a"): 1}
    assert nonzero(families, EVIDENCE) == {("audit_log",): 1}


def test_logs_are_read_at_their_rate_the_highest_tier_and_the_newest_first() -> None:
    world = World(per_minute=2)
    for number, tier in enumerate(("low", "critical", "low", "critical", "high")):
        world.clock.advance(1)
        world.fail(number, tier=tier, task=f"t{number}")
    families = world.collect()
    assert nonzero(families, "log_tails_total") == {("read",): 2}
    assert nonzero(families, CAUSES) == {("dag_code", "critical", "a"): 2}
    assert every(families, "task_failures_undecided") == {(): 3}
    assert ("dag_code", "high", "a") in nonzero(world.collect(30), CAUSES)


def test_one_log_stands_for_others_of_the_same_task() -> None:
    world = World(per_minute=1)
    for number in range(50):
        world.fail(number)
    world.collect()
    families = world.collect(61)
    assert nonzero(families, CAUSES) == {("dag_code", "low", "a"): 50}
    assert nonzero(families, EVIDENCE) == {("log",): 1, ("sample",): 49}
    assert nonzero(families, "log_tails_total") == {("read",): 1}


def test_what_nothing_tells_is_unknown_after_its_wait_and_not_before() -> None:
    world = World()
    world.tails = None
    world.fail()
    assert nonzero(world.collect(), CAUSES) == {}
    families = world.collect(task_failures.GRACE + 1)
    assert nonzero(families, CAUSES) == {("unknown", "low", "a"): 1}
    assert nonzero(families, EVIDENCE) == {("none",): 1}
    assert every(families, "task_failures_known_ratio") == {(): 0.0}


def test_an_api_that_does_not_answer_costs_one_request_and_no_attempt() -> None:
    world = World()
    for number in range(5):
        world.fail(number, task=f"t{number}")
    world.airflow.break_with(UnavailableError("gone"))
    families = world.collect()
    assert nonzero(families, "log_tails_total") == {("failed",): 1}
    assert every(families, "task_failures_undecided") == {(): 5}
    world.airflow.break_with(None)
    assert nonzero(world.collect(), CAUSES) == {("dag_code", "low", "a"): 5}


def test_a_log_beyond_the_limit_is_not_taken_for_its_end() -> None:
    world = World()
    world.fail(log=KEY_ERROR + b"\n" + b"x" * 200_000)
    families = world.collect()
    assert nonzero(families, "log_tails_total") == {("too_long",): 1}
    assert nonzero(families, CAUSES) == {("unknown", "low", "a"): 1}


def test_a_dependency_that_was_down_explains_what_nothing_else_does() -> None:
    world = World()
    world.states.note({"billing-api": False, "other": True})
    world.fail(dag=DagLabels("high", "a", depends=("billing-api",)), log=b"")
    families = world.collect()
    assert nonzero(families, CAUSES) == {("dependency", "high", "a"): 1}
    assert nonzero(families, EVIDENCE) == {("dependency",): 1}


def test_canaries_do_not_count() -> None:
    world = World()
    world.fail(dag=DagLabels(canary="default"))
    assert nonzero(world.collect(100), CAUSES) == {}


def test_too_many_at_once_are_decided_without_waiting_the_least_important_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(task_failures, "MOST_WAITING", 3)
    world = World()
    world.tails = None
    for number in range(5):
        world.fail(number, tier="critical" if number < 2 else "low")
    families = world.collect()
    assert nonzero(families, CAUSES) == {("unknown", "low", "a"): 2}
    assert every(families, "task_failures_undecided") == {(): 3}


def test_reports_without_an_attempt_and_verdicts_stay_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(books, "MOST_WAITING", 10)
    world = World()
    for number in range(50):
        world.report(AttemptKey("d", f"r{number}", "t", -1, 1))
    assert world.book.counts() == {"accepted": 50, "dropped": 40}
    assert world.book.take(AttemptKey("d", "r49", "t", -1, 1)) is not None
    assert world.book.take(AttemptKey("d", "r1", "t", -1, 1)) is None
    for number in range(books.MOST_KEPT + 100):
        world.fail(number, events=["heartbeat timeout"], log=None)
    world.collect()
    assert len(world.book.find(limit=10_000)) == books.MOST_KEPT


def test_by_rest_each_attempt_is_given_once_and_none_from_before() -> None:
    clock = FakeClock()
    airflow = FakeAirflow(clock)
    attempts = AttemptsByRest(airflow, (), clock)
    airflow.put_task(TaskKey("d", "r", "before"), "failed", try_number=3, operator="BashOperator")
    assert attempts.read() == []
    clock.advance(10)
    airflow.put_task(TaskKey("d", "r", "t"), "up_for_retry", try_number=1, operator="BashOperator")
    (first,) = attempts.read()
    assert (first.key.try_number, first.final, first.operator) == (1, False, "BashOperator")
    clock.advance(10)
    assert attempts.read() == []
    airflow.put_task(TaskKey("d", "r", "t"), "failed", try_number=2)
    (second,) = attempts.read()
    assert (second.key.try_number, second.final) == (2, True)


class TestDesk:
    def desk(self) -> tuple[FailureDesk, World]:
        world = World()
        desk = FailureDesk(world.clock)
        world.book = desk.book("prod")
        return desk, world

    def test_a_listing_shows_cause_and_evidence_the_newest_first(self) -> None:
        desk, world = self.desk()
        world.report(world.fail(1))
        world.clock.advance(60)
        world.fail(2, task="other", events=["state mismatch"], log=None)
        world.collect()
        newest, first = desk.listing({})
        assert (newest["task_id"], newest["cause"]) == ("other", "infrastructure")
        assert newest["evidence"]["event"] == "state mismatch"
        assert first["cluster"] == "prod"
        assert first["evidence"]["exception"] == "builtins.ConnectionRefusedError"
        assert first["evidence"]["connections"] == ["db"]
        assert [one["task_id"] for one in desk.listing({"task": "t"})] == ["t"]
        assert [one["task_id"] for one in desk.listing({"cause": "infrastructure"})] == ["other"]
        assert len(desk.listing({"limit": "1"})) == 1
        assert json.dumps(newest)

    @pytest.mark.parametrize("query", [{"dagg": "d"}, {"limit": "all"}, {"cluster": "other"}])
    def test_a_question_that_cannot_be_answered_is_told(self, query: dict[str, str]) -> None:
        desk, _ = self.desk()
        with pytest.raises(WrongInputError):
            desk.listing(query)

    def test_a_report_finds_its_cluster(self) -> None:
        desk, world = self.desk()
        body = {"form": 1, "dag_id": "d", "run_id": "r", "task_id": "t", "try_number": 1}
        desk.report(json.dumps(body).encode())
        desk.book("test")
        desk.report(json.dumps({**body, "cluster": "prod"}).encode())
        assert world.book.counts()["accepted"] == 2
        for cluster in ("", "nowhere"):
            with pytest.raises(WrongInputError, match="clusters prod, test"):
                desk.report(json.dumps({**body, "cluster": cluster}).encode())
        desk.keep(["test"])
        assert desk.book("prod").counts()["accepted"] == 0
