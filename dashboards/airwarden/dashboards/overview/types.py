"""The profile's table of pipeline types, live."""

from __future__ import annotations

from airwarden.dashboards.layout import Section, Sized
from airwarden.dashboards.panels import override, table
from airwarden.dashboards.queries import Query, constants, increase, mean, series

RUNS = "airwarden_dag_runs_finished_total"

#: Type → runs a day, mean duration in seconds, success ratio, as the profile states them.
PROFILE: dict[str, tuple[float, float, float]] = {
    "etl": (8_500, 45 * 60, 0.998),
    "ml_training": (2_200, 2.8 * 3600, 0.985),
    "analytics": (6_800, 25 * 60, 0.996),
    "data_quality": (4_200, 15 * 60, 0.999),
    "reporting": (2_800, 35 * 60, 0.994),
    "ad_hoc": (500, 1.2 * 3600, 0.978),
}


def pipeline_types() -> Section:
    """Return runs, share, duration and success of each type beside the profile's figures."""
    daily = increase(series(RUNS, "tier", "team"), by="type", over="1d")
    total = increase(series(RUNS, "tier", "team"), over="1d")
    good = increase(series(RUNS, "tier", "team", state="success"), by="type")
    ended = increase(series(RUNS, "tier", "team", state="~success|failed"), by="type")
    goals = [
        constants("type", {name: row[index] for name, row in PROFILE.items()}) for index in range(3)
    ]
    expressions = [
        daily,
        goals[0],
        f"{daily} / scalar({total})",
        mean("airwarden_dag_run_duration_seconds", "tier", by="type"),
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
                    "Runs and share over the last 24 hours, duration and success over the "
                    "dashboard's window, each beside the profile's figure. A DAG's type comes from "
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
                        override("Runs/day", decimals=0),
                        override("Share", unit="percentunit", decimals=0),
                        override("Mean duration", unit="s"),
                        override("Profile duration", unit="s"),
                        override("Success", unit="percentunit", decimals=2),
                        override("Profile success", unit="percentunit", decimals=2),
                    ],
                    sort_by="Profile runs/day",
                    no_value="no runs",
                ),
                24,
                8,
            ),
        ),
    )
