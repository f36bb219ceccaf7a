"""Panel builders over grafanalib's classes: every panel has a title, a description and a unit.

grafanalib 0.7.1 writes an old schema; `normalise` turns what these builders return into today's. What
a class of grafanalib has no parameter for goes through its `extraJson`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grafanalib.core import (
    BarGauge,
    Stat,
    StateTimeline,
    Table,
    Target,
    Text,
    TimeSeries,
)

from airwarden.dashboards.absent import Source
from airwarden.dashboards.names import Board
from airwarden.dashboards.queries import Query, most_points

#: Every query asks the data source that the reader chose.
DATASOURCE = {"type": "prometheus", "uid": "${ds}"}

Steps = Sequence[Mapping[str, Any]]
Json = dict[str, Any]

RED, YELLOW, GREEN, NEUTRAL = "red", "yellow", "green", "text"


def at_least(goal: float) -> Steps:
    """Return steps that are green from `goal` upwards."""
    return [{"color": RED, "value": None}, {"color": GREEN, "value": goal}]


def between(floor: float, limit: float) -> Steps:
    """Return steps that are green from `floor` up to `limit`, and red on both sides."""
    return [*at_least(floor), {"color": RED, "value": limit}]


def any_is(colour: str) -> Steps:
    """Return steps that are green at zero, and of that colour from one upwards."""
    return [{"color": GREEN, "value": None}, {"color": colour, "value": 1}]


def at_most(limit: float) -> Steps:
    """Return steps that are red beyond `limit`."""
    return [{"color": GREEN, "value": None}, {"color": RED, "value": limit}]


def plain() -> Steps:
    """Return a single step without judgement."""
    return [{"color": NEUTRAL, "value": None}]


def value_names(names: Mapping[int, tuple[str, str]]) -> list[Json]:
    """Return a value mapping: number → (text, colour)."""
    options = {
        str(number): {"text": text, "color": colour, "index": index}
        for index, (number, (text, colour)) in enumerate(names.items())
    }
    return [{"type": "value", "options": options}]


UP_DOWN = value_names({0: ("down", RED), 1: ("up", GREEN)})


def override(field: str, **properties: Any) -> Json:
    """Return an override for the field of that name; `custom_width` stands for `custom.width`."""
    return {
        "matcher": {"id": "byName", "options": field},
        "properties": [
            {"id": key.replace("custom_", "custom."), "value": value}
            for key, value in properties.items()
        ],
    }


def _links(board: Board | None) -> list[Json]:
    """Return the link at a panel's title to the dashboard that says more."""
    if board is None:
        return []
    return [{"title": board.name, "url": board.link(), "targetBlank": False}]


def cell_link(title: str, url: str) -> list[Json]:
    """Return the value of an override's `links`: a click on the cell goes there."""
    return [{"title": title, "url": url, "targetBlank": False}]


def _targets(queries: Sequence[Query], *, table: bool = False) -> list[Any]:
    return [
        Target(
            expr=query.expr,
            legendFormat=query.legend or "__auto",
            refId=chr(ord("A") + index),
            instant=query.instant,
            format="table" if table else "time_series",
            datasource=DATASOURCE,
        )
        for index, query in enumerate(queries)
    ]


def _sentence(no_value: str | Source) -> str:
    return no_value.absent if isinstance(no_value, Source) else no_value


def stat(
    title: str,
    description: str,
    unit: str,
    queries: Sequence[Query],
    *,
    steps: Steps = (),
    mappings: Sequence[Json] = (),
    overrides: Sequence[Json] = (),
    decimals: int | None = None,
    no_value: str | Source = "no data",
    more: Board | None = None,
) -> Any:
    """Return big numbers, each with its trend over the dashboard's time range behind it.

    `more` is the dashboard that the panel's link leads to.
    """
    return Stat(
        title=title,
        description=description + (no_value.addition if isinstance(no_value, Source) else ""),
        format=unit,
        dataSource=DATASOURCE,
        targets=_targets(queries),
        maxDataPoints=most_points(queries),
        thresholds=list(steps or plain()),
        mappings=list(mappings),
        overrides=list(overrides),
        decimals=decimals,
        noValue=no_value.absent_number if isinstance(no_value, Source) else no_value,
        reduceCalc="lastNotNull",
        textMode="value_and_name" if len(queries) > 1 else "value",
        color={"mode": "thresholds"},
        links=_links(more),
    )


