"""The report as one HTML file that needs nothing else: no script, font or picture from anywhere."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from airwarden.core.thresholds import Unit
from airwarden.rules.backtest.report import Page, Report

_WIDTH = 1000.0
_LANE = 18


def html(report: Report) -> str:
    """Return the report as HTML."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {
        "moment": moment, "lasting": length, "number": number, "worst": worst, "earlier": earlier,
    }  # fmt: skip
    template = files("airwarden.rules.backtest") / "report.html.j2"
    return environment.from_string(template.read_text(encoding="utf-8")).render(
        report=report, timeline=_timeline(report), days=_days(report)
    )


def moment(unix: float) -> str:
    """Return a moment as people read it, in UTC."""
    return datetime.fromtimestamp(unix, UTC).strftime("%a %d %b %H:%M")


def length(seconds: float) -> str:
    """Return a length of time in its two largest units."""
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes}m"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours}h {minutes:02}m"
    days, hours = divmod(hours, 24)
    return f"{days}d {hours}h"


def number(value: float) -> str:
    """Return a number with as many digits as matter."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def worst(page: Page) -> str:
    """Return the greatest value while a page lasted, as its limit would be written."""
    if page.unit in (Unit.SECONDS, Unit.SLA):
        return length(page.worst)
    return f"{page.worst * 100:.3g} %" if page.unit is Unit.RATIO else number(page.worst)


def earlier(seconds: float) -> str:
    """Return by how much an incident was told of before people noticed, or after."""
    return f"{length(seconds)} before" if seconds >= 0 else f"{length(-seconds)} after"


def _timeline(report: Report) -> dict[str, Any]:
    """Return the bars of the timeline: a lane an alert, incidents above."""
    lanes: dict[str, list[Page]] = {}
    for page in report.pages:
        lanes.setdefault(page.alert, []).append(page)
    whole = max(report.end - report.start, 1.0)

    def bar(began: float, seconds: float) -> dict[str, float]:
        left = max(0.0, (began - report.start) / whole * _WIDTH)
        return {"x": round(left, 2), "width": round(max(2.5, seconds / whole * _WIDTH), 2)}

    return {
        "width": _WIDTH,
        "lane": _LANE,
        "height": _LANE * (len(lanes) + 1) + 24,
        "incidents": [
            {"name": f.incident.name, "told": f.told,
             **bar(f.incident.began, f.incident.ended - f.incident.began)}
            for f in report.incidents
        ],
        "lanes": [
            {"alert": alert, "y": _LANE * (place + 1),
             "bars": [{"page": page, **bar(page.began, page.seconds)} for page in pages]}
            for place, (alert, pages) in enumerate(sorted(lanes.items()))
        ],
    }  # fmt: skip


def _days(report: Report) -> list[dict[str, Any]]:
    """Return the days with a place on the timeline, no more than fit."""
    step = max(1, round(report.days / 15))
    first = (int(report.start) // 86_400 + 1) * 86_400
    whole = max(report.end - report.start, 1.0)
    return [
        {"x": round((at - report.start) / whole * _WIDTH, 2),
         "text": datetime.fromtimestamp(at, UTC).strftime("%d %b")}
        for at in range(first, int(report.end), 86_400 * step)
    ]  # fmt: skip
