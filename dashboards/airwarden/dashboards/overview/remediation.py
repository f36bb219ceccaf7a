"""What the remediator does, what it refuses, and whether Airwarden itself is well."""

from __future__ import annotations

from airwarden.dashboards.layout import Section, Sized
from airwarden.dashboards.panels import (
    GREEN,
    NEUTRAL,
    RED,
    UP_DOWN,
    YELLOW,
    at_least,
    stat,
    timeline,
    timeseries,
    value_names,
)
from airwarden.dashboards.queries import Query, increase, quantile, series

MODES = value_names(
    {0: ("off", NEUTRAL), 1: ("shadow", "blue"), 2: ("approve", YELLOW), 3: ("auto", GREEN)}
)
BREAKERS = value_names({0: ("closed", GREEN), 1: ("half-open", YELLOW), 2: ("open", RED)})


def _quantiles(metric: str) -> list[Query]:
    buckets = series(f"{metric}_bucket")
    return [Query(quantile(q, buckets), f"p{q * 100:g}") for q in (0.5, 0.95)]


def remediation() -> Section:
    """Return incidents, actions, refusals and times."""
    return Section(
        "Remediation",
        (
            Sized(
                stat(
                    "Leaders",
                    "Remediator replicas that hold the lease: exactly one acts.",
                    "none",
                    [Query(f"sum({series('airwarden_remediator_leader')})")],
                    steps=[
                        {"color": RED, "value": None},
                        {"color": GREEN, "value": 1},
                        {"color": RED, "value": 2},
                    ],
                ),
                4,
                5,
            ),
            Sized(
                stat(
                    "Time to act",
                    "From an alert's arrival to the first effect, confirmation included, in the "
                    "window.",
                    "s",
                    _quantiles("airwarden_time_to_act_seconds"),
                    decimals=1,
                    no_value="no action",
                ),
                5,
                5,
            ),
            Sized(
                stat(
                    "Time to heal",
                    "From an alert's start to the verified healthy state, in the window.",
                    "s",
                    _quantiles("airwarden_time_to_heal_seconds"),
                    decimals=1,
                    no_value="none healed",
                ),
                5,
                5,
            ),
            Sized(
                stat(
                    "Escalations",
                    "Incidents handed to a person in the window.",
                    "none",
                    [Query(increase(series("airwarden_escalations_total")))],
                    decimals=0,
                ),
                5,
                5,
            ),
            Sized(
                stat(
                    "Oldest unread alert",
                    "Age of the oldest delivery that is stored and not yet decided on.",
                    "s",
                    [Query(f"max({series('airwarden_inbox_oldest_age_seconds')})")],
                ),
                5,
                5,
            ),
            Sized(
                timeseries(
                    "Incidents",
                    "Incidents by state.",
                    "short",
                    [Query(f"sum by (state) ({series('airwarden_incidents')})", "{{state}}")],
                    stacked=True,
                ),
                8,
                8,
            ),
            Sized(
                timeseries(
                    "Actions",
                    "Effects by action and outcome, per window.",
                    "short",
                    [
                        Query(
                            increase(series("airwarden_actions_total"), by="action, outcome"),
                            "{{action}} {{outcome}}",
                        )
                    ],
                ),
                8,
                8,
            ),
            Sized(
                timeseries(
                    "Refusals",
                    "Effects that a guard did not let pass, by guard, per window. The reason "
                    "stands in the incident: `airwarden explain`.",
                    "short",
                    [
                        Query(
                            increase(series("airwarden_guard_blocks_total"), by="guard"),
                            "{{guard}}",
                        )
                    ],
                ),
                8,
                8,
            ),
            Sized(
                timeline(
                    "Mode of each playbook",
                    "The effective mode: the lowest of the file's and the switches'. In shadow a "
                    "playbook plans and records, and does nothing.",
                    [
                        Query(
                            f"min by (playbook) ({series('airwarden_playbook_mode')})",
                            "{{playbook}}",
                        )
                    ],
                    MODES,
                ),
                12,
                9,
            ),
            Sized(
                timeline(
                    "Circuit breakers",
                    "Open while a dependency does not answer: no new start but one canary.",
                    [
                        Query(
                            f"max by (cluster, breaker) ({series('airwarden_breaker_state')})",
                            "{{breaker}}",
                        )
                    ],
                    BREAKERS,
                ),
                12,
                9,
            ),
        ),
    )


def itself() -> Section:
    """Return Airwarden's own health, folded: it matters when a panel above looks wrong."""
    return Section(
        "Airwarden itself",
        (
            Sized(
                timeline(
                    "Collectors",
                    "Whether the last run of each collector succeeded. A failed one leaves its "
                    "last good values, which age.",
                    [
                        Query(
                            "min by (cluster, collector) "
                            f"({series('airwarden_collector_success')})",
                            "{{collector}}",
                        )
                    ],
                    UP_DOWN,
                ),
                12,
                9,
            ),
            Sized(
                timeseries(
                    "Collector duration",
                    "Time of each collector's last run.",
                    "s",
                    [
                        Query(
                            "max by (cluster, collector) "
                            f"({series('airwarden_collector_duration_seconds')})",
                            "{{collector}}",
                        )
                    ],
                ),
                12,
                9,
            ),
            Sized(
                timeseries(
                    "Age of what is served",
                    "Age of the snapshot that a scrape gets.",
                    "s",
                    [Query(f"max({series('airwarden_snapshot_age_seconds')})", "snapshot")],
                ),
                8,
                7,
            ),
            Sized(
                timeseries(
                    "Notices waiting",
                    "Slack messages and pages that are stored and not yet delivered.",
                    "short",
                    [
                        Query(
                            f"sum by (channel) ({series('airwarden_outbox_pending')})",
                            "{{channel}}",
                        )
                    ],
                ),
                8,
                7,
            ),
            Sized(
                stat(
                    "Configuration",
                    "Whether the last reload was accepted; a bad file leaves the old one in force.",
                    "percentunit",
                    [Query(f"min({series('airwarden_config_reload_success')})")],
                    steps=at_least(1),
                ),
                8,
                7,
            ),
        ),
        collapsed=True,
    )
