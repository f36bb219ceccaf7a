"""Walking through generated dashboards: their panels, their queries, and queries without variables."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from airwarden.dashboards.config import DashboardConfig
from airwarden.dashboards.generate import build
from airwarden.rules.catalogue import resolve
from airwarden.rules.config import RuleConfig
from airwarden.rules.render_prometheus import rule_groups

Json = dict[str, Any]

#: What Grafana would put in the place of each variable, with `All` chosen everywhere.
VARIABLES = {
    "$__rate_interval": "5m",
    "$window": "1h",
    "$cluster": ".*",
    "$tier": ".*",
    "$team": ".*",
    "$type": ".*",
    "$queue": ".*",
    "$dag": "dag_id-1",
}


class PanelQuery(NamedTuple):
    """One query with the panel it stands in; `expr` has no variables any more."""

    dashboard: str
    panel: str
    expr: str
    instant: bool


@functools.cache
def _default() -> str:
    return json.dumps(_read(None))


def _read(config: DashboardConfig | None) -> list[Json]:
    return [json.loads(text) for path, text in build(config).items() if path.endswith(".json")]


def dashboards(config: DashboardConfig | None = None) -> list[Json]:
    """Return every generated dashboard."""
    if config is not None:
        return _read(config)
    found: list[Json] = json.loads(_default())
    return found


def panels(dashboard: Json, *, rows: bool = False) -> Iterator[Json]:
    """Yield all panels, those in folded rows included."""
    for panel in dashboard["panels"]:
        if panel["type"] != "row" or rows:
            yield panel
        yield from panel.get("panels", [])


def filled_in(expression: str) -> str:
    """Return an expression with a value in the place of each variable."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def queries(*, annotations: bool = True) -> list[PanelQuery]:
    """Return every query of every dashboard, ready to be asked, annotations' among them."""
    found = []
    for dashboard in dashboards():
        uid = dashboard["uid"]
        for panel in panels(dashboard):
            for target in panel.get("targets", []):
                expr = filled_in(target["expr"])
                found.append(PanelQuery(uid, panel["title"], expr, target["instant"]))
        found += [
            PanelQuery(uid, entry["name"], filled_in(entry["expr"]), False)
            for entry in dashboard["annotations"]["list"]
            if annotations and "expr" in entry
        ]
    return found


@functools.cache
def recordings() -> Mapping[str, frozenset[str]]:
    """Return every series that the rules record, with its labels: its name begins with them."""
    groups = rule_groups(resolve(RuleConfig()))
    return {
        rule["record"]: frozenset(re.findall("run_type|[^_]+", rule["record"].split(":")[0]))
        for group in groups
        for rule in group["rules"]
        if "record" in rule
    }
