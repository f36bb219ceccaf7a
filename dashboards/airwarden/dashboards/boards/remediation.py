"""What does Airwarden do, what holds it back, how soon does it heal, and what may it be trusted with?"""

from __future__ import annotations

from typing import Any

from airwarden.dashboards.absent import none_now
from airwarden.dashboards.config import DashboardConfig
from airwarden.dashboards.layout import Section, Sized, dashboard, numbers, row
from airwarden.dashboards.names import ITSELF, REMEDIATION, Board
from airwarden.dashboards.panels import (
    GREEN,
    NEUTRAL,
    RED,
    YELLOW,
    any_is,
    between,
    override,
    stat,
    table,
    text,
    timeline,
    timeseries,
    value_names,
)
from airwarden.dashboards.queries import Query, increase, own, quantile, top

MODES = value_names(
    {0: ("off", NEUTRAL), 1: ("shadow", "blue"), 2: ("approve", YELLOW), 3: ("auto", GREEN)}
)
BREAKERS = value_names({0: ("closed", GREEN), 1: ("half-open", YELLOW), 2: ("open", RED)})
OPEN = own("airwarden_incidents", state="!~RESOLVED|CLOSED")
_HEAL = "airwarden_time_to_heal_seconds_bucket"
_ACT = "airwarden_time_to_act_seconds_bucket"
_ACTIONS = "airwarden_actions_total"
_ENDED = "airwarden_incidents_total"

_SCORECARD = """\
The table counts; **whether a promotion is earned** depends on people's verdicts too, which stand in the
journal:

- `airwarden scorecard` lists every playbook: mode, what it has earned, what is missing
- `airwarden scorecard PLAYBOOK` shows the firings that count
- `airwarden verdict` says what a person thinks of a plan that was only shown
- `airwarden mode` raises or lowers, and refuses what is not earned

A playbook in **shadow** plans and records, and does nothing.
"""


def remediation(_config: DashboardConfig) -> dict[str, Any]:
    """Return the dashboard of what Airwarden does."""
    return dashboard(REMEDIATION, (_now(), _incidents(), _effects(), _trust()), since="now-24h")


def open_incidents(more: Board | None = None) -> Any:
    """Return the number of incidents that are not over."""
    return stat(
        "Open incidents",
        "Incidents that the remediator works on or has handed to a person.",
        "none",
        [Query(f"sum({OPEN}) or vector(0)")],
        steps=any_is(YELLOW),
        more=more,
    )


def leaders() -> Any:
    """Return how many replicas hold the lease."""
    return stat(
        "Leaders",
        "Remediator replicas that hold the lease: exactly one acts.",
        "none",
        [Query(f"sum({own('airwarden_remediator_leader')})")],
        steps=between(1, 2),
        no_value="no remediator",
        more=ITSELF,
    )


def time_to_heal(more: Board | None = None) -> Any:
    """Return how long it takes from an alert to verified healing."""
    return stat(
        "Time to heal",
        "From an alert's start to the verified healthy state, in the window.",
        "s",
        [Query(quantile(q, own(_HEAL)), f"p{q * 100:g}") for q in (0.5, 0.95)],
        decimals=1,
        no_value=none_now("nothing was healed"),
        more=more,
    )


def actions_over_time(more: Board | None = None) -> Any:
    """Return effects by action and outcome."""
    return timeseries(
        "Actions",
        "Effects by action and outcome, per window, the twenty most frequent.",
        "short",
        [
            Query(
                top(20, increase(own(_ACTIONS), by="action, outcome")),
                "{{action}} {{outcome}}",
            )
        ],
        no_value=none_now("nothing was done"),
        more=more,
    )


def _now() -> Section:
    return Section(
        "Now",
        numbers(
            open_incidents(),
            stat(
                "Handed to a person",
                "Open incidents that a person has or should take.",
                "none",
                [
                    Query(
                        f"sum({own('airwarden_incidents', state='~ESCALATED|HUMAN_OWNED')}) "
                        "or vector(0)"
                    )
                ],
                steps=any_is(YELLOW),
            ),
            stat(
                "Plans that wait for a yes",
                "Approvals pending: `airwarden approve` or `airwarden deny`.",
                "none",
                [Query(f"sum({own('airwarden_approvals_pending')})")],
                steps=any_is(YELLOW),
                no_value="no remediator",
            ),
            stat(
                "Open breakers",
                "Breakers that hold new starts back now.",
                "none",
                [Query(f"count({own('airwarden_breaker_state')} == 2) or vector(0)")],
                steps=any_is(RED),
            ),
            time_to_heal(),
            leaders(),
        ),
    )


