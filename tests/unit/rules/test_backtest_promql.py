"""PromQL over the past: the numbers that Prometheus gives, by examples whose answers are plain."""

from __future__ import annotations

import math

import numpy as np
import pytest

from airwarden.core.metrics import CATALOGUE
from airwarden.rules.backtest.evaluate import Evaluator
from airwarden.rules.backtest.needs import Recorded, needs
from airwarden.rules.backtest.past_metrics import BUILDERS
from airwarden.rules.backtest.replay import RuleSet
from airwarden.rules.backtest.sources import Flow, Stored
from airwarden.rules.backtest.tree import parsed, shared
from airwarden.rules.backtest.vectors import NotJudgedError, Span, Vector
from airwarden.rules.config import RuleConfig
from airwarden.rules.lint import find_metric

STEP = 15.0
NAN = math.nan


def evaluator(**series: list[list[float]]) -> Evaluator:
    """Series of gauges or counters, a row each with its place as label `row`."""
    sources = {
        name: Stored(
            [{"cluster": "c", "row": str(place)} for place in range(len(rows))],
            np.array(rows, dtype=float).reshape(len(rows), -1) if rows else np.empty((0, 1)),
            0,
        )
        for name, rows in series.items()
    }
    return Evaluator(sources, {}, 0.0, STEP)


def numbers(found: Vector) -> list[list[float | None]]:
    return [
        [round(float(v), 4) if there else None for v, there in zip(values, present, strict=True)]
        for values, present in zip(found.values, found.present, strict=True)
    ]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a > 2", [[None, None, 3, 4]]),
        ("a > bool 2", [[0, 0, 1, 1]]),
        ("-a + 2 * a ^ 2", [[1, 6, 15, 28]]),
        ("a offset 15s", [[None, 1, 2, 3]]),
        ("max_over_time(a[30s])", [[1, 2, 3, 4]]),
        ("min_over_time(a[30s])", [[1, 1, 2, 3]]),
        ("avg_over_time(a[30s])", [[1, 1.5, 2.5, 3.5]]),
        ("sum_over_time(a[45s])", [[1, 3, 6, 9]]),
        ("count_over_time(a[1m])", [[1, 2, 3, 4]]),
        ("changes(a[1m])", [[0, 1, 2, 3]]),
        ("quantile_over_time(0.5, a[45s])", [[1, 1.5, 2, 3]]),
        ("clamp_max(a, 3)", [[1, 2, 3, 3]]),
        ("round(a / 3)", [[0, 1, 1, 1]]),
        ("absent(nothing_here{x='y'})", [[1, 1, 1, 1]]),
        ("time() - a", [[-1, 13, 27, 41]]),
        ("vector(7)", [[7, 7, 7, 7]]),
        ("a and on () (a > 3)", [[None, None, None, 4]]),
        ("a unless a > 3", [[1, 2, 3, None]]),
        ("(a > 3) or on () (a * 10)", [[None, None, None, 4], [10, 20, 30, None]]),
    ],
)
def test_an_expression_gives_what_prometheus_gives(
    expression: str, expected: list[list[float | None]]
) -> None:
    world = evaluator(a=[[1, 2, 3, 4]], nothing_here=[])
    found = numbers(world.vector(expression, Span(0, 4)))
    # `or` gives one series where both sides have the same labels.
    merged = [[next((v for v in c if v is not None), None) for c in zip(*expected, strict=True)]]
    assert found in (expected, merged)


def test_a_rate_is_stretched_to_its_range_over_samples_that_do_not_reach_its_ends() -> None:
    world = evaluator(a=[[100.0 + 2 * k for k in range(40)]])
    found = numbers(world.vector("increase(a[5m])", Span(39, 1)))
    # 20 samples span 285 s and 38 events; over 300 s that is 40.
    assert found == [[40.0]]
    assert numbers(world.vector("rate(a[5m])", Span(39, 1))) == [[round(40 / 300, 4)]]


