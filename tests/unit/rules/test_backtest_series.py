"""How a backtest's series are made, against the plain way to make them; and rules that are tried."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from airwarden.core.thresholds import Operator
from airwarden.rules.backtest.building import Column, Events, Things, counter, oldest
from airwarden.rules.backtest.evaluate import Evaluator
from airwarden.rules.backtest.grid import Grid
from airwarden.rules.backtest.replay import RuleSet, with_threshold
from airwarden.rules.backtest.sources import PHASE, Latest, Stored
from airwarden.rules.backtest.vectors import Span
from airwarden.rules.config import RuleConfig

GRID = Grid(1e6, 30, 400, 50)
RULES = RuleSet.of(RuleConfig())


@pytest.mark.parametrize("apart", [0.0, 40.0])
def test_the_oldest_of_what_is_there_and_its_age(apart: float) -> None:
    dice = np.random.default_rng(3)
    begun = GRID.start - 2000 + dice.random(600) * 14_000
    ended = begun + dice.exponential(900, 600)
    ended[::37] = np.nan
    since, row = begun - apart, dice.integers(0, 3, 600)
    found = oldest(GRID, since, begun, ended, row, [{"row": str(n)} for n in range(3)])
    first, last, whole = GRID.sees(begun), GRID.sees(ended), GRID.whole
    for number in range(3):
        for place in range(0, whole.count, 5):
            at = whole.first + place
            there = (row == number) & (first <= at) & (last > at)
            ages = GRID.start + at * GRID.step - PHASE - since[there]
            assert found.samples[number, place] == pytest.approx(max(ages, default=0.0), abs=0.1)


def test_a_value_stands_until_the_next_one_is_set() -> None:
    dice = np.random.default_rng(4)
    at = np.sort(dice.integers(0, 60, 90)).astype(np.int32)
    series, value = dice.integers(0, 5, 90).astype(np.int32), dice.random(90)
    labels = [{"n": str(number)} for number in range(5)]
    source = Latest(labels, series, at, value, np.full(5, np.nan))
    for span in (Span(0, 20), Span(20, 25), Span(10, 50)):
        found = source.vector((), span, None)
        for row in range(5):
            for column in range(span.count):
                set_ = value[(series == row) & (at <= span.first + column)]
                assert found.present[row, column] == (len(set_) > 0)
                assert not len(set_) or found.values[row, column] == set_[-1]


@pytest.mark.parametrize(
    "expression",
    [
        "now > on (n) 1.5 * limit",
        "now > on (n) group_left () clamp_min(limit, 3)",
        "clamp_max(2 * limit, 7) - on (n) now",
        "limit and on (n) now > 2",
        "limit / 2 + limit * 3",
        "limit > 2 or now",
        "sum(limit) + count(limit) - max(limit)",
        "count by (odd) (limit)",
        "sum_over_time(limit[2m])",
        "-limit < bool -2",
    ],
)
def test_what_never_changes_is_worked_out_as_if_it_did(expression: str) -> None:
    """It is kept once for a whole stretch, and so is what follows from it alone."""
    dice, none = np.random.default_rng(6), np.empty(0, dtype=np.int32)
    level = np.array([1.0, 2.0, np.nan, 4.0, 5.0])
    labels = [{"n": str(number), "odd": str(number % 2)} for number in range(5)]
    now = Stored(labels[::-1], dice.random((5, 60)) * 6, 0)
    constant = Latest(labels, none, none, np.empty(0), level)
    written_out = Stored(labels, np.repeat(level[:, None], 60, axis=1), 0)
    found, expected = (
        Evaluator({"now": now, "limit": limit}, {}, 0.0, 30.0).vector(expression, Span(10, 40))
        for limit in (constant, written_out)
    )
    assert found.labels == expected.labels
    assert expected.present.any()
    np.testing.assert_array_equal(found.present, expected.present)
    np.testing.assert_array_equal(
        np.where(found.present, found.values, 0), np.where(expected.present, expected.values, 0)
    )


def test_series_are_told_apart_by_a_table_as_by_sorting(monkeypatch: pytest.MonkeyPatch) -> None:
    dice = np.random.default_rng(5)
    moments = GRID.start + dice.random(50) * 10_000
    columns = [
        Column(name, [f"{name}{n}" for n in range(size)], dice.integers(0, size, 50).astype(np.int32))
        for name, size in (("a", 3), ("b", 7))
    ]  # fmt: skip
    quick = counter(GRID, moments, columns, {}, [("a2", "b6")])
    monkeypatch.setattr("airwarden.rules.backtest.building._TABLE", 0)
    slow = counter(GRID, moments, columns, {}, [("a2", "b6")])
    assert quick.labels == slow.labels
    np.testing.assert_array_equal(quick.series, slow.series)
    assert {"a": "a2", "b": "b6"} in quick.labels


def test_pieces_of_the_past_give_what_the_whole_gives() -> None:
    dice = np.random.default_rng(6)
    begun = GRID.start - 1000 + dice.random(900) * 12_000
    ended = begun + dice.exponential(300, 900)
    ended[::41] = np.nan
    place = dice.integers(0, 300, 900).astype(np.int32)
    names = {"n": [str(number) for number in range(300)]}
    whole, pieces = Events(GRID, names), Events(GRID, names)
    whole.were_there(begun, ended, [place])
    row = place % 3
    parts = []
    for piece in np.array_split(np.arange(900), 7):
        pieces.were_there(begun[piece], ended[piece], [place[piece]])
        parts.append(Things.seen(GRID, begun[piece], ended[piece], row[piece]))
    one, other = whole.flow({}), pieces.flow({})
    assert one.labels == other.labels
    for span in (Span(0, 100), Span(90, 300)):
        np.testing.assert_array_equal(
            one.vector((), span, None).values, other.vector((), span, None).values
        )
    labels = [{"row": str(number)} for number in range(3)]
    np.testing.assert_array_equal(
        Things.together(parts).ages(GRID, labels).samples,
        oldest(GRID, begun, begun, ended, row, labels).samples,
    )


@pytest.mark.parametrize(
    "name", ["AirflowTeamDagFailureRateHigh", "AirflowSchedulerLagHigh", "AirflowRetryStorm"]
)
def test_a_threshold_that_is_tried_gives_the_rules_that_would_be_built(name: str) -> None:
    limit = replace(RULES.rules.variants(name)[-1].limit, window=timedelta(minutes=7))
    limit = replace(limit, value=limit.value * 2, operator=Operator.ABOVE)
    tried = RULES.with_threshold(name, limit)
    assert tried.alerts == RuleSet.of(with_threshold(RuleConfig(), name, limit)).alerts
    assert tried.alerts != RULES.alerts


def test_alerts_that_look_at_the_one_that_is_tried_change_with_it() -> None:
    asking = RULES.asked_by["AirflowTeamDagFailureRateHigh"]
    assert asking == {"AirflowDagFailureRateHigh", "AirflowCriticalDagKeepsFailing"}
