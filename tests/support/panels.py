"""Asking a Prometheus what a panel asks it, as Grafana does: range and step of the dashboard, every query of the panel."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from support.dashboards import VARIABLES, Json, dashboards, panels

#: Pixels of a panel that is as wide as the dashboard on a full screen: Grafana asks for one point each.
_PIXELS = 1850
#: Seconds between two scrapes, which no step goes below.
SCRAPE = 15
_UNITS = {"m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel that asks something.

    Attributes:
        number: Of the panel in its dashboard.
        span: Seconds that its dashboard shows when it is opened.
        step: Seconds between two points.
        queries: (expression, whether it is asked for one moment).
        nothing: What it shows where there is no data.
    """

    dashboard: str
    number: int
    title: str
    span: int
    step: int
    queries: tuple[tuple[str, bool], ...]
    nothing: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What came back.

    Attributes:
        seconds: All its queries, one after the other; Grafana asks them at once.
        series: Of all answers.
        faults: What Prometheus refused.
    """

    panel: Panel
    seconds: float
    series: int
    faults: Sequence[str]


def asking(dag: str) -> list[Panel]:
    """Return every panel with queries; `dag` is the DAG that the dashboard of one DAG shows."""
    return [
        _panel(dashboard, panel, dag)
        for dashboard in dashboards()
        for panel in panels(dashboard)
        if panel.get("targets")
    ]


def _panel(dashboard: Json, panel: Json, dag: str) -> Panel:
    begins = dashboard["time"]["from"].removeprefix("now-")
    span = int(begins[:-1]) * _UNITS[begins[-1]]
    points = panel.get("maxDataPoints", panel["gridPos"]["w"] / 24 * _PIXELS)
    step = max(SCRAPE, math.ceil(span / points / SCRAPE) * SCRAPE)
    values = {**VARIABLES, "$__rate_interval": f"{max(step + SCRAPE, 4 * SCRAPE)}s", "$dag": dag}
    return Panel(
        dashboard["uid"],
        panel["id"],
        panel["title"],
        span,
        step,
        tuple((_filled(one["expr"], values), one["instant"]) for one in panel["targets"]),
        panel["fieldConfig"]["defaults"].get("noValue", ""),
    )


def _filled(expression: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        expression = expression.replace(name, value)
    return expression


def ask(client: httpx.Client, panel: Panel, end: float) -> Asked:
    """Ask all that a panel asks, for a range that ends at a moment."""
    seconds, series, faults = 0.0, 0, []
    for expression, instant in panel.queries:
        began = time.perf_counter()
        body = answer(client, panel, expression, instant=instant, end=end)
        seconds += time.perf_counter() - began
        if body["status"] == "success":
            series += sum(1 for _ in with_values(body["data"]["result"]))
        else:
            faults.append(f"{panel.dashboard}: {panel.title}: {body.get('error')}: {expression}")
    return Asked(panel, seconds, series, faults)


def answer(
    client: httpx.Client, panel: Panel, expression: str, *, instant: bool, end: float
) -> Json:
    """Return what Prometheus answers to one query of a panel."""
    asked: dict[str, Any] = {"query": expression}
    if instant:
        asked["time"] = end
    else:
        first = (end - panel.span) // panel.step * panel.step
        asked |= {"start": first, "end": end // panel.step * panel.step, "step": panel.step}
    path = "/api/v1/query" if instant else "/api/v1/query_range"
    body: Json = client.post(path, data=asked).json()
    return body


def with_values(result: Sequence[Json]) -> Iterator[Json]:
    """Yield the series that have a number: a division by nothing gives NaN, which a panel shows as nothing."""
    for one in result:
        samples = one.get("values") or [one["value"]]
        if any(value != "NaN" for _, value in samples):
            yield one