def test_a_counter_near_its_birth_is_not_stretched_below_zero() -> None:
    world = evaluator(a=[[0.0] * 19 + [1.0] * 21])
    # Its first sample is 0, so nothing is stretched towards the range's begin; towards its end, 5 s.
    assert numbers(world.vector("increase(a[5m])", Span(20, 1))) == [[round(290 / 285, 4)]]


def test_a_counter_that_begins_again_lost_nothing() -> None:
    world = evaluator(a=[[5000.0 + k for k in range(10)] + [float(k) for k in range(10)]])
    assert numbers(world.vector("increase(a[5m])", Span(19, 1)))[0][0] == pytest.approx(
        18 * 300 / 285, abs=1e-3
    )


def test_a_missed_sample_is_bridged_and_a_lost_series_ends() -> None:
    world = evaluator(a=[[1, NAN, 3, NAN, NAN, NAN]])
    assert numbers(world.vector("max_over_time(a[30s])", Span(0, 6))) == [[1, 1, 3, 3, None, None]]
    assert numbers(world.vector("a", Span(0, 6))) == [[1, None, 3, None, None, None]]


def test_sums_of_events_are_the_same_before_and_after_the_rate() -> None:
    labels = [{"cluster": "c", "team": team, "state": s} for team in "ab" for s in "xy"]
    dice = np.random.default_rng(1)
    at = np.sort(dice.integers(-40, 200, 500)).astype(np.int32)
    flow = Flow(labels, dice.integers(0, 4, 500).astype(np.int32), at)
    world = Evaluator({"e": flow}, {}, 0.0, STEP)
    quick = world.vector("sum by (team) (increase(e[10m]))", Span(0, 200))
    # Without `by` the evaluator sums the rates themselves.
    slow = world.vector("sum without (cluster, state) (increase(e[10m]))", Span(0, 200))
    np.testing.assert_allclose(quick.values, slow.values)
    assert quick.values.max() > 0


def test_matching_takes_over_labels_from_the_one_side() -> None:
    left = Stored(
        [{"cluster": "c", "q": "x"}, {"cluster": "c", "q": "y"}], np.array([[10.0], [20.0]]), 0
    )
    right = Stored([{"cluster": "c", "limit": "soft"}], np.array([[2.0]]), 0)
    world = Evaluator({"l": left, "r": right}, {}, 0.0, STEP)
    found = world.vector("l / on (cluster) group_left (limit) r", Span(0, 1))
    assert numbers(found) == [[5.0], [10.0]]
    assert [dict(own) for own in found.labels] == [
        {"cluster": "c", "q": "x", "limit": "soft"},
        {"cluster": "c", "q": "y", "limit": "soft"},
    ]
    with pytest.raises(NotJudgedError, match="several series"):
        world.vector("r / on (cluster) l", Span(0, 1))


def test_recorded_series_are_seen_by_later_rules_and_over_ranges() -> None:
    world = evaluator(a=[[1, 2, 3, 4]])
    world.recordings = {"twice": (Recorded("2 * a"),)}
    world.block = 3
    assert numbers(world.vector("max_over_time(twice[30s]) > 3", Span(0, 4))) == [[None, 4, 6, 8]]


def test_what_is_no_number_counts_only_where_there_is_no_other() -> None:
    # A share of nothing, as a team without runs has it, is 0 / 0.
    world = evaluator(bad=[[0, 0, 1, 0, 0, 0]], all=[[0, 4, 2, 0, 0, 0]])
    world.recordings = {"share": (Recorded("bad / all"),)}
    world.block = 6
    found = world.vector("max_over_time(share[45s])", Span(0, 6)).values
    np.testing.assert_equal(found, [[NAN, 0, 0.5, 0.5, 0.5, NAN]])
    found = world.vector("sum_over_time(share[30s])", Span(0, 6)).values
    np.testing.assert_equal(found, [[NAN, NAN, 0.5, NAN, NAN, NAN]])
    two = evaluator(bad=[[0], [1]], all=[[0], [2]])
    np.testing.assert_equal(two.vector("max(bad / all)", Span(0, 1)).values, [[0.5]])


