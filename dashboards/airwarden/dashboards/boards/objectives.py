"""Which objectives are met, how much of each error budget is left, and how fast does it go?

All of it is recorded by the rules: no panel reads the events themselves.
"""

from __future__ import annotations

from typing import Any

from airwarden.dashboards.config import DashboardConfig
from airwarden.dashboards.layout import Section, Sized, dashboard, row
from airwarden.dashboards.names import OBJECTIVES, Board
from airwarden.dashboards.panels import (
    GREEN,
    RED,
    YELLOW,
    bars,
    override,
    table,
    text,
    timeseries,
)
from airwarden.dashboards.queries import Query, series

LEFT = "cluster_slo:airwarden_error_budget_left:ratio"
_EVENTS = "cluster_slo:airwarden_events:count"
_BAD = "cluster_slo:airwarden_bad_events:count"
#: The share of events that may be bad; the same for every cluster.
_BUDGET = "slo:airwarden_error_budget:ratio"
#: What the alerts call a fast burn, over an hour.
_FAST = 14.4
_STEPS = (
    {"color": RED, "value": None},
    {"color": YELLOW, "value": 0},
    {"color": GREEN, "value": 0.25},
)
_ABSENT = "Not recorded yet: the rules that `airwarden build` writes have to run in this Prometheus"

_DEFINED = """\
Each objective is a share of **good events** among all, over 30 days. What counts as an event, and as a good
one, stands in `docs/how-to/objectives.md`; targets and limits are set under `objectives:` in
`airwarden.yaml`.

**Burn** is how fast the budget goes: at 1 it lasts exactly the 30 days, at 14.4 an hour costs 2 % of it.
The alert fires where a long and a short window both burn: it is no blip, and it has not ended.
"""


def _error(window: str) -> str:
    return f"max by (cluster, slo) ({series(f'cluster_slo:airwarden_error:ratio_{window}')})"


def _burn(window: str) -> str:
    return f"{_error(window)} / on (slo) group_left () {_BUDGET}"


def objectives(_config: DashboardConfig) -> dict[str, Any]:
    """Return the dashboard of objectives."""
    return dashboard(OBJECTIVES, (_budgets(), _burning(), _events()), since="now-7d")


def budgets_left(more: Board | None = None) -> Any:
    """Return what is left of each error budget."""
    return bars(
        "Error budgets",
        "What is left of each objective's budget of 30 days. At 0 more was bad than the objective "
        "allows; below a quarter, changes should wait.",
        "percentunit",
        [Query(f"min by (cluster, slo) ({series(LEFT)})", "{{slo}} {{cluster}}")],
        steps=_STEPS,
        minimum=-1,
        maximum=1,
        no_value=_ABSENT,
        more=more,
    )


def _budgets() -> Section:
    return Section(
        "Objectives",
        (
            Sized(budgets_left(), 8, 10),
            Sized(
                table(
                    "Objectives, as they stand",
                    "Bad events among all over the last hour, day and three days, beside the share "
                    "that may be bad, and what is left of 30 days' budget.",
                    "percentunit",
                    [
                        Query(f"min by (cluster, slo) ({series(LEFT)})", instant=True),
                        Query(f"1 - ({_error('1h')})", instant=True),
                        Query(f"1 - ({_error('1d')})", instant=True),
                        Query(f"1 - ({_error('3d')})", instant=True),
                        Query(
                            f"1 - (0 * {_error('5m')} + on (slo) group_left () {_BUDGET})",
                            instant=True,
                        ),
                    ],
                    columns={
                        "slo": "Objective",
                        "cluster": "Cluster",
                        "Value #E": "Target",
                        "Value #B": "Good, 1 h",
                        "Value #C": "Good, 1 d",
                        "Value #D": "Good, 3 d",
                        "Value #A": "Budget left",
                    },
                    overrides=[
                        override(
                            "Budget left",
                            decimals=0,
                            thresholds={"mode": "absolute", "steps": list(_STEPS)},
                            custom_cellOptions={"type": "color-text"},
                        ),
                        *(
                            override(name, decimals=3)
                            for name in ("Target", "Good, 1 h", "Good, 1 d", "Good, 3 d")
                        ),
                    ],
                    no_value="",
                ),
                16,
                10,
            ),
        ),
    )


def _burning() -> Section:
    return Section(
        "Burn",
        (
            *row(
                timeseries(
                    "Burn over an hour",
                    "How many times faster than allowed the budget goes. Beyond the line, and over "
                    "5 minutes too, the alert pages.",
                    "none",
                    [Query(_burn("1h"), "{{slo}} {{cluster}}")],
                    limit=_FAST,
                    no_value=_ABSENT,
                ),
                timeseries(
                    "Burn over six hours",
                    "The same over six hours: beyond the line, and over 30 minutes too, it pages.",
                    "none",
                    [Query(_burn("6h"), "{{slo}} {{cluster}}")],
                    limit=6,
                    no_value=_ABSENT,
                ),
                timeseries(
                    "Burn over three days",
                    "Beyond the line, and over six hours too, it is a warning.",
                    "none",
                    [Query(_burn("3d"), "{{slo}} {{cluster}}")],
                    limit=1,
                    no_value=_ABSENT,
                ),
            ),
            *row(
                timeseries(
                    "Budget left over time",
                    "What is left of 30 days' budget.",
                    "percentunit",
                    [Query(f"min by (cluster, slo) ({series(LEFT)})", "{{slo}} {{cluster}}")],
                    floor=0,
                    minimum=None,
                    maximum=1,
                    no_value=_ABSENT,
                ),
                text("What is counted", "Objectives, budgets and burn in short.", _DEFINED),
            ),
        ),
    )


def _events() -> Section:
    return Section(
        "Events",
        row(
            timeseries(
                "Events counted",
                "Events of 5 minutes, by objective; of objectives about a state, one at each look.",
                "short",
                [Query(f"sum by (cluster, slo) ({series(_EVENTS)})", "{{slo}} {{cluster}}")],
                no_value=_ABSENT,
            ),
            timeseries(
                "Bad events",
                "Bad events among them.",
                "short",
                [Query(f"sum by (cluster, slo) ({series(_BAD)})", "{{slo}} {{cluster}}")],
                no_value=_ABSENT,
            ),
        ),
        collapsed=True,
    )