def bars(
    title: str,
    description: str,
    unit: str,
    queries: Sequence[Query],
    *,
    steps: Steps = (),
    minimum: float = 0,
    maximum: float | None = None,
    no_value: str | Source = "no data",
    more: Board | None = None,
) -> Any:
    """Return one horizontal bar a series, for its newest value."""
    return BarGauge(
        title=title,
        description=description,
        dataSource=DATASOURCE,
        targets=_targets(queries),
        maxDataPoints=most_points(queries),
        links=_links(more),
        extraJson={
            "options": {"displayMode": "basic", "orientation": "horizontal"},
            "fieldConfig": {
                "defaults": {
                    "unit": unit,
                    "min": minimum,
                    "max": maximum,
                    "noValue": _sentence(no_value),
                    "thresholds": {"mode": "absolute", "steps": list(steps or plain())},
                },
                "overrides": [],
            },
        },
    )


def timeseries(
    title: str,
    description: str,
    unit: str,
    queries: Sequence[Query],
    *,
    limit: float | None = None,
    floor: float | None = None,
    stacked: bool = False,
    maximum: float | None = None,
    minimum: float | None = 0,
    no_value: str | Source = "no data",
    more: Board | None = None,
) -> Any:
    """Return lines over time.

    `limit` is drawn as a dashed line: beyond it the alert fires. `floor` is the same where it fires
    below. `more` is the dashboard that the panel's link leads to.
    """
    custom: Json = {"axisColorMode": "text", "axisCenteredZero": False}
    steps = plain()
    if limit is not None or floor is not None:
        custom["thresholdsStyle"] = {"mode": "dashed"}
        steps = at_most(limit) if limit is not None else at_least(floor or 0)
    return TimeSeries(
        title=title,
        description=description,
        unit=unit,
        dataSource=DATASOURCE,
        targets=_targets(queries),
        maxDataPoints=most_points(queries),
        thresholds=list(steps),
        fillOpacity=30 if stacked else 8,
        stacking={"mode": "normal" if stacked else "none", "group": "A"},
        showPoints="never",
        legendCalcs=["lastNotNull", "max"],
        legendDisplayMode="table" if len(queries) > 1 else "list",
        tooltipMode="multi",
        tooltipSort="desc",
        extraJson={
            "fieldConfig": {
                "defaults": {
                    "min": minimum,
                    "max": maximum,
                    "noValue": _sentence(no_value),
                    "custom": custom,
                }
            },
        },
        links=_links(more),
    )


def timeline(
    title: str,
    description: str,
    queries: Sequence[Query],
    mappings: Sequence[Json],
    *,
    steps: Steps = (),
    no_value: str | Source = "no data",
    more: Board | None = None,
) -> Any:
    """Return one bar a series, coloured by its state over time."""
    return StateTimeline(
        title=title,
        description=description,
        dataSource=DATASOURCE,
        targets=_targets(queries),
        maxDataPoints=most_points(queries),
        mappings=list(mappings),
        thresholds=list(steps or plain()),
        showValue="never",
        extraJson={"fieldConfig": {"defaults": {"unit": "none", "noValue": _sentence(no_value)}}},
        links=_links(more),
    )


def table(
    title: str,
    description: str,
    unit: str,
    queries: Sequence[Query],
    *,
    columns: Mapping[str, str],
    overrides: Sequence[Json] = (),
    sort_by: str = "",
    no_value: str | Source = "none",
    more: Board | None = None,
) -> Any:
    """Return a table of instant queries, joined by their common labels.

    Args:
        title: Shown above it.
        description: Shown behind the (i).
        unit: Of the columns that no override gives another.
        queries: The first's values are the column `Value #A`, and so on.
        columns: Field → heading, in the order wanted; other fields are hidden.
        overrides: By heading.
        sort_by: Heading of the column to sort by, greatest first.
        no_value: Shown in the place of an absent value.
        more: The dashboard that the panel's link leads to.
    """
    transformations: list[Json] = [
        {"id": "merge", "options": {}},
        {"id": "filterFieldsByName", "options": {"include": {"names": list(columns)}}},
        {
            "id": "organize",
            "options": {
                "excludeByName": {},
                "indexByName": {field: index for index, field in enumerate(columns)},
                "renameByName": dict(columns),
            },
        },
    ]
    sorting = [{"displayName": sort_by, "desc": True}] if sort_by else []
    return Table(
        title=title,
        description=description,
        unit=unit,
        dataSource=DATASOURCE,
        targets=_targets(queries, table=True),
        thresholds=list(plain()),
        transformations=transformations,
        overrides=list(overrides),
        filterable=True,
        links=_links(more),
        extraJson={
            "options": {"sortBy": sorting},
            "fieldConfig": {"defaults": {"noValue": _sentence(no_value)}},
        },
    )


def text(title: str, description: str, content: str) -> Any:
    """Return a panel of Markdown."""
    return Text(title=title, description=description, content=content, mode="markdown")
