"""`make bench-faults`: what counts as worse, and where Airwarden has to be better."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sidebyside.faults import FAULTS
from sidebyside.measuring import twice
from sidebyside.results import ALONE, WITH, Measured, complaints, keep, load, page


def run(fault: str, side: str, **figures: Any) -> Measured:
    values: dict[str, Any] = {
        "page_seconds": None, "heal_seconds": 100.0, "health_seconds": None, "ticks_lost": 0,
        "tasks_lost": 0, "retries_burned": 0, "run_twice": 0, "starts_worst": 0,
    }  # fmt: skip
    return Measured(
        fault=fault,
        side=side,
        measured_at="2026-03-01T12:00:00+00:00",
        effects=("restart scheduler",) if side == WITH else (),
        liveness=(),
        watched_seconds=480.0,
        **{**values, **figures},
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
    assert "| scheduler's lock held by an idle session | alone | 1 | never | never | 0 |" in text
    assert (
        "| scheduler's lock held by an idle session | airwarden | 1 | never | 100 s | 0 |" in text
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
