"""The backtest on a terminal: readable for a quiet month and for one with hundreds of messages."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace

import pytest
from rich.console import Console

from airwarden.cli.backtest_tables import show
from airwarden.core.thresholds import Unit, parse_threshold
from airwarden.rules.backtest.html import earlier, worst
from airwarden.rules.backtest.replay import RuleSet
from airwarden.rules.backtest.report import Page, Report, Row, Tried, variants
from airwarden.rules.config import AlertOverride, RuleConfig

START = 1_767_225_600.0


def page(number: int, kind: str, alert: str, asset: str) -> Page:
    severity = "critical" if kind == "page" else "warning"
    began = START + 3600.0 * number
    return Page(kind, alert, severity, {"cluster": "c", "asset": asset}, began, 600.0, 1, 2, 9.0)


def printed(
    *pages: Page, rows: tuple[Row, ...] = (), not_judged: Mapping[str, str] | None = None
) -> str:
    report = Report(
        "c", START, START + 30 * 86_400, 30.0, 1000, 20, 14.0, pages, rows, (), (), None, not_judged or {}
    )  # fmt: skip
    text = io.StringIO()
    show(report, Console(file=text, width=160))
    return text.getvalue()


def test_a_quiet_month_is_told_one_by_one() -> None:
    told = printed(
        page(1, "page", "AirflowDatabaseDown", "a"), page(2, "message", "AirflowSlaAtRisk", "b")
    )
    assert "Pages and messages" in told
    assert "AirflowDatabaseDown" in told
    assert "asset=b" in told


def test_of_hundreds_of_messages_every_page_is_seen_and_the_rest_is_summed_up() -> None:
    messages = [
        page(n, "message", "AirflowDataFreshnessBreach", f"dag:{n % 7}") for n in range(300)
    ]
    last = page(700, "page", "AirflowDatabaseDown", "late")
    told = printed(*messages, page(301, "message", "AirflowSlaAtRisk", "[odd]"), last)
    assert "asset=late" in told
    rows = [line for line in told.splitlines() if "AirflowDataFreshnessBreach" in line]
    (row,) = rows
    cells = [cell.strip() for cell in row.split("│")[1:-1]]
    assert cells == [
        "AirflowDataFreshnessBreach", "300", "600×", "Thu 01 Jan 00:00", "Tue 13 Jan 11:00", "10m",
        "asset=dag:0 (43×)",
    ]  # fmt: skip
    assert "asset=[odd]" in told
    assert len(told.splitlines()) < 40


def test_what_was_not_judged_for_one_reason_is_one_line() -> None:
    told = printed(not_judged={"One": "needs x", "Two": "needs x", "Three": "needs y"})
    assert "Not judged (3)" in told
    assert "  needs x: One, Two\n" in told
    assert "  needs y: Three\n" in told


def test_a_worst_value_is_written_in_its_unit() -> None:
    own = page(1, "page", "AirflowDataFreshnessBreach", "a")
    assert worst(replace(own, worst=63_417.0, unit=Unit.SLA)) == "17h 37m"
    assert worst(replace(own, worst=0.4213, unit=Unit.RATIO)) == "42.1 %"
    assert worst(replace(own, worst=1234.0)) == "1,234"


def test_an_incident_is_told_of_before_people_noticed_or_after() -> None:
    assert earlier(2700.0) == "45m before"
    assert earlier(-2640.0) == "44m after"


@pytest.mark.parametrize(
    ("words", "tried"),
    [
        (">= 3", [">= 2 for 0s", ">= 3 for 0s", ">= 5 for 0s", ">= 6 for 0s"]),
        (">= 1", [">= 1 for 0s", ">= 2 for 0s"]),
    ],
)
def test_of_things_that_are_counted_only_whole_numbers_are_tried(
    words: str, tried: list[str]
) -> None:
    alert = "AirflowCriticalDagKeepsFailing"
    override = AlertOverride(threshold=parse_threshold(words))
    rules = RuleSet.of(RuleConfig(overrides={alert: override}))
    assert [variant.threshold for variant in variants([alert], rules)] == tried


def test_where_every_threshold_gives_the_same_it_is_said_once() -> None:
    same = Row("A", "critical", "> 5% for 10m", 2, 0, 0.1, "", (Tried("> 4%", 2, 0), Tried("> 6%", 2, 0)))  # fmt: skip
    other = Row("B", "critical", "> 5% for 10m", 2, 0, 0.1, "", (Tried("> 9%", 1, 0), Tried("> 1%", 4, 3)))  # fmt: skip
    told = printed(rows=(same, other))
    assert "2 with each of 2" in told
    assert "1 (> 9%) – 7 (> 1%)" in told
