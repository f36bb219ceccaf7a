"""Storms: so much at once that remedies one by one would do harm, and pages one by one tell nothing.

Two kinds. Many incidents of one playbook become one incident, which takes the alerts that would open
more of them. Many alerts in one cluster, or a large share of a fleet unhealthy, hold what takes down
something that still serves; incidents are opened as before. Either is one page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from airwarden.core.durations import format_duration
from airwarden.remediation.decide.rails import Rails

#: How a storm's correlation key begins; a playbook's name follows, or nothing for the whole cluster.
STORM = "storm/"
#: A fleet with fewer units is not in a storm because some of them are unhealthy.
_LEAST_FLEET = 5


def storm_key(playbook: str) -> str:
    """Return the correlation key of a playbook's storm; of the cluster's for an empty name."""
    return f"{STORM}{playbook}"


@dataclass(frozen=True, slots=True)
class FleetHealth:
    """How many units of a fleet there are, and how many are healthy."""

    fleet: str
    total: int
    healthy: int


def too_many_incidents(opened: int, rails: Rails) -> str:
    """Return why this many incidents of one playbook are a storm, or nothing."""
    if opened <= rails.storm_incidents:
        return ""
    return (
        f"{opened} incidents of one playbook within {format_duration(rails.storm_window)}"
        f" (a storm from more than {rails.storm_incidents})"
    )


def too_much_at_once(alerts: int, fleets: Sequence[FleetHealth], rails: Rails) -> str:
    """Return why a cluster is in a storm, or nothing.

    Args:
        alerts: Alerts of the last minute whose playbook may act.
        fleets: The fleets of interchangeable units, as far as they were seen lately.
        rails: The limits.
    """
    if alerts > rails.storm_alerts_per_minute:
        return (
            f"{alerts} alerts within a minute that playbooks act on"
            f" (a storm from more than {rails.storm_alerts_per_minute})"
        )
    for one in fleets:
        sick = one.total - one.healthy
        if one.total >= _LEAST_FLEET and 100 * sick > rails.storm_unhealthy_percent * one.total:
            return (
                f"{sick} of {one.total} {one.fleet} are unhealthy"
                f" (a storm from more than {rails.storm_unhealthy_percent} %)"
            )
    return ""


def in_force(calm_since: datetime | None, now: datetime, rails: Rails) -> bool:
    """Return whether a storm still holds what is dangerous: it has not been calm for long enough."""
    return calm_since is None or now - calm_since < rails.storm_calm
