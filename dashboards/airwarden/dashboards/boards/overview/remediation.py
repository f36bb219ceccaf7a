"""What is left of the error budgets, what is open, and what Airwarden does about it."""

from __future__ import annotations

from airwarden.dashboards.absent import none_now
from airwarden.dashboards.boards.objectives import budgets_left
from airwarden.dashboards.boards.remediation import OPEN, actions_over_time, leaders, time_to_heal
from airwarden.dashboards.layout import Section, Sized
from airwarden.dashboards.names import OBJECTIVES, REMEDIATION
from airwarden.dashboards.panels import stat, table
from airwarden.dashboards.queries import Query, increase, own


def remediation() -> Section:
    """Return budgets, open incidents and what is done about them."""
    return Section(
        "Error budgets and remediation",
        (
            Sized(budgets_left(OBJECTIVES), 8, 9),
            Sized(
                table(
                    "Incidents that are open",
                    "By state. Which ones: `airwarden incidents`; the story of one: `airwarden "
                    "explain ID`.",
                    "none",
                    [Query(f"sum by (cluster, state) ({OPEN}) > 0", instant=True)],
                    columns={"state": "State", "cluster": "Cluster", "Value #A": "Incidents"},
                    sort_by="Incidents",
                    no_value=none_now("no incident is open"),
                    more=REMEDIATION,
                ),
                8,
                9,
            ),
            Sized(actions_over_time(REMEDIATION), 8, 9),
            Sized(leaders(), 8, 4),
            Sized(time_to_heal(REMEDIATION), 8, 4),
            Sized(
                stat(
                    "Escalations",
                    "Incidents handed to a person in the window.",
                    "none",
                    [Query(increase(own("airwarden_escalations_total")))],
                    decimals=0,
                    no_value="no remediator",
                    more=REMEDIATION,
                ),
                8,
                4,
            ),
        ),
    )
