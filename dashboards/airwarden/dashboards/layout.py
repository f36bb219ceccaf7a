"""From sections of sized panels to a dashboard on Grafana's grid of 24 columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airwarden.dashboards.normalise import normalise
from airwarden.dashboards.panels import DATASOURCE

COLUMNS = 24


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


def _place(sized: Sequence[Sized], top: int) -> tuple[list[Any], int]:
    """Return the panels with their places, and the first free grid line below them."""
    import attr
    from grafanalib.core import GridPos

    placed: list[Any] = []
    left, line, tallest = 0, top, 0
    for item in sized:
        if left + item.width > COLUMNS:
            left, line, tallest = 0, line + tallest, 0
        position = GridPos(x=left, y=line, w=item.width, h=item.height)
        placed.append(attr.evolve(item.panel, gridPos=position))
        left, tallest = left + item.width, max(tallest, item.height)
    return placed, line + tallest


def _variables() -> list[Any]:
    from grafanalib.core import Template

    source = Template(name="ds", label="Data source", type="datasource", query="prometheus")
    window = Template(
        name="window", label="Window", type="custom", query="1h,6h,1d,7d", default="1h"
    )
    filters = [
        Template(
            name=label,
            label=title,
            dataSource=DATASOURCE,
            query=f"label_values({metric}, {label})",
            includeAll=True,
            multi=True,
            # Matches a series without the label too: `All` hides nothing.
            allValue=".*",
            default="$__all",
            refresh=2,
        )
        for label, title, metric in (
            ("cluster", "Cluster", "airwarden_component_up"),
            ("tier", "Tier", 'airwarden_dag_runs_finished_total{cluster=~"$cluster"}'),
            ("team", "Team", 'airwarden_dag_runs_finished_total{cluster=~"$cluster"}'),
        )
    ]
    return [source, *filters, window]


def dashboard(
    *,
    uid: str,
    title: str,
    description: str,
    sections: Sequence[Section],
) -> dict[str, Any]:
    """Return the finished dashboard as data, in schema version 42.

    Args:
        uid: Its identity for ever; links and the alerts' `dashboard_url` contain it.
        title: Its name in Grafana.
        description: What question it answers.
        sections: From top to bottom.
    """
    from grafanalib.core import Dashboard, GridPos, RowPanel, Templating, Time

    panels: list[Any] = []
    line = 0
    for section in sections:
        content, below = _place(section.panels, line + 1)
        head = GridPos(x=0, y=line, w=COLUMNS, h=1)
        inside = content if section.collapsed else []
        panels.append(
            RowPanel(title=section.title, collapsed=section.collapsed, panels=inside, gridPos=head)
        )
        if section.collapsed:
            line += 1
        else:
            panels.extend(content)
            line = below
    built = Dashboard(
        uid=uid,
        title=title,
        description=description,
        panels=panels,
        tags=["airwarden", "airflow"],
        timezone="browser",
        refresh="30s",
        time=Time("now-6h", "now"),
        templating=Templating(list=_variables()),
    ).auto_panel_ids()
    return normalise(built)
