"""The metric catalogue: exporters emit, rules and dashboards use, only what stands here.

The data lies in `airwarden.core.catalogue`; `docs/reference/metrics.md` is rendered from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from airwarden.core.catalogue import (
    business,
    failures,
    kubernetes,
    mariadb,
    own,
    platform,
    postgresql,
    reported,
    site,
    waiting,
    workload,
)
from airwarden.core.catalogue.left_out import LEFT_OUT
from airwarden.core.catalogue.types import Metric, MetricType
from airwarden.core.errors import WrongInputError

__all__ = [
    "CATALOGUE",
    "LEFT_OUT",
    "SECTIONS",
    "Metric",
    "MetricType",
    "metric",
    "render_reference",
]

#: Heading of the reference page → its metrics, in the page's order.
SECTIONS: Mapping[str, tuple[Metric, ...]] = MappingProxyType(
    {
        "DAG runs, tasks, pools and assets": workload.METRICS,
        "What waits, is late or was lost": waiting.METRICS,
        "Why tasks fail, and canaries": failures.METRICS,
        "Components, hosts, broker, workers, database, dependencies": platform.METRICS,
        "Inside the metadata database": postgresql.METRICS,
        "A MariaDB server": mariadb.METRICS,
        "Airflow on Kubernetes": kubernetes.METRICS,
        "What Airflow reports of itself": reported.METRICS,
        "Business and pipelines": business.METRICS,
        "Only from a site's own exporters": site.METRICS,
        "Airwarden itself": own.METRICS,
    }
)

#: Full name → metric.
CATALOGUE: Mapping[str, Metric] = MappingProxyType(
    {entry.name: entry for entries in SECTIONS.values() for entry in entries}
)

_SAMPLE_SUFFIXES = ("_bucket", "_sum", "_count")


def metric(name: str) -> Metric:
    """Return a metric by its name, or by the name of one of a histogram's series.

    Raises:
        WrongInputError: The catalogue has no such metric; the hint names the nearest.
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    for suffix in _SAMPLE_SUFFIXES:
        base = CATALOGUE.get(name.removesuffix(suffix))
        if name.endswith(suffix) and base and base.type is MetricType.HISTOGRAM:
            return base
    import difflib

    near = difflib.get_close_matches(name, CATALOGUE, n=1)
    hint = f"did you mean {near[0]}?" if near else ""
    raise WrongInputError(f"no metric {name} in the catalogue", hint=hint)


def render_reference() -> str:
    """Return the reference page in Markdown."""
    lines = [
        "# Metrics",
        "",
        "Every metric also carries `cluster`, the name of an Airflow platform in `airwarden.yaml`;"
        " Airwarden's own carry the name of the platform that they serve, or `airwarden` where they"
        " serve all.",
        "",
        "This page is generated from `core/airwarden/core/catalogue/`; a test compares them.",
    ]
    for heading, entries in SECTIONS.items():
        lines += ["", f"## {heading}", "", "| metric | type | labels | meaning | source |"]
        lines.append("|---|---|---|---|---|")
        lines += [_row(entry) for entry in entries]
    lines += ["", "## Left out, and why", "", "| metric | why | instead |", "|---|---|---|"]
    for absent in LEFT_OUT:
        names = ", ".join(f"`{name}`" for name in absent.names)
        lines.append(f"| {names} | {absent.reason} | {absent.instead or '–'} |")
    return "\n".join(lines) + "\n"


def _row(entry: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in entry.labels) or "–"
    text = entry.help
    if entry.buckets:
        text += " Buckets: " + ", ".join(f"{bound:g}" for bound in entry.buckets) + "."
    return f"| `{entry.name}` | {entry.type} | {labels} | {text} | {entry.source} |"
