"""How do ETL, ML training, analytics, data quality, reporting and ad hoc pipelines do, each?"""

from __future__ import annotations

from typing import Any

from airwarden.dashboards.config import DashboardConfig, Limits
from airwarden.dashboards.layout import Section, Sized, dashboard, row
from airwarden.dashboards.names import BUSINESS, TYPES, Board
from airwarden.dashboards.panels import cell_link, override, table, timeseries
from airwarden.dashboards.queries import (
    ENDED_RUNS_BY_TYPE,
    Query,
    constants,
    counted,
    mean,
    quantile,
    series,
)

_SECONDS = "airwarden_dag_run_duration_seconds"

#: Type → runs a day, mean duration in seconds, success ratio, as the profile states them.
PROFILE: dict[str, tuple[float, float, float]] = {
    "etl": (8_500, 45 * 60, 0.998),
    "ml_training": (2_200, 2.8 * 3600, 0.985),
    "analytics": (6_800, 25 * 60, 0.996),
    "data_quality": (4_200, 15 * 60, 0.999),
    "reporting": (2_800, 35 * 60, 0.994),
    "ad_hoc": (500, 1.2 * 3600, 0.978),
}


def types(config: DashboardConfig) -> dict[str, Any]:
    """Return the dashboard of pipelines by type."""
    return dashboard(TYPES, (table_of_types(), _over_time(config.limits)), since="now-24h")


def table_of_types(more: Board | None = None) -> Section:
    """Return runs, share, duration and success of each type beside the profile's figures."""
    chosen = ("tier", "type")
    daily = counted(series(ENDED_RUNS_BY_TYPE, *chosen), by="type", over="1d")
    total = counted(series(ENDED_RUNS_BY_TYPE, "tier"), over="1d")
    good = counted(series(ENDED_RUNS_BY_TYPE, *chosen, state="success"), by="type")
    ended = counted(series(ENDED_RUNS_BY_TYPE, *chosen, state="~success|failed"), by="type")
    goals = [
        constants("type", {name: line[index] for name, line in PROFILE.items()})
        for index in range(3)
    ]
    expressions = [
        daily,
        goals[0],
        f"{daily} / scalar({total})",
        mean(_SECONDS, "tier", "type", by="type"),
        goals[1],
        f"{good} / {ended}",
        goals[2],
    ]
    return Section(
        "Pipelines by type",
        (
            Sized(
                table(
                    "Pipelines by type",
                    "Of all teams: runs and share over the last 24 hours, duration and success over "
                    "the dashboard's window, each beside the profile's figure. A DAG's type comes from "
                    "its tag `type:NAME` or from the match rules in airwarden.yaml.",
                    "short",
                    [Query(expression, instant=True) for expression in expressions],
                    columns={
                        "type": "Type",
                        "Value #A": "Runs/day",
                        "Value #B": "Profile runs/day",
                        "Value #C": "Share",
                        "Value #D": "Mean duration",
                        "Value #E": "Profile duration",
                        "Value #F": "Success",
                        "Value #G": "Profile success",
                    },
                    overrides=[
                        override(
                            "Type",
                            links=cell_link("This type alone", TYPES.link(type="${__value.raw}")),
                        ),
                        override("Runs/day", decimals=0),
                        override("Share", unit="percentunit", decimals=0),
                        override("Mean duration", unit="s"),
                        override("Profile duration", unit="s"),
                        override("Success", unit="percentunit", decimals=2),
                        override("Profile success", unit="percentunit", decimals=2),
                    ],
                    sort_by="Profile runs/day",
                    no_value="no runs",
                    more=more,
                ),
                24,
                8,
            ),
        ),
    )


def _over_time(limits: Limits) -> Section:
    chosen = ("tier", "type")
    failed = counted(series(ENDED_RUNS_BY_TYPE, *chosen, state="failed"), by="type")
    ended = counted(series(ENDED_RUNS_BY_TYPE, *chosen, state="~success|failed"), by="type")
    buckets = series(f"{_SECONDS}_bucket", "tier", "type")
    return Section(
        "Over time",
        (
            *row(
                timeseries(
                    "Runs ended",
                    "DAG runs that ended, per hour, by type.",
                    "short",
                    [
                        Query(
                            f"60 * sum by (type) ({series(ENDED_RUNS_BY_TYPE, *chosen)})",
                            "{{type}}",
                        )
                    ],
                    stacked=True,
                ),
                timeseries(
                    "Failed runs",
                    "Failed among finished runs of the window, by type. The line is the alert's "
                    "limit for the whole platform.",
                    "percentunit",
                    [Query(f"{failed} / ({ended} > 0)", "{{type}}")],
                    limit=limits.dag_failure_ratio,
                    maximum=1,
                ),
            ),
            *row(
                timeseries(
                    "Duration, mean",
                    "Mean time from a run's start to its end, of the runs that ended in the window.",
                    "s",
                    [Query(mean(_SECONDS, "tier", "type", by="type"), "{{type}}")],
                ),
                timeseries(
                    "Duration, p95",
                    "The slowest twentieth of them took at least so long.",
                    "s",
                    [Query(quantile(0.95, buckets, by="type"), "{{type}}")],
                ),
                timeseries(
                    "Run types",
                    "Runs ended in the window by what started them: the schedule, a backfill, a "
                    "person, an asset.",
                    "short",
                    [
                        Query(
                            counted(series(ENDED_RUNS_BY_TYPE, *chosen), by="run_type"),
                            "{{run_type}}",
                        )
                    ],
                    stacked=True,
                    more=BUSINESS,
                ),
            ),
        ),
    )
