"""Walking through generated dashboards: their panels, their queries, and queries without variables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from airwarden.dashboards.config import DashboardConfig
from airwarden.dashboards.generate import build

Json = dict[str, Any]

#: What Grafana would put in the place of each variable, with `All` chosen everywhere.
VARIABLES = {
    "$__rate_interval": "1m",
    "$window": "1h",
    "$cluster": ".*",
    "$tier": ".*",
    "$team": ".*",
}


class PanelQuery(NamedTuple):
    """One query with the panel it stands in; `expr` has no variables any more."""

    panel: str
    expr: str
    instant: bool


def dashboards(config: DashboardConfig | None = None) -> list[Json]:
    """Return every generated dashboard."""
    return [json.loads(text) for path, text in build(config).items() if path.endswith(".json")]


def panels(dashboard: Json, *, rows: bool = False) -> Iterator[Json]:
    """Yield all panels, those in folded rows included."""
    for panel in dashboard["panels"]:
        if panel["type"] != "row" or rows:
            yield panel
        yield from panel.get("panels", [])


def queries() -> list[PanelQuery]:
    """Return every query of every dashboard, ready to be asked."""
    found = []
    for dashboard in dashboards():
        for panel in panels(dashboard):
            for target in panel.get("targets", []):
                expr = target["expr"]
                for name, value in VARIABLES.items():
                    expr = expr.replace(name, value)
                found.append(PanelQuery(panel["title"], expr, target["instant"]))
    return found
