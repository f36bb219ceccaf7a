"""`make bench-faults`: what counts as worse, and where Airwarden has to be better."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sidebyside import by_playbook, results
from sidebyside.course import LAPSE, STEADY, UNNOTICED, Course, Together
from sidebyside.faults import FAULTS
from sidebyside.measuring import twice
from sidebyside.results import (
    ALONE,
    HARNESS,
    WITH,
    Measured,
    Missing,
    complaints,
    forget,
    keep,
    load,
    missing,
    page,
)
from stories import measured


def run(fault: str, side: str, **figures: Any) -> Measured:
    values: dict[str, Any] = {
        "page_seconds": None, "heal_seconds": 100.0, "health_seconds": None, "ticks_lost": 0,
        "tasks_lost": 0, "retries_burned": 0, "run_twice": 0, "starts_worst": 0, "harness": HARNESS,
    } | figures  # fmt: skip
    return Measured(
        fault=fault,
        side=side,
        harness=values.pop("harness"),
        revision="0123456789",
        load=2.0,
        measured_at="2026-03-01T12:00:00+00:00",
        effects=("restart scheduler",) if side == WITH else (),
        incidents=("scheduler-restart resolved: it beats",) if side == WITH else (),
        liveness=(),
        watched_seconds=480.0,
        **values,
    )


def both(fault: str, alone: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    return complaints([run(fault, ALONE, **alone), run(fault, WITH, **ours)])


def test_the_eleven_faults_are_there_and_the_seven_that_need_more_are_marked() -> None:
    assert len(FAULTS) == 11
    assert sum(fault.required for fault in FAULTS.values()) == 7


@pytest.mark.parametrize(
    ("alone", "ours", "worse"),
    [
        (100.0, 109.0, False),
        (100.0, 112.0, True),
        (None, 400.0, False),
        (None, None, False),
        (100.0, None, True),
    ],
)
def test_a_tenth_worse_is_borne_and_never_is_the_worst(
    alone: float | None, ours: float | None, worse: bool
) -> None:
    found = both("worker-killed", {"heal_seconds": alone}, {"heal_seconds": ours})
    assert bool(found) is worse


def test_the_spread_of_the_runs_is_borne() -> None:
    runs = [run("worker-killed", ALONE, heal_seconds=seconds) for seconds in (80.0, 130.0)]
    runs += [run("worker-killed", WITH, heal_seconds=seconds) for seconds in (140.0, 145.0)]
    assert complaints(runs) == []


def test_no_harm_may_be_added() -> None:
    assert both("worker-killed", {}, {"run_twice": 1}) == [
        "worker-killed: run_twice 1 instead of 0"
    ]


def test_where_it_is_required_one_figure_has_to_be_better() -> None:
    said = both("scheduler-frozen", {}, {})
    assert said == ["scheduler-frozen: better in none of heal_seconds, tasks_lost, retries_burned"]
    assert both("scheduler-frozen", {"heal_seconds": None}, {"heal_seconds": 70.0}) == []


def test_what_was_run_on_one_side_only_is_not_judged() -> None:
    assert complaints([run("lock-held", WITH, heal_seconds=None)]) == []


def test_runs_are_kept_and_shown_in_the_page(tmp_path: Path) -> None:
    kept = tmp_path / "results.json"
    for one in (run("lock-held", ALONE, heal_seconds=None), run("lock-held", WITH)):
        keep(one, kept)
    text = page(load(kept))
    assert (
        "| scheduler's lock held by an idle session | alone | 1 | 2 | never | never | 0 |" in text
    )
    assert (
        "| scheduler's lock held by an idle session | airwarden | 1 | 2 | never | 100 s | 0 |"
        in text
    )
    assert "restart scheduler" in text


def test_what_ended_twice_was_run_twice(tmp_path: Path) -> None:
    began = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    lines = [
        {
            "what": what,
            "dag": "d",
            "run": "r",
            "task": task,
            "map": -1,
            "at": began.timestamp() + at,
        }
        for what, task, at in (
            ("ended", "before", -5),
            ("ended", "before", 5),
            ("begun", "once", 6),
            ("begun", "once", 7),
            ("ended", "once", 8),
            ("ended", "again", 9),
            ("ended", "again", 10),
        )
    ]
    ledger = tmp_path / "steady.jsonl"
    ledger.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert twice(ledger, began) == 1
    assert twice(tmp_path / "none", began) == 0


def test_only_what_is_missing_is_run_and_the_first_runs_come_first(tmp_path: Path) -> None:
    kept = tmp_path / "results.json"
    for one in (run("lock-held", ALONE), run("lock-held", WITH), run("redis-out", WITH)):
        keep(one, kept)
    wanted = missing(load(kept), ["lock-held", "redis-out"], (ALONE, WITH), 2)
    assert wanted == [
        Missing("redis-out", 1, (ALONE,)),
        Missing("lock-held", 2, (ALONE, WITH)),
        Missing("redis-out", 2, (ALONE, WITH)),
    ]


def test_runs_of_another_version_of_the_harness_count_for_nothing(tmp_path: Path) -> None:
    kept = tmp_path / "results.json"
    keep(run("lock-held", ALONE, harness=HARNESS - 1), kept)
    assert load(kept) == []
    assert missing(load(kept), ["lock-held"], (ALONE,), 1) == [Missing("lock-held", 1, (ALONE,))]


def test_what_is_forgotten_is_measured_again(tmp_path: Path) -> None:
    kept = tmp_path / "results.json"
    for one in (run("lock-held", ALONE), run("lock-held", WITH), run("redis-out", WITH)):
        keep(one, kept)
    forget(["lock-held"], (WITH,), kept)
    assert [(one.fault, one.side) for one in load(kept)] == [
        ("lock-held", ALONE),
        ("redis-out", WITH),
    ]


def test_the_page_is_made_of_what_is_committed_and_says_what_is_open() -> None:
    assert results.PAGE.read_text() == page(load())
    assert "- Open: triggerer frozen (0 of 2 runs on both sides)." in page([])


def test_the_table_of_playbooks_is_made_of_what_is_committed() -> None:
    assert by_playbook.PAGE.read_text() == by_playbook.page(measured.load(), load())


def test_the_table_of_playbooks_names_what_was_done_and_what_was_not_measured() -> None:
    story = {
        "playbooks": ["dag-flood"], "ended": "healed", "ok": True, "detected_seconds": 4.2,
        "total_seconds": 61.0, "action": "paused it", "measured_at": "2026-03-01",
    }  # fmt: skip
    ours = [run("scheduler-frozen", WITH, heal_seconds=seconds) for seconds in (90.0, 110.0)]
    text = by_playbook.page({"flood": story}, ours)
    assert (
        "| [scheduler-restart](playbooks.md#scheduler-restart) | scheduler frozen | production, 2 runs"
        " | restart scheduler | resolved | – | 100 s | 2026-03-01 |" in text
    )
    assert "| story `flood` | demo | paused it | healed | 4 s | 61 s | 2026-03-01 |" in text
    measured_part, _, rest = text.partition("## Not measured there")
    assert "[lost-tasks](" in rest
    assert "[lost-tasks](" not in measured_part
    assert "[dag-flood](" not in rest


def see(course: Course, well: bool, *seconds: float) -> None:
    for second in seconds:
        course.look(second, well=well, paged=second >= 40, unhealthy=not well)


def test_it_is_healed_from_the_first_second_of_what_lasts() -> None:
    course = Course()
    see(course, True, 0, 5)
    see(course, False, 10, 40)
    see(course, True, 70, 80)
    assert (course.healed, course.paged, course.unhealthy) == (70, 40, 10)
    assert not course.decided(70 + STEADY - 1)
    see(course, True, 70 + STEADY)
    assert course.decided(70 + STEADY)


def test_a_short_lapse_is_borne_and_a_long_one_takes_the_healing_back() -> None:
    course = Course()
    see(course, False, 10)
    see(course, True, 70)
    see(course, False, 90, 90 + LAPSE - 1)
    seen = [course.healed]
    assert not course.decided(90 + LAPSE - 1)
    see(course, False, 90 + LAPSE)
    seen.append(course.healed)
    see(course, True, 200)
    assert [*seen, course.healed] == [70, None, 200]


def test_what_was_never_ill_is_well_after_a_minute() -> None:
    course = Course()
    see(course, True, 0, UNNOTICED - 1)
    before = course.healed
    see(course, True, UNNOTICED)
    assert (before, course.healed) == (None, UNNOTICED)


def test_nobody_ends_before_all_are_decided_nor_waits_for_who_failed() -> None:
    together = Together(2)
    together.say(ALONE, False)
    together.say(WITH, True)
    before = together.over
    together.fail()
    assert (before, together.over) == (False, True)
    with pytest.raises(threading.BrokenBarrierError):
        together.start(patience=5)
