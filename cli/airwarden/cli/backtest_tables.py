"""A backtest as tables for a terminal, and as JSON."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from airwarden.rules.backtest.html import earlier, length, moment, number
from airwarden.rules.backtest.report import Page, Report, Row

#: What a terminal shows one by one; the HTML report and JSON have all.
_SHOWN = 40
_COLOURS = {"page": "red", "message": "yellow"}


def show(report: Report, console: Console) -> None:
    """Print a report."""
    naive = (
        ""
        if report.naive is None
        else f"; judged for each team alone, ungrouped: {report.naive} pages"
    )
    console.print(
        f"[bold]{report.cluster}[/], {moment(report.start)} to {moment(report.end)} UTC: "
        f"{number(report.runs)} runs of {number(report.dags)} DAGs\n"
        f"[red]{report.count('page')} pages[/] ({number(report.per_day('critical'))} critical a day), "
        f"[yellow]{report.count('message')} messages[/] "
        f"({number(report.per_day('warning'))} warnings a day){naive}",
        highlight=False,
    )
    for table in _told(report):
        console.print(table)
    if report.incidents:
        console.print(_incidents(report))
    if report.tried:
        console.print(_tried(report))
    console.print(_thresholds(report))
    if report.tight:
        console.print(_tight(report))
    if report.not_judged:
        console.print(
            f"[bold]Not judged[/] ({len(report.not_judged)}): Airflow's history does not tell of them; a Prometheus"
            " that has scraped the exporter may (--prometheus)",
            highlight=False,
            soft_wrap=True,
        )
        for why, alerts in report.not_judged_by_reason.items():
            console.print(f"  {why}: {', '.join(alerts)}", highlight=False, soft_wrap=True)


def _told(report: Report) -> Iterator[Table]:
    """Yield what was told: one by one where a terminal holds it, else pages one by one, messages by alert."""
    if len(report.pages) <= _SHOWN:
        yield _pages("Pages and messages", report.pages)
        return
    pages = [page for page in report.pages if page.kind == "page"]
    if pages:
        some = f", the first {_SHOWN} of {len(pages)}" if len(pages) > _SHOWN else ""
        yield _pages(f"Pages{some}", pages[:_SHOWN])
    yield _by_alert([page for page in report.pages if page.kind != "page"])


def _by_alert(messages: Sequence[Page]) -> Table:
    table = Table(
        "alert", "messages", "told", "first", "last", "longest", "most often about",
        title="Messages by alert; the HTML report has each",
    )  # fmt: skip
    alerts: dict[str, list[Page]] = {}
    for message in messages:
        alerts.setdefault(message.alert, []).append(message)
    for alert, own in sorted(alerts.items(), key=lambda item: -len(item[1])):
        about = Counter(_about(message) for message in own).most_common(3)
        table.add_row(
            alert,
            str(len(own)),
            f"{sum(message.notifications for message in own)}×",
            moment(own[0].began),
            moment(own[-1].began),
            length(max(message.seconds for message in own)),
            "\n".join(f"{what} ({times}×)" for what, times in about),
        )
    return table


def _about(page: Page) -> str:
    labels = " ".join(f"{n}={v}" for n, v in page.labels.items() if n != "cluster")
    return escape(labels) or f"{page.series} alerts"


def _pages(title: str, pages: Sequence[Page]) -> Table:
    asked = any(page.playbook for page in pages)
    table = Table("began", "lasted", "what", "about", "told", "failing DAGs", title=title)
    if asked:
        table.add_column("playbook")
    for page in pages:
        dags = ", ".join(dag for dag, _ in page.failing[:2])
        others = len(page.failing) - 2 + page.others
        cells = [
            moment(page.began),
            length(page.seconds),
            f"[{_COLOURS[page.kind]}]{page.alert}[/]",
            _about(page),
            f"{page.notifications}×",
            dags + (f" and {others} more" if others > 0 else ""),
        ]
        table.add_row(*cells, *([page.playbook] if asked else []))
    return table


def _incidents(report: Report) -> Table:
    table = Table(
        "incident", "began", "told by", "told", "after", "beside people", title="Incidents"
    )
    for found in report.incidents:
        table.add_row(
            found.incident.name,
            moment(found.incident.began),
            found.by or "[red]missed[/]",
            f"{found.told}×",
            "" if found.after is None else length(found.after),
            "" if found.earlier is None else earlier(found.earlier),
        )
    return table


def _tried(report: Report) -> Table:
    table = Table("alert", "threshold", "pages", "messages", title="What you asked to try")
    for alert, tried in report.tried:
        table.add_row(alert, tried.threshold, str(tried.pages), str(tried.messages))
    return table


def _thresholds(report: Report) -> Table:
    table = Table(
        "alert", "in force", "pages", "messages", "of the budget", "fewest and most if changed",
        title=f"Thresholds beside a budget of {number(report.budget)} pages a week",
    )  # fmt: skip
    for row in report.rows:
        table.add_row(
            row.alert + (" *" if row.without else ""),
            row.threshold,
            str(row.pages),
            str(row.messages),
            f"{row.share * 100:.0f} %",
            _spread(row),
        )
    if any(row.without for row in report.rows):
        table.caption = "* judged without what would excuse it: see the HTML report"
    return table


def _tight(report: Report) -> Table:
    some = f", the first {_SHOWN} of {len(report.tight)}" if len(report.tight) > _SHOWN else ""
    table = Table(
        "DAG", "tier", "promised", "age if all runs come through", "if one fails", "holds from",
        title=f"Promises that one failed run breaks{some}",
    )  # fmt: skip
    for tight in report.tight[:_SHOWN]:
        always = tight.promised < tight.well
        table.add_row(
            tight.dag_id,
            tight.tier,
            length(tight.promised),
            f"[red]{length(tight.well)}[/]" if always else length(tight.well),
            length(tight.one_failed),
            length(tight.proposed),
        )
    return table


def _spread(row: Row) -> str:
    """Return the fewest and the most that another threshold would have given, and which."""
    if not row.grid:
        return ""
    fewest, most = (
        pick(row.grid, key=lambda tried: tried.pages + tried.messages) for pick in (min, max)
    )
    least, greatest = fewest.pages + fewest.messages, most.pages + most.messages
    if least == greatest:
        return f"{least} with each of {len(row.grid)}"
    return f"{least} ({fewest.threshold}) – {greatest} ({most.threshold})"


def as_json(report: Report) -> dict[str, Any]:
    """Return a report as JSON takes it; moments are Unix times, lengths are seconds."""
    found = dataclasses.asdict(report)
    found["totals"] = {
        "pages": report.count("page"),
        "messages": report.count("message"),
        "notifications": report.told("page") + report.told("message"),
        "pages_per_day": report.count("page") / max(report.days, 1e-9),
        "critical_per_day": report.per_day("critical"),
        "warning_per_day": report.per_day("warning"),
    }
    for page in found["pages"]:
        page["failing"] = [{"dag_id": dag, "runs": runs} for dag, runs in page["failing"]]
    found["tried"] = [{"alert": alert, **tried} for alert, tried in found["tried"]]
    found["not_judged"] = dict(report.not_judged)
    return found
