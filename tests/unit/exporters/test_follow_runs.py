"""Every completion of a run is counted once, whatever the order in which transactions commit."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from airwarden.exporters.follow_runs import GIVE_UP, MAX_MISSING, Run, RunFollower

T0 = datetime(2026, 1, 5, tzinfo=UTC)


def run(id_: int, state: str = "running", start: datetime | None = T0) -> Run:
    end = T0 + timedelta(minutes=1) if state in ("success", "failed") else None
    return Run(id_, f"dag{id_}", state, "scheduled", T0, T0, start, end)


@dataclass
class Table:
    """A `dag_run` table, and one look at it as the collector does."""

    rows: dict[int, Run] = field(default_factory=dict)
    finished: list[int] = field(default_factory=list)
    started: list[int] = field(default_factory=list)
    reopened: list[int] = field(default_factory=list)

    def begin(self, follower: RunFollower) -> None:
        follower.begin(sorted(self.rows), self._open(), 0.0)

    def look(self, follower: RunFollower, now: float = 1.0) -> None:
        new = [r for r in self.rows.values() if r.id > follower.last_id or r.id in follower.missing]
        seen = follower.observe(new, self._open(), now)
        settled = follower.settle(seen.ended, [r for i, r in self.rows.items() if i in seen.ended])
        self.finished += [r.id for r in (*seen.finished, *settled)]
        self.started += [r.id for r in seen.started]
        self.reopened += [r.id for r in seen.reopened]

    def put(self, *runs: Run) -> None:
        self.rows |= {r.id: r for r in runs}

    def _open(self) -> list[Run]:
        return [r for r in self.rows.values() if r.is_open]


def test_what_ended_before_the_start_is_not_counted_and_what_ends_later_is_once() -> None:
    table, follower = Table(), RunFollower()
    table.put(run(1, "success"), run(2), run(3, "queued", None))
    table.begin(follower)
    table.look(follower)
    assert table.finished == []

    table.put(run(2, "failed"))
    for _ in range(3):
        table.look(follower)
    assert table.finished == [2]


def test_a_run_that_begins_and_ends_between_two_looks_is_counted() -> None:
    table, follower = Table(), RunFollower()
    table.begin(follower)
    table.put(run(1, "success"))
    table.look(follower)
    table.look(follower)
    assert (table.started, table.finished) == ([1], [1])


def test_a_leap_of_the_sequence_costs_no_more_than_the_ids_that_are_asked_for() -> None:
    table, follower = Table(), RunFollower()
    table.begin(follower)  # every run was purged; the sequence stands where it stood
    table.put(run(2_000_000, "success"))
    tracemalloc.start()
    try:
        table.look(follower)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 10_000_000
    assert (len(follower.missing), min(follower.missing)) == (MAX_MISSING, 2_000_000 - MAX_MISSING)
    assert table.finished == [2_000_000]


def test_a_lower_id_that_is_committed_late_is_counted() -> None:
    table, follower = Table(), RunFollower()
    table.put(run(10, "success"))
    table.begin(follower)
    table.put(run(13, "success"))
    table.look(follower)
    table.put(run(11, "success"), run(12, "running"))
    table.look(follower)
    table.put(run(12, "success"))
    table.look(follower)
    assert sorted(table.finished) == [11, 12, 13]
    assert table.reopened == []


def test_an_id_that_was_skipped_before_the_start_is_counted_when_it_appears() -> None:
    table, follower = Table(), RunFollower()
    table.put(run(7, "success"), run(9, "success"))
    table.begin(follower)
    table.put(run(8, "success"))
    table.look(follower)
    assert table.finished == [8]


def test_an_id_that_never_appears_is_given_up() -> None:
    table, follower = Table(), RunFollower()
    table.put(run(7, "success"), run(9, "success"))
    table.begin(follower)
    table.look(follower, now=GIVE_UP - 1)
    assert list(follower.missing) == [8]
    table.look(follower, now=GIVE_UP + 1)
    assert list(follower.missing) == []


def test_a_cleared_run_is_counted_again_when_it_ends_again() -> None:
    table, follower = Table(), RunFollower()
    table.put(run(1, "failed"))
    table.begin(follower)
    table.put(run(1, "queued", None))
    table.look(follower)
    assert table.reopened == [1]
    table.put(run(1, "success"))
    table.look(follower)
    assert table.finished == [1]


def test_a_start_is_told_once_and_not_for_what_ran_before() -> None:
    table, follower = Table(), RunFollower()
    table.put(run(1), run(2, "queued", None))
    table.begin(follower)
    table.put(run(2, "running"))
    table.look(follower)
    table.look(follower)
    assert table.started == [2]


def test_a_deleted_run_is_forgotten() -> None:
    table, follower = Table(), RunFollower()
    table.put(run(1))
    table.begin(follower)
    del table.rows[1]
    table.look(follower)
    assert (table.finished, follower.open) == ([], {})


def test_a_run_that_is_cleared_while_it_is_read_goes_on() -> None:
    follower = RunFollower()
    follower.begin([1], [run(1)], 0.0)
    seen = follower.observe([], [], 1.0)
    assert seen.ended == (1,)
    assert follower.settle([1], [run(1, "queued")]) == ()
    assert list(follower.open) == [1]


def test_a_run_that_is_created_between_the_two_reads_is_new_at_the_next_look() -> None:
    follower = RunFollower()
    follower.begin([1], [], 0.0)
    seen = follower.observe([], [run(2)], 1.0)
    assert (seen.reopened, seen.started, follower.open) == ((), (), {})
    seen = follower.observe([run(2)], [run(2)], 2.0)
    assert ([r.id for r in seen.started], seen.reopened) == ([2], ())


#: What may happen to the table: a run is created, a created one is committed, a run ends, a look.
EVENTS = st.lists(
    st.tuples(st.sampled_from(["create", "commit", "end", "look"]), st.integers(0, 9)),
    max_size=120,
)


@settings(max_examples=300, deadline=None)
@given(before=st.integers(0, 5), events=EVENTS)
def test_each_completion_after_the_start_is_counted_exactly_once(
    before: int, events: list[tuple[str, int]]
) -> None:
    table, follower = Table(), RunFollower()
    table.put(*(run(i, "success") for i in range(1, before + 1)))
    next_id, in_flight, ended = before + 1, [], []
    table.begin(follower)
    for what, choice in events:
        if what == "create":
            in_flight.append(run(next_id, "queued", None))
            next_id += 1
        elif what == "commit" and in_flight:
            table.put(in_flight.pop(choice % len(in_flight)))
        elif what == "end" and (open_ := [r for r in table.rows.values() if r.is_open]):
            chosen = open_[choice % len(open_)]
            table.put(replace(run(chosen.id, "failed"), run_type=chosen.run_type))
            ended.append(chosen.id)
        elif what == "look":
            table.look(follower)
    table.look(follower)
    assert sorted(table.finished) == sorted(ended)


def rerun(follower: RunFollower, *runs: Run, now: float = 2.0) -> list[int]:
    return [run.id for run in follower.rerun(runs, now)]


def test_a_run_that_was_cleared_and_ended_between_two_looks_is_counted_once() -> None:
    table, follower = Table(), RunFollower()
    table.put(run(1, "success"))
    table.begin(follower)
    table.look(follower)
    cleared = replace(run(1, "failed"), clear_number=1)
    assert rerun(follower, cleared) == [1]
    assert rerun(follower, cleared) == []
    assert rerun(follower, replace(cleared, clear_number=2)) == [1]


def test_a_cleared_run_whose_end_was_seen_or_that_is_open_is_not_counted_by_its_clears() -> None:
    table, follower = Table(), RunFollower()
    table.put(run(1, "success"), replace(run(2, "success"), clear_number=1))
    follower.begin([1, 2], [], 0.0, rerun=[table.rows[2]])
    assert rerun(follower, table.rows[2]) == []
    table.put(replace(run(1), clear_number=1))
    table.look(follower)
    ended = replace(run(1, "success"), clear_number=1)
    assert rerun(follower, ended) == []
    table.put(ended)
    table.look(follower)
    assert table.finished == [1]
    assert rerun(follower, ended) == []


def test_only_rows_of_open_runs_that_are_new_or_changed_are_read() -> None:
    table, follower = Table(), RunFollower()
    table.put(run(1), run(2, "queued", None), run(3, "success"))
    table.begin(follower)
    assert follower.unsure({1: "running", 2: "queued"}) == []
    assert follower.unsure({1: "running", 2: "running", 3: "queued", 4: "queued"}) == [2, 3]
