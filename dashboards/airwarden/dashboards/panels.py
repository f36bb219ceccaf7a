"""Panel builders over grafanalib's classes: every panel has a title, a description and a unit.

grafanalib 0.7.1 writes an old schema; `normalise` turns what these builders return into today's. What
a class of grafanalib has no parameter for goes through its `extraJson`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airwarden.dashboards.queries import Query

#: Every query asks the data source that the reader chose.
DATASOURCE = {"type": "prometheus", "uid": "${ds}"}

Steps = Sequence[Mapping[str, Any]]
Json = dict[str, Any]

RED, YELLOW, GREEN, NEUTRAL = "red", "yellow", "green", "text"


def at_least(goal: float) -> Steps:
    """Return steps that are green from `goal` upwards."""
    return [{"color": RED, "value": None}, {"color": GREEN, "value": goal}]


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


def _targets(queries: Sequence[Query], *, table: bool = False) -> list[Any]:
    from grafanalib.core import Target

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
    no_value: str = "no data",
) -> Any:
    """Return big numbers, each with its trend over the dashboard's time range behind it."""
    from grafanalib.core import Stat

    return Stat(
        title=title,
        description=description,
        format=unit,
        dataSource=DATASOURCE,
        targets=_targets(queries),
        thresholds=list(steps or plain()),
        mappings=list(mappings),
        overrides=list(overrides),
        decimals=decimals,
        noValue=no_value,
        reduceCalc="lastNotNull",
        textMode="value_and_name" if len(queries) > 1 else "value",
        color={"mode": "thresholds"},
    )


def timeseries(
    title: str,
    description: str,
    unit: str,
    queries: Sequence[Query],
    *,
    limit: float | None = None,
    stacked: bool = False,
    maximum: float | None = None,
) -> Any:
    """Return lines over time; `limit` is drawn as a dashed line, beyond it the alert fires."""
    from grafanalib.core import TimeSeries

    custom: Json = {"axisColorMode": "text", "axisCenteredZero": False}
    if limit is not None:
        custom["thresholdsStyle"] = {"mode": "dashed"}
    return TimeSeries(
        title=title,
        description=description,
        unit=unit,
        dataSource=DATASOURCE,
        targets=_targets(queries),
        thresholds=list(plain() if limit is None else at_most(limit)),
        fillOpacity=30 if stacked else 8,
        stacking={"mode": "normal" if stacked else "none", "group": "A"},
        showPoints="never",
        legendCalcs=["lastNotNull", "max"],
        legendDisplayMode="table" if len(queries) > 1 else "list",
        tooltipMode="multi",
        tooltipSort="desc",
        extraJson={
            "fieldConfig": {"defaults": {"min": 0, "max": maximum, "custom": custom}},
        },
    )


def timeline(
    title: str,
    description: str,
    queries: Sequence[Query],
    mappings: Sequence[Json],
    *,
    steps: Steps = (),
) -> Any:
    """Return one bar a series, coloured by its state over time."""
    from grafanalib.core import StateTimeline

    return StateTimeline(
        title=title,
        description=description,
        dataSource=DATASOURCE,
        targets=_targets(queries),
        mappings=list(mappings),
        thresholds=list(steps or plain()),
        showValue="never",
        extraJson={"fieldConfig": {"defaults": {"unit": "none"}}},
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
    no_value: str = "none",
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
    """
    from grafanalib.core import Table

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
        extraJson={
            "options": {"sortBy": sorting},
            "fieldConfig": {"defaults": {"noValue": no_value}},
        },
    )


def text(title: str, description: str, content: str) -> Any:
    """Return a panel of Markdown."""
    from grafanalib.core import Text

    return Text(title=title, description=description, content=content, mode="markdown")
