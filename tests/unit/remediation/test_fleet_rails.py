"""The fleet's rails, as pure decisions: share, floor, pace, one at a time, scale-down."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airwarden.core.platform import Component
from airwarden.remediation.actions.base import Danger, Effect
from airwarden.remediation.decide.around import Around, Fleet, Siblings, Unit, unit_of
from airwarden.remediation.decide.fleet import (
    degraded,
    fleet_share,
    healthy_floor,
    one_at_a_time,
    pace,
    scale_down_floor,
)
from airwarden.remediation.decide.guards import GuardFacts, Refusal, judge
from airwarden.remediation.decide.rails import Rails
from support.engine import START
from support.guards import RESTART, facts

RAILS = Rails()
DEAD = replace(RESTART, dead=True)
DOWN = replace(RESTART, removes_capacity=True)


def fleet(total: int, healthy: int, **changes: Any) -> GuardFacts:
    return facts(Around(fleet=Fleet("workers", total, healthy, **changes)))


def guard_of(refusal: Refusal | None) -> str:
    return refusal.guard if refusal else ""


@pytest.mark.parametrize(
    ("total", "in_repair", "serving", "allowed"),
    [
        # At most 10 % rounded down, and one from five workers on.
        (500, 49, True, True),
        (500, 50, True, False),
        (19, 0, True, True),
        (19, 1, True, False),
        (20, 1, True, True),
        (5, 0, True, True),
        (5, 1, True, False),
        # In a smaller fleet none that serves; one that serves nothing, one at a time.
        (4, 0, True, False),
        (1, 0, True, False),
        (4, 0, False, True),
        (4, 1, False, False),
        (1, 0, False, True),
    ],
)
def test_the_share_in_repair(total: int, in_repair: int, serving: bool, allowed: bool) -> None:
    asked = fleet(total, total - in_repair, in_repair=in_repair, serving=serving)
    assert (fleet_share(asked, RAILS) is None) is allowed


@pytest.mark.parametrize(
    ("total", "healthy", "serving", "allowed"),
    [
        (100, 51, True, True),
        (100, 50, True, False),
        (500, 255, True, True),
        (500, 254, True, False),
        # What serves nothing is counted out: a lone silent worker, and one of two, can be healed.
        (1, 0, False, True),
        (2, 1, False, True),
        (2, 0, False, False),
        (3, 1, False, False),
        (3, 2, False, True),
    ],
)
def test_the_healthy_floor(total: int, healthy: int, serving: bool, allowed: bool) -> None:
    assert (healthy_floor(fleet(total, healthy, serving=serving), RAILS) is None) is allowed


@pytest.mark.parametrize(
    ("total", "healthy", "seconds_ago", "allowed"),
    [
        (500, 500, None, True),
        (500, 500, 9, False),
        (500, 500, 10, True),
        # Degraded: more than 40 % unhealthy.
        (500, 300, 10, True),
        (500, 299, 10, False),
        (500, 299, 99, False),
        (500, 299, 100, True),
        (51, 30, 100, True),
        # Up to 50 workers, none while degraded.
        (50, 29, None, False),
        (50, 30, None, True),
    ],
)
def test_the_pace(total: int, healthy: int, seconds_ago: int | None, allowed: bool) -> None:
    last = None if seconds_ago is None else START - timedelta(seconds=seconds_ago)
    assert (pace(fleet(total, healthy, last_effect=last), RAILS) is None) is allowed


@pytest.mark.parametrize(
    "changes", [{"effect": DEAD}, {"danger": Danger.A}], ids=["proved dead", "adds or reverts"]
)
def test_what_takes_nothing_down_is_not_held_up_by_the_fleet(changes: dict[str, Any]) -> None:
    ruin = Around(fleet=Fleet("workers", 500, 0, in_repair=400, last_effect=START))
    assert guard_of(judge(facts(ruin), RAILS)) == "healthy-floor"
    assert judge(facts(ruin, **changes), RAILS) is None


@given(st.integers(1, 600), st.integers(0, 600), st.integers(0, 600), st.booleans())
def test_no_more_than_the_share_is_ever_taken_down(
    total: int, healthy: int, in_repair: int, serving: bool
) -> None:
    asked = fleet(total, min(healthy, total), in_repair=min(in_repair, total), serving=serving)
    if judge(asked, RAILS) is None:
        assert in_repair + 1 <= max(total * RAILS.fleet_share_percent // 100, 1)


def test_a_fleet_of_one_that_serves_nothing_is_not_degraded() -> None:
    assert not degraded(Fleet("workers", 1, 0, serving=False), RAILS)
    assert degraded(Fleet("workers", 1, 0), RAILS)


SCHEDULER = Effect(
    "process.restart", "lab/process/s1", {}, {"component": "scheduler"}, "restart s1"
)


@pytest.mark.parametrize(
    ("siblings", "dead", "allowed"),
    [
        ({}, False, True),
        ({}, True, True),
        ({"down": ["s2"]}, True, True),
        ({"down": ["s2"]}, False, False),
        ({"moving": ["s2"]}, True, False),
        ({"in_repair": ["s2"]}, True, False),
    ],
    ids=["lone silent", "lone dead", "both dead", "the other is dead", "starting", "in repair"],
)
def test_schedulers_are_repaired_one_at_a_time(
    siblings: dict[str, Any], dead: bool, allowed: bool
) -> None:
    around = Around(siblings=Siblings(Component.SCHEDULER, **siblings))
    asked = facts(around, effect=replace(SCHEDULER, dead=dead))
    assert (one_at_a_time(asked, RAILS) is None) is allowed
    assert guard_of(judge(asked, RAILS)) == ("" if allowed else "one-at-a-time")


@pytest.mark.parametrize(
    ("total", "healthy", "serving", "minimum", "allowed"),
    [
        (4, 4, True, 3, True),
        (4, 4, True, 4, False),
        # A drained one serves nothing: stopping it leaves as many as there were.
        (4, 3, False, 3, True),
        (10, 6, True, 1, True),
        (10, 5, True, 1, False),
        (1, 1, True, 0, True),
    ],
)
def test_capacity_is_removed_only_while_enough_is_left(
    total: int, healthy: int, serving: bool, minimum: int, allowed: bool
) -> None:
    around = Around(fleet=Fleet("workers", total, healthy, serving=serving, minimum=minimum))
    asked = facts(around, effect=DOWN, danger=Danger.A, undo=True)
    assert (scale_down_floor(asked, RAILS) is None) is allowed


def test_which_effects_change_a_process() -> None:
    assert unit_of(RESTART) == Unit(Component.WORKER, "w1")
    assert unit_of(replace(RESTART, target="lab/process/workers:w/1")) == Unit(
        Component.WORKER, "workers:w/1"
    )
    pod = {"component": "scheduler", "process": "airflow-scheduler-a"}
    of_a_deployment = replace(RESTART, target="lab/process/airflow-scheduler", before=pod)
    assert unit_of(of_a_deployment) == Unit(Component.SCHEDULER, "airflow-scheduler-a")
    roll = replace(RESTART, target="lab/workload/airflow-scheduler", before=pod)
    assert unit_of(roll) == Unit(Component.SCHEDULER, "airflow-scheduler", whole=True)
    assert unit_of(replace(RESTART, target="lab/pool/process")) is None
    assert unit_of(replace(RESTART, before={})) is None
