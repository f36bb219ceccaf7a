"""The backtest on a terminal: readable for a quiet month and for one with hundreds of messages."""

from __future__ import annotations

import io

from rich.console import Console

from airwarden.cli.backtest_tables import show
from airwarden.rules.backtest.report import Page, Report

START = 1_767_225_600.0


def page(number: int, kind: str, alert: str, asset: str) -> Page:
    severity = "critical" if kind == "page" else "warning"
    began = START + 3600.0 * number
    return Page(kind, alert, severity, {"cluster": "c", "asset": asset}, began, 600.0, 1, 2, 9.0)


def printed(*pages: Page, not_judged: dict[str, str] | None = None) -> str:
    report = Report(
        "c", START, START + 30 * 86_400, 30.0, 1000, 20, 14.0, pages, (), (), (), None, not_judged or {}
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