def _incidents() -> Section:
    ended = own(_ENDED)
    return Section(
        "Incidents",
        (
            *row(
                timeseries(
                    "Incidents by state",
                    "Incidents that are not over.",
                    "short",
                    [Query(f"sum by (state) ({OPEN})", "{{state}}")],
                    stacked=True,
                ),
                timeseries(
                    "Incidents by outcome",
                    "Incidents that ended in the window, by how.",
                    "short",
                    [Query(increase(ended, by="outcome"), "{{outcome}}")],
                    stacked=True,
                    no_value=none_now("no incident has ended"),
                ),
                timeseries(
                    "Storms and flapping",
                    "Storms of incidents that are held together as one, and incidents left alone "
                    "because their alerts come and go.",
                    "short",
                    [
                        Query(f"sum({own('airwarden_storm')})", "storms"),
                        Query(f"sum({own('airwarden_flapping_incidents')})", "flapping"),
                    ],
                ),
            ),
            *row(
                timeseries(
                    "Time to act",
                    "From an alert's start to the first effect, confirmation included, in the "
                    "window.",
                    "s",
                    [Query(quantile(q, own(_ACT)), f"p{q * 100:g}") for q in (0.5, 0.95)],
                    no_value=none_now("nothing was done"),
                ),
                timeseries(
                    "Time to heal, p95 by playbook",
                    "From an alert's start to verified healing, in the window, the ten slowest.",
                    "s",
                    [Query(top(10, quantile(0.95, own(_HEAL), by="playbook")), "{{playbook}}")],
                    no_value=none_now("nothing was healed"),
                ),
                timeseries(
                    "Handed to a person, by playbook",
                    "In the window, the ten playbooks with most.",
                    "short",
                    [
                        Query(
                            top(10, increase(own("airwarden_escalations_total"), by="playbook")),
                            "{{playbook}}",
                        )
                    ],
                ),
            ),
        ),
    )


def _effects() -> Section:
    budget = f"min by (cluster, scope) ({own('airwarden_budget_left')})"
    breaker = f"max by (cluster, breaker) ({own('airwarden_breaker_state')})"
    return Section(
        "Effects, and what holds them back",
        (
            *row(
                actions_over_time(),
                timeseries(
                    "Refusals",
                    "Effects that a guard did not let pass, by guard, per window. The reason stands "
                    "in the incident: `airwarden explain`.",
                    "short",
                    [
                        Query(
                            top(20, increase(own("airwarden_guard_blocks_total"), by="guard")),
                            "{{guard}}",
                        )
                    ],
                    no_value=none_now("no guard has refused"),
                ),
                timeseries(
                    "Budgets left",
                    "Effects that a budget still allows in its current window, the ten smallest. At "
                    "0 a person is asked.",
                    "short",
                    [Query(f"bottomk(10, {budget})", "{{scope}} {{cluster}}")],
                    floor=1,
                    no_value=none_now("no budget was drawn on"),
                ),
            ),
            *row(
                timeline(
                    "Circuit breakers",
                    "Open while a dependency does not answer, or a playbook does not help: no new "
                    "start but one canary. The forty worst.",
                    [Query(top(40, breaker), "{{breaker}} {{cluster}}")],
                    BREAKERS,
                    no_value=none_now("no breaker has been needed"),
                ),
                timeseries(
                    "Faults that came back",
                    "Incidents reopened in the window, the ten playbooks with most.",
                    "short",
                    [
                        Query(
                            top(
                                10,
                                increase(
                                    own("airwarden_incident_recurrences_total"), by="playbook"
                                ),
                            ),
                            "{{playbook}}",
                        )
                    ],
                ),
                height=9,
            ),
        ),
    )


def _trust() -> Section:
    def by(metric: str, **matchers: str) -> str:
        return increase(own(metric, **matchers), by="playbook")

    mode = f"min by (playbook) ({own('airwarden_playbook_mode')})"
    return Section(
        "Playbooks and shadow scorecard",
        (
            Sized(
                table(
                    "Playbooks",
                    "Of each playbook: what it may do, and in the window what its incidents came "
                    "to, how often a person was asked, how often the fault came back, and how soon "
                    "it healed.",
                    "none",
                    [
                        Query(mode, instant=True),
                        Query(by(_ENDED), instant=True),
                        Query(by("airwarden_escalations_total"), instant=True),
                        Query(by("airwarden_incident_recurrences_total"), instant=True),
                        Query(f"{quantile(0.95, own(_HEAL), by='playbook')} >= 0", instant=True),
                    ],
                    columns={
                        "playbook": "Playbook",
                        "Value #A": "Mode",
                        "Value #B": "Incidents ended",
                        "Value #C": "To a person",
                        "Value #D": "Came back",
                        "Value #E": "Healed in, p95",
                    },
                    overrides=[
                        override("Mode", mappings=MODES, custom_cellOptions={"type": "color-text"}),
                        override("Incidents ended", decimals=0),
                        override("To a person", decimals=0),
                        override("Came back", decimals=0),
                        override("Healed in, p95", unit="s"),
                    ],
                    sort_by="Incidents ended",
                    no_value="",
                ),
                16,
                12,
            ),
            Sized(
                text(
                    "Shadow scorecard",
                    "What a playbook has earned, and how to promote it.",
                    _SCORECARD,
                ),
                8,
                12,
            ),
            Sized(
                timeline(
                    "Mode of each playbook",
                    "The effective mode: the lowest of the file's, the site's and the switches'.",
                    [Query(top(60, mode), "{{playbook}}")],
                    MODES,
                ),
                24,
                12,
            ),
        ),
    )
