"""The threshold language: what operators write, what is refused and how, and the way back."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airwarden.core.errors import WrongInputError
from airwarden.core.thresholds import (
    Operator,
    Threshold,
    Unit,
    parse_threshold,
)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


@pytest.mark.parametrize(
    ("text", "normal", "expected"),
    [
        (
            ">5% for 10 minutes",
            "> 5% for 10m",
            Threshold(Operator.ABOVE, Decimal("0.05"), Unit.RATIO, minutes(10)),
        ),
        (
            ">5 minutes for 3 minutes",
            "> 5m for 3m",
            Threshold(Operator.ABOVE, Decimal(300), Unit.SECONDS, minutes(3)),
        ),
        (
            ">1000 for 15 minutes",
            "> 1000 for 15m",
            Threshold(Operator.ABOVE, Decimal(1000), Unit.COUNT, minutes(15)),
        ),
        (
            ">SLA + 50% for 1 hour",
            "> SLA + 50% for 1h",
            Threshold(Operator.ABOVE, Decimal("0.5"), Unit.SLA, minutes(60)),
        ),
        (
            "85% utilization for 5 minutes",
            "85% utilization for 5m",
            Threshold(None, Decimal("0.85"), Unit.RATIO, minutes(5), utilization=True),
        ),
        (
            "> 60s for 1m",
            "> 1m for 1m",
            Threshold(Operator.ABOVE, Decimal(60), Unit.SECONDS, minutes(1)),
        ),
        (
            ">= 1h30m",
            ">= 1h30m",
            Threshold(Operator.AT_LEAST, Decimal(5400), Unit.SECONDS),
        ),
        (
            "<1,000 for 0s",
            "< 1000 for 0s",
            Threshold(Operator.BELOW, Decimal(1000), Unit.COUNT, timedelta(0)),
        ),
        ("for 30 seconds", "for 30s", Threshold(None, Decimal(0), Unit.NONE, minutes(0.5))),
        ("> sla FOR 90 Sec", "> SLA for 1m30s", Threshold(Operator.ABOVE, Decimal(0), Unit.SLA, minutes(1.5))),
        ("<= SLA - 12.5%", "<= SLA - 12.5%", Threshold(Operator.AT_MOST, Decimal("-0.125"), Unit.SLA)),
        ("p99 > 10m for 15m", "p99 > 10m for 15m", Threshold(Operator.ABOVE, Decimal(600), Unit.SECONDS, minutes(15), quantile=Decimal("0.99"))),
        ("Median over 3 sec", "p50 > 3s", Threshold(Operator.ABOVE, Decimal(3), Unit.SECONDS, quantile=Decimal("0.5"))),
        ("> 3x usual for 30m", "> 3x usual for 30m", Threshold(Operator.ABOVE, Decimal(3), Unit.USUAL, minutes(30))),
        ("below 50% of usual", "< 0.5x usual", Threshold(Operator.BELOW, Decimal("0.5"), Unit.USUAL)),
        ("more than 2.5 times usual", "> 2.5x usual", Threshold(Operator.ABOVE, Decimal("2.5"), Unit.USUAL)),
        ("at least 5k tasks for 2h", ">= 5000 for 2h", Threshold(Operator.AT_LEAST, Decimal(5000), Unit.COUNT, minutes(120))),
        ("< 100 for 2h", "< 100 for 2h", Threshold(Operator.BELOW, Decimal(100), Unit.COUNT, minutes(120))),
        ("> 250ms for 1w", "> 250ms for 7d", Threshold(Operator.ABOVE, Decimal("0.25"), Unit.SECONDS, timedelta(days=7))),
    ],
)  # fmt: skip
def test_operators_words_become_typed_and_print_in_normal_form(
    text: str, normal: str, expected: Threshold
) -> None:
    assert parse_threshold(text) == expected
    assert str(expected) == normal


@pytest.mark.parametrize(
    ("text", "number"),
    [("> 5%", "0.05"), ("> 5m", "300"), ("> 1,500", "1500"), ("> SLA + 50%", "1.5"), ("> SLA", "1"), ("> 0.5s", "0.5"), ("> 100%", "1")],
)  # fmt: skip
def test_the_number_is_in_prometheus_base_units(text: str, number: str) -> None:
    assert parse_threshold(text).number == number


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("", 1, "expected a number, found the end"),
        ("> 5 minuts for 3m", 5, "did you mean minutes?"),
        ("> 5% fr 10m", 6, "did you mean for?"),
        ("≥5%", 1, "write >="),
        ("> SLA + 50 for 1h", 12, "expected '%' after the number"),
        ("> 5% for", 9, "expected a number, found the end"),
        ("> 5% for 10", 12, "expected a unit after the number"),
        ("> 5% for 400d", 10, "longer than 365 days"),
        ("> 5% for 1.0005s", 10, "finer than a millisecond"),
        ("> 5% for 10m please", 14, "expected 'for' and a duration, or the end, found 'please'"),
        ("for 3m > 5%", 8, "expected the end, found '>'"),
        ("> 1000 utilization", 1, "expected a percentage"),
        ("> SLA - 100%", 7, "the limit would be zero or less"),
        ("> 3x usul for 30m", 6, "expected 'usual', found 'usul'"),
        ("> 3x for 30m", 6, "for example > 3x usual for 30m"),
        ("p100 > 3s", 2, "a quantile lies between p0 and p100"),
        ("p99 > SLA + 5%", 7, "a quantile needs a plain limit"),
        ("> 3× usual", 4, "write x"),
        ("> 1234567890123456", 3, "more digits than a measurement has"),
        (1000, 1, "put the value in quotes"),
        ("x" * 201, 201, "longer than 200 characters"),
    ],
)
def test_refusals_name_the_column_what_was_expected_and_a_hint(
    text: object, column: int, says: str
) -> None:
    with pytest.raises(WrongInputError) as refused:
        parse_threshold(text, place="alerts.AirflowSchedulerLagHigh.threshold")
    message = str(refused.value)
    assert message.startswith("alerts.AirflowSchedulerLagHigh.threshold: ")
    assert f"column {column}:" in message
    assert says in message


def test_a_refusal_points_at_the_place() -> None:
    with pytest.raises(WrongInputError) as refused:
        parse_threshold("> 5% fr 10m")
    _, text, mark = str(refused.value).splitlines()
    assert (text, mark) == ("    > 5% fr 10m", "         ^ (did you mean for?)")


def test_of_a_long_text_the_part_around_the_place_is_shown() -> None:
    with pytest.raises(WrongInputError) as refused:
        parse_threshold("> 5" + " " * 150 + "%%\n")
    _, text, mark = str(refused.value).splitlines()
    assert text[mark.index("^")] == "%"
    assert len(text) < 90


@given(
    st.one_of(
        st.text(),
        st.text(alphabet="<>=+-%., 0123456789smhdwSLAforutilznpxk"),
        st.lists(
            st.sampled_from(
                [
                    ">",
                    ">=",
                    "<",
                    "<=",
                    "5",
                    "%",
                    "1,000",
                    "0.1",
                    "SLA",
                    "+",
                    "-",
                    "for",
                    "m",
                    "ms",
                    "hours",
                    "weeks",
                    "utilization",
                    "p99",
                    "median",
                    "x",
                    "usual",
                    "of",
                    "k",
                    "tasks",
                    "above",
                    "less than",
                    "999999999999999",
                ]
            )
        ).map(" ".join),
    )
)
def test_no_text_crashes_and_what_is_accepted_round_trips(text: str) -> None:
    try:
        threshold = parse_threshold(text)
    except WrongInputError:
        return
    assert parse_threshold(str(threshold)) == threshold
    assert str(parse_threshold(str(threshold))) == str(threshold)


_values = st.decimals(0, 10**9, places=4)
_percent = _values.map(lambda value: value.scaleb(-2))


@given(
    st.builds(
        lambda operator, value, window, quantile: Threshold(
            operator, value[0], value[1], window, False, quantile if value[1] is Unit.SECONDS else None
        ),
        st.one_of(st.none(), st.sampled_from(Operator)),
        st.one_of(
            st.tuples(_values, st.just(Unit.COUNT)),
            st.tuples(_percent, st.just(Unit.RATIO)),
            st.tuples(_percent, st.just(Unit.SLA)),
            st.tuples(_values, st.just(Unit.USUAL)),
            st.tuples(st.decimals(0, 365 * 86400, places=5), st.just(Unit.SECONDS)),
        ),
        st.one_of(st.none(), st.integers(0, 365 * 86_400_000).map(lambda n: timedelta(milliseconds=n))),
        st.none() | st.decimals(1, 9999, places=0).map(lambda n: n.scaleb(-4)),
    )
)  # fmt: skip
def test_every_typed_threshold_survives_being_written_and_read(threshold: Threshold) -> None:
    assert parse_threshold(str(threshold)) == threshold
