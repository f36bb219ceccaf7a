"""What happened, drawn across every graph: actions, deployments, restarts, critical alerts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airwarden.dashboards.panels import DATASOURCE
from airwarden.dashboards.queries import series


@dataclass(frozen=True, slots=True)
class Annotation:
    """One kind of event; each sample above zero is one.

    Attributes:
        name: Of its switch at the dashboard's top.
        expr: PromQL; may use `$cluster`.
        title: Grafana's legend format over the series' labels.
        tags: Labels shown as tags.
        colour: Of the line.
        enabled: Whether it is drawn before somebody switches it on.
    """

    name: str
    expr: str
    title: str
    tags: tuple[str, ...]
    colour: str
    enabled: bool = True


def _grew(counter: str, by: str) -> str:
    return f"sum by ({by}) (increase({series(counter)}[$__rate_interval])) > 0"


_CRITICAL = 'ALERTS{alertstate="firing",severity="critical",cluster=~"$cluster"}'

EVENTS: tuple[Annotation, ...] = (
    Annotation(
        "Actions",
        _grew("airwarden_actions_total", "cluster, action, outcome"),
        "Airwarden: {{action}} ({{outcome}})",
        ("cluster", "action", "outcome"),
        "purple",
    ),
    Annotation(
        "Deployments",
        _grew("airwarden_dag_versions_total", "cluster, kind"),
        "DAGs deployed: {{kind}}",
        ("cluster", "kind"),
        "blue",
    ),
    Annotation(
        "Restarts",
        "sum by (cluster, component) (changes("
        f"{series('airwarden_host_process_start_timestamp_seconds')}[$__rate_interval])) > 0",
        "Restarted: {{component}}",
        ("cluster", "component"),
        "orange",
        enabled=False,
    ),
    Annotation(
        "Critical alerts",
        f"max by (cluster, alertname) ({_CRITICAL})",
        "{{alertname}}",
        ("cluster", "alertname"),
        "red",
        enabled=False,
    ),
)


def drawn_events() -> list[dict[str, Any]]:
    """Return the annotation list as Grafana reads it."""
    return [
        {
            "datasource": DATASOURCE,
            "enable": entry.enabled,
            "hide": False,
            "iconColor": entry.colour,
            "name": entry.name,
            "expr": entry.expr,
            "step": "60s",
            "tagKeys": ",".join(entry.tags),
            "titleFormat": entry.title,
            "textFormat": "",
            "useValueForTime": False,
        }
        for entry in EVENTS
    ]
