"""From sections of sized panels to a dashboard on Grafana's grid of 24 columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import attr
from grafanalib.core import Dashboard, GridPos, RowPanel, Templating, Time

from airwarden.dashboards.events import drawn_events
from airwarden.dashboards.names import OVERVIEW, Board
from airwarden.dashboards.normalise import normalise
from airwarden.dashboards.variables import variables

COLUMNS = 24
#: By this tag the menu of every dashboard finds the others.
TAG = "airwarden"


@dataclass(frozen=True, slots=True)
class Sized:
    """A panel with its width in columns (24 are a row) and its height in grid units of 30 pixels."""

    panel: Any
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part of a dashboard; panels flow from left to right and wrap.

    Attributes:
        title: The row's heading.
        panels: In reading order.
        collapsed: Folded until the reader opens it; its queries run only then.
    """

    title: str
    panels: tuple[Sized, ...]
    collapsed: bool = False


def row(*panels: Any, height: int = 8) -> tuple[Sized, ...]:
    """Return panels that share a row's width evenly; what cannot be shared stays empty at the right."""
    return tuple(Sized(panel, COLUMNS // len(panels), height) for panel in panels)


def numbers(*panels: Any) -> tuple[Sized, ...]:
    """Return a row of big numbers."""
    return row(*panels, height=4)


def _place(sized: Sequence[Sized], top: int) -> tuple[list[Any], int]:
    """Return the panels with their places, and the first free grid line below them."""
    placed: list[Any] = []
    left, line, tallest = 0, top, 0
    for item in sized:
        if left + item.width > COLUMNS:
            left, line, tallest = 0, line + tallest, 0
        position = GridPos(x=left, y=line, w=item.width, h=item.height)
        placed.append(attr.evolve(item.panel, gridPos=position))
        left, tallest = left + item.width, max(tallest, item.height)
    return placed, line + tallest


def _links(uid: str) -> list[dict[str, Any]]:
    """Return the way to the overview and the menu of all dashboards."""
    common = {
        "icon": "external link",
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
    }
    overview = {
        **common,
        "type": "link",
        "title": OVERVIEW.name,
        "tooltip": OVERVIEW.question,
        "url": OVERVIEW.url,
        "asDropdown": False,
        "tags": [],
    }
    menu = {
        **common,
        "type": "dashboards",
        "title": "All of Airwarden",
        "tooltip": "The other dashboards, with the same time range and variables.",
        "url": "",
        "asDropdown": True,
        "tags": [TAG],
    }
    return [menu] if uid == OVERVIEW.uid else [overview, menu]


def _hide_unused(built: dict[str, Any]) -> None:
    """Hide the variables that no query uses: they only carry a choice on to the next dashboard."""
    panels = [inner for panel in built["panels"] for inner in (panel, *panel.get("panels", ()))]
    asked = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    used = set(re.findall(r"\$\{?(\w+)", " ".join(asked)))
    for variable in built["templating"]["list"]:
        if variable["name"] not in used | {"ds", "cluster"}:
            variable["hide"] = 2


def dashboard(
    board: Board,
    sections: Sequence[Section],
    *,
    with_dag: bool = False,
    since: str = "now-6h",
) -> dict[str, Any]:
    """Return the finished dashboard as data, in schema version 42.

    Args:
        board: Which one.
        sections: From top to bottom.
        with_dag: Whether the reader chooses one DAG.
        since: The time range's start before the reader chooses another.
    """
    panels: list[Any] = []
    ids = count(1)
    line = 0
    for section in sections:
        content, below = _place(section.panels, line + 1)
        head = GridPos(x=0, y=line, w=COLUMNS, h=1)
        inside = content if section.collapsed else []
        panels.append(
            RowPanel(title=section.title, collapsed=section.collapsed, panels=inside, gridPos=head)
        )
        for panel in (panels[-1], *content):
            panel.id = next(ids)
        if section.collapsed:
            line += 1
        else:
            panels.extend(content)
            line = below
    built = Dashboard(
        uid=board.uid,
        title=board.title,
        description=board.question,
        panels=panels,
        tags=[TAG, "airflow"],
        timezone="browser",
        refresh="30s",
        time=Time(since, "now"),
        links=_links(board.uid),
        templating=Templating(list=variables(with_dag=with_dag)),
    )
    result = normalise(built, drawn_events())
    _hide_unused(result)
    return result
