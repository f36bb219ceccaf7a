"""Rails that keep enough of a platform standing: share, floor and pace of a fleet, and one at a time.

A fleet's rails limit what takes down a unit that may still serve. What is proved dead may be started
again at any size of the fleet. A target that serves nothing (it answers and consumes nothing) is counted
out of its fleet before the others are judged: else a lone silent worker, and one of two, could never be
healed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airwarden.remediation.decide.around import Fleet
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.refusal import Patience, Refusal

if TYPE_CHECKING:
    from airwarden.remediation.decide.guards import GuardFacts


def _others(fleet: Fleet) -> tuple[int, int]:
    """Return how many units are judged and how many of them are healthy."""
    return fleet.total if fleet.serving else max(0, fleet.total - 1), fleet.healthy


def degraded(fleet: Fleet, rails: Rails) -> bool:
    """Return whether so many units are unhealthy that their cause is likely a common one."""
    total, healthy = _others(fleet)
    return (total - healthy) * 100 > rails.degraded_percent * total


def _taken_down(facts: GuardFacts) -> Fleet | None:
    """Return the fleet of which the effect takes a unit down that is not proved dead."""
    return facts.around.fleet if facts.disruptive and not facts.effect.dead else None


def healthy_floor(facts: GuardFacts, rails: Rails) -> Refusal | None:
    """With too few units healthy, what ails them is common to them, and a restart is no remedy."""
    fleet = _taken_down(facts)
    if fleet is None:
        return None
    total, healthy = _others(fleet)
    if healthy * 100 >= rails.healthy_floor_percent * total:
        return None
    return Refusal(
        "healthy-floor",
        f"{healthy} of {total} {fleet.name} are healthy, and"
        f" {rails.healthy_floor_percent} % must be before one is taken down",
    )


def fleet_share(facts: GuardFacts, rails: Rails) -> Refusal | None:
    """Few units at a time: what is in repair does not serve."""
    fleet = _taken_down(facts)
    if fleet is None:
        return None
    allowed = fleet.total * rails.fleet_share_percent // 100
    if fleet.total >= rails.fleet_share_one_from or not fleet.serving:
        allowed = max(1, allowed)
    if fleet.in_repair < allowed:
        return None
    return Refusal(
        "fleet-share",
        f"{fleet.in_repair} of {fleet.total} {fleet.name} are in repair,"
        f" and at most {allowed} may be at a time",
        Patience.HOLD if allowed else Patience.WAIT,
    )


def pace(facts: GuardFacts, rails: Rails) -> Refusal | None:
    """One unit after the other, with time between to see what it did; slower when it goes badly."""
    fleet = _taken_down(facts)
    if fleet is None:
        return None
    bad = degraded(fleet, rails)
    if bad and fleet.total <= rails.pace_small_fleet:
        return Refusal(
            "pace",
            f"only {fleet.healthy} of {fleet.total} {fleet.name} are healthy: in a fleet of at most"
            f" {rails.pace_small_fleet} none is taken down while that is so",
        )
    between = rails.pace_degraded if bad else rails.pace
    if fleet.last_effect is None or facts.now - fleet.last_effect >= between:
        return None
    since = (facts.now - fleet.last_effect).total_seconds()
    return Refusal(
        "pace",
        f"one of the {fleet.name} was taken down {since:.0f} s ago,"
        f" and {between.total_seconds():.0f} s must pass",
        Patience.HOLD,
    )


def one_at_a_time(facts: GuardFacts, _rails: Rails) -> Refusal | None:
    """Schedulers and their like are few: one is mended, and works, before the next is touched."""
    siblings = facts.around.siblings
    if siblings is None or not facts.disruptive:
        return None
    kind = siblings.component.value
    if siblings.in_repair:
        names = ", ".join(sorted(siblings.in_repair))
        return Refusal("one-at-a-time", f"{kind} {names} is in repair", Patience.HOLD)
    if siblings.moving:
        names = ", ".join(sorted(siblings.moving))
        return Refusal("one-at-a-time", f"{kind} {names} is starting or stopping", Patience.HOLD)
    if siblings.down and not facts.effect.dead:
        names = ", ".join(sorted(siblings.down))
        return Refusal(
            "one-at-a-time", f"{kind} {names} is down: one that runs is not taken down as well"
        )
    return None


def scale_down_floor(facts: GuardFacts, rails: Rails) -> Refusal | None:
    """Capacity is removed only while what is left is enough and well (AWS S3, 2017)."""
    fleet = facts.around.fleet
    if fleet is None or not facts.effect.removes_capacity:
        return None
    healthy = fleet.healthy - (1 if fleet.serving else 0)
    total = max(0, fleet.total - 1)
    least = max(fleet.minimum, -(-total * rails.healthy_floor_percent // 100))
    if healthy >= least:
        return None
    return Refusal(
        "scale-down-floor",
        f"{healthy} healthy {fleet.name} would be left, and {least} are needed",
        Patience.HOLD,
    )
