"""Every attempt's start and end is counted once; what never ran has neither start nor duration."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airwarden.exporters.follow_tasks import CLOCKS, REMEMBER, WIDE, Attempt, TaskFollower

T0 = datetime(2026, 1, 5, tzinfo=UTC)


def attempt(
    id_: str,
    state: str | None,
    *,
    queued: float | None = 0.0,
    start: float | None = None,
    end: float | None = None,
    history: bool = False,
    retriable: bool = True,
    inherited: bool = False,
    scheduled: float | None = None,
    number: int = 1,
) -> Attempt:
    def at(seconds: float | None) -> datetime | None:
        return None if seconds is None else T0 + timedelta(seconds=seconds)

    times = at(start), at(end), at(queued)
    kinds = history, retriable, inherited
    return Attempt(
        id_, 1, "dag", state, "default", *times, *kinds,
        scheduled_dttm=at(scheduled), try_number=number,
    )  # fmt: skip


def ids(attempts: list[Attempt]) -> list[str]:
    return [a.id for a in attempts]


def test_start_and_end_of_an_attempt_are_taken_once() -> None:
    follower = TaskFollower()
    running = attempt("a", "running", start=3)
    done = attempt("a", "success", start=3, end=10)

    assert [ids(x) for x in follower.take([running])] == [["a"], []]
    assert [ids(x) for x in follower.take([done])] == [[], ["a"]]
    assert [ids(x) for x in follower.take([done])] == [[], []]
    assert (done.queue_wait, done.duration) == (3.0, 7.0)


def test_a_retry_is_another_attempt_and_keeps_the_old_ones_start_out() -> None:
    follower = TaskFollower()
    follower.take([attempt("a", "running", start=3)])
    old = attempt("a", "failed", start=3, end=10, history=True)
    waiting = attempt("b", "up_for_retry", start=3, end=10, inherited=True)
    started, ended = follower.take([old, waiting])
    assert (ids(started), ids(ended)) == ([], ["a"])
    assert ended[0].outcome == "up_for_retry"

    final = attempt("b", "failed", queued=20, start=21, end=30)
    started, ended = follower.take([old, final])
    assert (ids(started), ids(ended), ended[0].outcome) == (["b"], ["b"], "failed")


@pytest.mark.parametrize("state", ["skipped", "upstream_failed", "removed"])
def test_what_never_ran_has_no_start_and_no_duration(state: str) -> None:
    follower = TaskFollower()
    started, ended = follower.take([attempt("a", state, queued=None, start=5, end=5)])
    assert (ids(started), ids(ended)) == ([], ["a"])
    assert (ended[0].duration, ended[0].queue_wait) == (None, None)


def test_a_task_failed_while_queued_did_not_start_though_it_has_the_start_of_the_try_before() -> (
    None
):
    failed = attempt("b", "failed", queued=20, start=3, end=25, inherited=True)
    started, ended = TaskFollower().take([failed])
    assert (started, ids(ended), ended[0].duration) == ([], ["b"], None)


def test_a_task_that_went_on_after_a_deferral_ran_all_the_time_and_waited_in_no_queue() -> None:
    done = attempt("a", "success", queued=100, start=3, end=110)
    started, ended = TaskFollower().take([done])
    assert (ids(started), ids(ended)) == (["a"], ["a"])
    assert (done.duration, done.queue_wait) == (107.0, None)


def test_a_last_try_that_was_cleared_before_anybody_saw_it_is_no_retry() -> None:
    cleared = attempt("a", "failed", start=1, end=2, history=True, retriable=False)
    assert cleared.outcome == "failed"


def test_what_was_there_at_the_start_is_not_counted() -> None:
    follower = TaskFollower()
    old = [attempt("a", "success", start=1, end=2), attempt("b", "running", start=1)]
    follower.baseline(old, before=lambda _: None)
    started, ended = follower.take([old[0], attempt("b", "failed", start=1, end=9)])
    assert (started, ids(ended)) == ([], ["b"])


def test_of_a_cleared_run_only_what_ended_after_the_clear_is_new() -> None:
    follower = TaskFollower()
    rows = [attempt("a", "success", start=1, end=2), attempt("b", "success", start=90, end=99)]
    follower.baseline(rows, before=lambda _: T0 + timedelta(seconds=50))
    _, ended = follower.take(rows)
    assert ids(ended) == ["b"]


def test_a_settled_run_is_forgotten_after_an_hour_and_not_before() -> None:
    follower = TaskFollower()
    done = attempt("a", "success", start=1, end=2)
    follower.take([done])
    follower.settle([1], 0.0)
    follower.settle([], REMEMBER)
    assert follower.take([done]) == ([], [])
    follower.settle([], REMEMBER + 1)
    assert not follower.knows(1)


def test_a_run_that_was_cleared_is_remembered_while_it_is_open() -> None:
    follower = TaskFollower()
    follower.take([attempt("a", "success", start=1, end=2)])
    follower.settle([1], 0.0)
    follower.reopen([1])
    follower.settle([], 2 * REMEMBER)
    assert follower.knows(1)


def test_of_a_wide_run_only_what_changed_lately_is_read_again() -> None:
    follower = TaskFollower()
    assert follower.plan([1], 0.0, settle=[2]).whole == [2, 1]
    follower.take([attempt(str(n), "success", start=1, end=2) for n in range(WIDE)], 10.0)
    reading = follower.plan([1], 15.0, settle=[])
    assert (reading.whole, reading.recent, reading.lookback) == ([], [1], 5.0 + CLOCKS)
    assert follower.plan([1], 15.0, settle=[1]).whole == [1]


def test_how_long_it_was_scheduled_is_told_where_that_is_known_and_it_did_not_go_on_after_a_deferral() -> (
    None
):
    began = attempt("a", "running", scheduled=-20, queued=0, start=3)
    assert (began.schedule_wait, began.queue_wait) == (20.0, 3.0)
    assert attempt("a", "running", queued=0, start=3).schedule_wait is None  # Airflow 2
    assert attempt("a", "running", scheduled=1, queued=0, start=3).schedule_wait == 0.0
    assert attempt("a", "running", scheduled=80, queued=90, start=3).schedule_wait is None
    assert attempt("a", "queued", scheduled=-20, queued=0).schedule_wait is None


def test_the_attempts_that_a_task_took_are_those_of_its_last_one() -> None:
    def last(
        state: str | None, number: int, *, history: bool = False, more: bool = True
    ) -> int | None:
        one = attempt("a", state, start=3, end=4, history=history, retriable=more, number=number)
        return one.needed

    assert last("failed", 1, history=True) is None
    assert last("success", 2) == 2
    assert last("failed", 3) == 3
    assert last("failed", 3, history=True, more=False) == 3
    for state in ("running", "skipped", "upstream_failed", "removed", None):
        assert last(state, 2) is None