def test_a_histogram_gives_its_quantile() -> None:
    rows = [("1.0", 10.0), ("2.0", 30.0), ("+Inf", 40.0)]
    source = Stored(
        [{"cluster": "c", "le": bound} for bound, _ in rows],
        np.array([[count] for _, count in rows]),
        0,
    )
    world = Evaluator({"h": source}, {}, 0.0, STEP)
    assert numbers(world.vector("histogram_quantile(0.5, h)", Span(0, 1))) == [[1.5]]
    assert numbers(world.vector("histogram_quantile(0.99, h)", Span(0, 1))) == [[2.0]]


@pytest.mark.parametrize("expression", ["a[5m:1m]", "deriv(a[5m])", "a @ 0", "stddev(a)"])
def test_what_is_not_supported_is_named_and_not_guessed(expression: str) -> None:
    whole = f"max_over_time({expression})" if ":" in expression else expression
    with pytest.raises(NotJudgedError):
        evaluator(a=[[1.0]]).vector(whole, Span(0, 1))


def test_every_metric_of_the_past_is_one_that_the_exporter_emits() -> None:
    assert BUILDERS.keys()
    assert [name for name in BUILDERS if find_metric(name, CATALOGUE) is None] == []


def test_every_shipped_rule_can_be_evaluated_once_its_series_are_there() -> None:
    rules = RuleSet.of(RuleConfig())
    every = {
        name
        for expression in (
            *(alert.expr for alert in rules.alerts),
            *(rule.expr for own in rules.recordings.values() for rule in own),
        )
        for name in needs(parsed(expression), (), rules.recordings).missing
    }
    sources = {name: Stored([{"cluster": "default"}], np.ones((1, 40)), -39) for name in every}
    world = Evaluator(sources, rules.recordings, 0.0, STEP)
    refused = {}
    for alert in rules.alerts:
        try:
            world.vector(alert.expr, Span(0, 1))
        except NotJudgedError as error:
            refused[alert.name] = str(error)
    assert refused == {}


def test_a_side_that_may_be_missing_is_left_out_and_said() -> None:
    tree = parsed("(a > 1) unless on (cluster) b")
    found = needs(tree, {"a"}, {})
    assert not found.missing
    assert found.without == {"b"}
    assert needs(tree, {"b"}, {}).missing == {"a"}
    world = evaluator(a=[[1, 2]])
    assert numbers(world.vector("(a > 1) unless on (cluster) b", Span(0, 2))) == [[None, 2]]
    # Where nothing but the excuse is measured, everything would fire.
    assert needs(parsed("vector(1) unless b"), (), {}).missing == {"b"}


def test_of_a_name_recorded_by_several_rules_those_that_can_be_are_worked_out() -> None:
    recordings = {
        "r": (Recorded("sum by (cluster) (a)", (("slo", "one"),)), Recorded("b", (("slo", "two"),)))
    }
    assert needs(parsed("r"), {"a"}, recordings).missing == frozenset()
    assert needs(parsed("r"), {"a"}, recordings).without == {"b"}
    assert needs(parsed('r{slo="two"}'), {"a"}, recordings).missing == {"b"}
    assert needs(parsed("r"), {"c"}, recordings).missing == {"a", "b"}
    world = evaluator(a=[[1, 2, 3]])
    world.recordings = recordings
    found = world.vector("r * 1", Span(0, 3))
    assert found.labels == ({"cluster": "c", "slo": "one"},)
    assert numbers(found) == [[1, 2, 3]]


def test_nothing_was_recorded_before_there_was_anything_to_record() -> None:
    world = evaluator(a=[[1, 2, 3, 4]])
    world.recordings = {"r": (Recorded("vector(1)", (("slo", "one"),)),)}
    world.first = 1
    assert numbers(world.vector("count_over_time(r[1h])", Span(0, 4))) == [[None, 1, 2, 3]]


def test_only_what_several_expressions_ask_for_is_worth_keeping() -> None:
    asked = shared(map(parsed, ("sum(a) > 1", "sum(a) > 2", "max_over_time(b[5m]) or b")))
    assert asked == {"sum(a{})", "b{}"}
