"""What a reader may choose. Every dashboard has all of it, so that links carry each choice along.

A dashboard shows only what its panels use: a choice without effect would mislead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from grafanalib.core import Template

from airwarden.dashboards.panels import DATASOURCE

#: The variable for the window of ratios and quantiles.
WINDOWS = "1h,6h,1d,7d"

_RUNS = 'airwarden_dag_runs_finished_total{cluster=~"$cluster"}'
#: Every DAG that has series of its own: those of the tier critical, and the worst others.
_TRACKED = (
    '{__name__=~"airwarden_dag_consecutive_failures|airwarden_dag_last_success_timestamp_seconds",'
    'cluster=~"$cluster",dag_id!="_overflow"}'
)


@dataclass(frozen=True, slots=True)
class Filter:
    """A variable whose values are those of a label, `All` among them.

    Attributes:
        name: Of the variable.
        title: Shown beside it.
        query: Grafana's query for the values.
    """

    name: str
    title: str
    query: str


FILTERS: tuple[Filter, ...] = (
    Filter("cluster", "Cluster", "label_values(airwarden_component_up, cluster)"),
    Filter("tier", "Tier", f"label_values({_RUNS}, tier)"),
    Filter("team", "Team", f"label_values({_RUNS}, team)"),
    Filter("type", "Type", f"label_values({_RUNS}, type)"),
    Filter(
        "queue",
        "Queue",
        'label_values(airwarden_task_instances{cluster=~"$cluster"}, queue)',
    ),
)
#: The additional one of the dashboard of one DAG.
DAG = "dag"


def variables(*, with_dag: bool) -> list[Any]:
    """Return the templating list; `with_dag` adds the choice of one DAG."""
    source = Template(name="ds", label="Data source", type="datasource", query="prometheus")
    filters = [
        Template(
            name=entry.name,
            label=entry.title,
            dataSource=DATASOURCE,
            query=entry.query,
            includeAll=True,
            multi=True,
            # Matches a series without the label too: `All` hides nothing.
            allValue=".*",
            default="$__all",
            refresh=2,
            sort=1,
        )
        for entry in FILTERS
    ]
    one = [
        Template(
            name=DAG,
            label="DAG",
            dataSource=DATASOURCE,
            query=f"label_values({_TRACKED}, dag_id)",
            refresh=2,
            sort=1,
        )
    ]
    window = Template(name="window", label="Window", type="custom", query=WINDOWS, default="1h")
    return [source, *filters, *(one if with_dag else ()), window]
