"""What is worked out once for all stretches of a replay: it may not depend on how time is cut."""

from __future__ import annotations

import math

import numpy as np
import pytest

from airwarden.rules.backtest.evaluate import Evaluator
from airwarden.rules.backtest.needs import Recorded, Recordings
from airwarden.rules.backtest.plans import Groups, Plans, shrunk
from airwarden.rules.backtest.sources import Source, Stored
from airwarden.rules.backtest.vectors import Span, Vector, signature

COUNT = 240
ROWS = [{"cluster": "c", "team": f"t{n % 4}", "dag_id": f"d{n}"} for n in range(12)]
RECORDINGS: Recordings = {
    "team:a:sum": (Recorded("sum by (cluster, team) (a)"),),
    "kind:a:max": (
        Recorded("max by (cluster) (a)", (("kind", "one"),)),
        Recorded("min by (cluster) (a > 3)", (("kind", "two"),)),
    ),
}
EXPRESSIONS = [
    "sum by (team) (a)", "count by (team) (a > 4)", "max(a)", "min by (cluster) (a)", "avg by (team) (a)",
    "topk(2, a)", "quantile by (team) (0.5, a)", "group by (dag_id) (a)",
    "a > 5 and on (team) team:a:sum > 9", "a unless on (team) team:a:sum > 12",
    "team:a:sum > 14 or on (team) a * 0", "a / on (cluster, team) group_left () team:a:sum",
    "avg_over_time(team:a:sum[20m])", 'sum_over_time(kind:a:max{kind="two"}[40m])',
    'max_over_time(team:a:sum{team=~"t1|t2"}[10m] offset 5m)', "absent(a > 7)", "sum(a > 100) or vector(1)",
]  # fmt: skip


def world(block: int) -> Evaluator:
    dice = np.random.default_rng(3)
    samples = dice.integers(0, 8, (len(ROWS), COUNT)).astype(float)
    samples[dice.random(samples.shape) < 0.3] = math.nan
    samples[5] = math.nan  # one that is never there
    sources: dict[str, Source] = {"a": Stored(ROWS, samples, 0)}
    return Evaluator(sources, RECORDINGS, 0.0, 60.0, block)


def seen(vector: Vector, first: int) -> set[tuple[object, ...]]:
    rows, columns = np.nonzero(vector.present)
    return {
        (signature(vector.labels[row]), first + column, f"{vector.values[row, column]:.6g}")
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
    }


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_the_cut_of_time_changes_nothing(expression: str) -> None:
    whole = seen(world(COUNT).vector(expression, Span(0, COUNT)), 0)
    assert whole
    for block in (16, 60):
        cut = world(block)
        found: set[tuple[object, ...]] = set()
        for first in range(0, COUNT, block):
            found |= seen(cut.vector(expression, Span(first, block)), first)
            cut.forget(first + block)
        assert found == whole


def test_what_no_range_reaches_is_forgotten_and_what_one_reaches_is_not() -> None:
    cut = world(10)
    for first in range(0, COUNT, 10):
        cut.vector("avg_over_time(team:a:sum[30m])", Span(first, 10))
        cut.forget(first + 10)
    kept = sorted(block for _, block in cut._recorded)
    assert kept == [21, 22, 23]


def test_plans_are_told_apart_by_the_very_tuple_and_are_dropped_when_they_are_many() -> None:
    plans: Plans[str] = Plans()
    one, other = ({"a": "1"},), ({"a": "2"},)
    assert plans.of((one,), "x", lambda: "first") == "first"
    assert plans.of((one,), "x", lambda: "again") == "first"
    assert plans.of((one,), "y", lambda: "else") == "else"
    assert plans.of((other,), "x", lambda: "other") == "other"
    for number in range(2000):
        plans.of((({"n": str(number)},),), "x", lambda: "many")
    assert plans.of((one,), "x", lambda: "anew") == "anew"


def test_rows_of_a_group_are_reduced_wherever_they_stand() -> None:
    groups = Groups.of([{"t": "a"}, {"t": "b"}, {"t": "a"}], signature)
    assert groups.labels == ({"t": "a"}, {"t": "b"})
    assert groups.reduced(np.add, np.array([[1.0], [2.0], [4.0]])).tolist() == [[5.0], [2.0]]
    assert groups.present(np.array([[False], [False], [True]])).tolist() == [[True], [False]]


def test_series_that_are_never_there_are_left_out_where_that_saves_much() -> None:
    present = np.zeros((10, 3), dtype=bool)
    vector = Vector(tuple({"n": str(n)} for n in range(10)), np.ones((10, 3)), present)
    assert shrunk(vector).labels == ()
    present[7, 1] = True
    assert shrunk(vector).labels == ({"n": "7"},)
    present[:, 0] = True
    assert len(shrunk(vector).labels) == 10
