"""The decision on how many nodes there should be, by itself and over hours of a simulated fleet."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airwarden.core.settings import parse
from airwarden.core.settings.alerting import AutoScaling
from airwarden.remediation.decide.autoscaling import (
    Changed,
    Decision,
    Fleet,
    Move,
    Node,
    Raised,
    Rate,
    Sample,
    ScalingPolicy,
    decide,
    policy_of,
)
from support.scaling_fleet import STEP, Simulated, noisy

#: The profile's block, for a fleet of 100 to 2,000 nodes.
PROFILE = ScalingPolicy(up=0.85, down=0.40, up_for=300, down_for=900, minimum=100, maximum=2000)
BLOCK = """
resource_allocation:
  auto_scaling:
    scale_up_threshold: "85% utilization for 5 minutes"
    scale_down_threshold: "40% utilization for 15 minutes"
    max_nodes: 2000
    min_nodes: 100
"""
SMALL = replace(PROFILE, minimum=1, maximum=50)


def samples(
    utilization: float,
    nodes: int = 10,
    *,
    seconds: float = 1200,
    until: float = 2000,
    waiting: float = 0,
) -> list[Sample]:
    """Return samples every 15 s with the same load, up to a moment."""
    count = int(seconds / 15)
    return [
        Sample(until - 15 * (count - i), nodes, utilization * nodes, waiting)
        for i in range(count + 1)
    ]


def nodes(count: int, tasks: int = 0, *, draining: bool = False) -> list[Node]:
    return [Node(f"n{i:02}", tasks, draining) for i in range(count)]


def at(
    told: Sequence[Sample],
    wanted: int = 10,
    *,
    fleet: Sequence[Node] | None = None,
    now: float = 2000,
) -> Fleet:
    return Fleet(now, wanted, told, nodes(wanted, 1) if fleet is None else fleet)


def block(text: str) -> AutoScaling:
    allocation = parse(
        text, source="airwarden.yaml", environ={}, base=Path("/")
    ).resource_allocation
    assert allocation is not None
    assert allocation.auto_scaling is not None
    return allocation.auto_scaling


def test_the_profiles_block_is_read_as_it_is_written() -> None:
    assert policy_of(block(BLOCK)) == PROFILE


def test_what_is_no_share_of_a_node_is_refused() -> None:
    with pytest.raises(ValueError, match="share"):
        policy_of(block(BLOCK.replace("85% utilization", "1000 tasks")))


# ---- thresholds and windows ------------------------------------------------------------------------


def test_over_the_threshold_for_the_whole_window_adds_nodes() -> None:
    told = decide(SMALL, at(samples(0.9)))

    assert (told.move, told.wanted) == (Move.ADD, 15)  # 9 nodes' worth of work at 62.5 %
    assert "over 85% for 300 s" in told.why


def test_a_single_sample_under_the_threshold_begins_the_window_anew() -> None:
    told = samples(0.9)
    told[-10] = Sample(told[-10].at, 10, 8.4)

    assert decide(SMALL, at(told)).move is Move.HOLD
    assert decide(SMALL, at(samples(0.9, seconds=300))).move is Move.ADD
    assert decide(SMALL, at(samples(0.9, seconds=285))).move is Move.HOLD


def test_exactly_the_threshold_is_not_over_it() -> None:
    assert decide(SMALL, at(samples(0.85))).move is Move.HOLD
    assert decide(SMALL, at(samples(0.40))).move is Move.HOLD


def test_under_the_threshold_drains_first_and_removes_what_is_idle() -> None:
    told = samples(0.3)
    first = decide(SMALL, at(told))
    assert (first.move, first.wanted, first.nodes) == (Move.DRAIN, 10, ("n00",))

    busy = [Node("n00", 1, draining=True), *nodes(10, 1)[1:]]
    assert decide(SMALL, at(told, fleet=busy)).move is Move.HOLD

    idle = [Node("n00", 0, draining=True), *nodes(10, 1)[1:]]
    done = decide(SMALL, at(told, fleet=idle))
    assert (done.move, done.wanted, done.nodes) == (Move.REMOVE, 9, ("n00",))


def test_idle_but_not_drained_nodes_are_not_removed() -> None:
    told = decide(SMALL, at(samples(0.3), fleet=nodes(10)))

    assert told.move is Move.DRAIN  # an idle node may get a task before it is gone


def test_the_window_before_scale_in_is_fifteen_minutes() -> None:
    assert decide(SMALL, at(samples(0.3, seconds=885))).move is Move.HOLD
    assert decide(SMALL, at(samples(0.3, seconds=900))).move is Move.DRAIN


def test_the_most_cautious_sample_of_the_window_counts() -> None:
    told = samples(0.1)
    told[-50] = Sample(told[-50].at, 10, 3.9)  # 12 minutes ago nearly four nodes were busy

    policy = replace(SMALL, down_rate=Rate(10, 1.0, 60))
    wanted = decide(policy, at(told))

    assert wanted.move is Move.DRAIN
    assert 10 - len(wanted.nodes) == math.ceil(3.9 / 0.625)


def test_drained_nodes_return_when_the_load_does() -> None:
    fleet = [Node("n00", 0, draining=True), *nodes(10, 8)[1:]]
    for load in (0.6, 0.9):
        told = decide(SMALL, at(samples(load), fleet=fleet))
        assert (told.move, told.nodes) == (Move.RETURN, ("n00",))


# ---- what is not known, what is wrong -----------------------------------------------------------------


@pytest.mark.parametrize("load", [0.95, 0.1])
@pytest.mark.parametrize(
    "lose",
    [
        lambda told: [],
        lambda told: told[:-5],  # the last minute
        lambda told: [*told[:-12], *told[-7:]],  # more than a minute within the window
        lambda told: told[-8:],  # just started
    ],
    ids=["none", "stale", "gap", "young"],
)
def test_missing_data_is_no_reason_to_act(
    load: float, lose: Callable[[list[Sample]], list[Sample]]
) -> None:
    told = decide(SMALL, at(lose(samples(load))))

    assert told.move is Move.HOLD


def test_nothing_is_taken_away_while_anything_else_is_wrong() -> None:
    fleet = replace(at(samples(0.1)), trouble="a scheduler is dead")
    told = decide(SMALL, fleet)

    assert told.move is Move.HOLD
    assert "a scheduler is dead" in told.why
    assert decide(SMALL, replace(fleet, samples=samples(0.95))).move is Move.ADD


def test_nodes_that_are_on_their_way_count() -> None:
    told = decide(SMALL, at(samples(0.9), wanted=15, fleet=nodes(10, 14)))
    assert told.move is Move.HOLD
    low = decide(SMALL, at(samples(0.1), wanted=15, fleet=nodes(10, 1)))
    assert (low.move, "on their way" in low.why) == (Move.HOLD, True)


def test_waiting_work_is_counted_so_a_burst_is_met_in_one_go() -> None:
    policy = replace(SMALL, up_rate=Rate(100, 1.0, 60))
    told = decide(policy, at(samples(1.0, waiting=15)))

    assert told.wanted == math.ceil(25 / 0.625)


# ---- bounds, rates, a raised maximum ---------------------------------------------------------------------


def test_bounds_hold() -> None:
    assert decide(SMALL, at(samples(1.0, waiting=500), wanted=40)).wanted == 50
    assert decide(SMALL, at(samples(1.0, 50), wanted=50)).move is Move.HOLD
    assert decide(PROFILE, at(samples(0.5), wanted=99)) == Decision(
        Move.ADD, 100, "100 are the fewest"
    )
    assert decide(PROFILE, at(samples(0.01, 100), wanted=100)).move is Move.HOLD


def test_a_rate_holds_over_its_period() -> None:
    policy = replace(SMALL, up_rate=Rate(4, 0.5, 60), maximum=1000)
    fleet = at(samples(1.0, waiting=500))
    first = decide(policy, fleet)
    assert first.wanted == 15
    again = replace(fleet, wanted=15, changes=[Changed(1990, 5)])
    assert decide(policy, again).move is Move.HOLD
    later = replace(fleet, wanted=15, changes=[Changed(1940, 5)])
    assert decide(policy, later).wanted == 23


def test_the_published_example_of_a_scale_down_policy() -> None:
    # kubernetes.io, Horizontal Pod Autoscaling, "Scaling policies": 10 % or 4 pods a minute, from 80 to 10.
    policy = replace(PROFILE, minimum=10, maximum=100, down_rate=Rate(4, 0.10, 60))
    wanted = 80
    steps: list[int] = []
    while wanted > 10 and len(steps) < 50:
        told = [Sample(s.at, wanted, 1.0) for s in samples(0.0)]
        drained = decide(policy, at(told, wanted, fleet=nodes(wanted)))
        fleet = [Node(n.name, 0, n.name in drained.nodes) for n in nodes(wanted)]
        done = decide(policy, at(told, wanted, fleet=fleet))
        steps.append(wanted - done.wanted)
        wanted = done.wanted
    assert steps[:3] == [8, 8, 7]  # 80 → 72 → 64 (7.2 rounded up) → 57 (6.4 rounded up)
    assert steps[-4:-1] == [4, 4, 4]  # below 40 it is four at a time
    assert wanted == 10


@given(st.integers(1, 500), st.floats(0.01, 1.0), st.floats(0.3, 0.8))
def test_a_recommendation_is_the_published_formula(count: int, load: float, target: float) -> None:
    # desiredReplicas = ceil(currentReplicas * currentMetricValue / desiredMetricValue)
    expected = math.ceil(count * load / target - 1e-6)
    assert Sample(0, count, count * load).recommended(target) in (expected, expected + 1)
    assert Sample(0, count, count * 2 * target).recommended(target) == 2 * count
    assert Sample(0, count, count * target / 2).recommended(target) == math.ceil(count / 2)


def test_within_the_tolerance_nothing_changes() -> None:
    policy = replace(SMALL, up=0.85, target=0.80)
    assert decide(policy, at(samples(0.86))).move is Move.HOLD  # 7.5 % off the target
    assert decide(policy, at(samples(0.95))).wanted == 12


def test_a_maximum_is_raised_once_and_falls_back_in_time() -> None:
    policy = replace(SMALL, maximum=10, ceiling=12)
    full = at(samples(1.0, waiting=50))
    raised = decide(policy, full)
    assert (raised.move, raised.raised) == (Move.RAISE, Raised(12, 2000 + 7200))

    higher = replace(full, raised=raised.raised)
    assert decide(policy, higher).wanted == 12
    at_limit = replace(higher, wanted=12, samples=samples(1.0, 12, waiting=50))
    assert decide(policy, at_limit).move is Move.HOLD

    over = replace(at(samples(0.6, 12), 12), raised=Raised(12, 1999))
    first = decide(policy, over)
    assert (first.move, len(first.nodes)) == (Move.DRAIN, 2)  # and only then removed, idle
    back = replace(at(samples(0.6)), raised=Raised(12, 1999))
    assert decide(policy, back).move is Move.REVERT


@pytest.mark.parametrize(
    "wrong",
    [{"up": 0.4}, {"down": 0.9}, {"minimum": 51}, {"target": 0.9}, {"target": 0.3}],
)
def test_a_policy_that_contradicts_itself_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"threshold|minimum|target"):
        replace(SMALL, **wrong)


# ---- over hours, with 100 to 2,000 nodes -------------------------------------------------------------------


LARGE = pytest.mark.reliability
SIZES = [100, pytest.param(500, marks=LARGE), pytest.param(2000, marks=LARGE)]


@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("load", [0.85, 0.40])
def test_a_noisy_load_around_a_threshold_does_not_flap(count: int, load: float) -> None:
    policy = replace(PROFILE, minimum=10, maximum=4000)
    fleet = Simulated(policy, count, lambda _: count * load, measured=noisy(0.05)).run(2 * 3600)

    added = [one for one in fleet.moves if one.decision.move is Move.ADD]
    removed = [one for one in fleet.moves if one.decision.move is Move.REMOVE]
    assert not (added and removed), "it added and took away for the same load"
    assert len(added) <= 2
    assert fleet.removed_busy == 0


def test_a_load_that_swings_faster_than_the_windows_changes_nothing() -> None:
    def swings(at: float) -> float:
        return 100 * (0.625 + 0.3 * math.sin(2 * math.pi * at / 480))

    policy = replace(PROFILE, minimum=10)
    fleet = Simulated(policy, 100, swings, duration=30).run(3600)

    assert max(one.utilization for one in fleet.told) > 0.85
    assert fleet.moves == []


@pytest.mark.parametrize("count", SIZES)
def test_a_burst_of_ten_times_the_load_is_met(
    count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    usual, begin = 0.05 * count, 1800.0
    policy = replace(PROFILE, minimum=count // 10, maximum=count)
    start = count // 10
    fleet = Simulated(policy, start, lambda at: usual * (10 if at > begin else 1)).run(begin)
    assert fleet.ready == start
    needed = math.ceil(10 * usual / 0.85)
    while fleet.ready < needed and fleet.now < begin + 3600:
        fleet.step()
    took = fleet.now - begin
    while fleet.waiting > fleet.slots and fleet.now < begin + 7200:
        fleet.step()
    with capsys.disabled():
        print(
            f"\n{start} to {needed} of {count} nodes after {took:.0f} s, nothing waits after "
            f"{fleet.now - begin:.0f} s, {fleet.peak} at most"
        )

    assert took <= 300 + 4 * 60 + 120 + 4 * STEP  # the window, four doublings, a node's start
    assert fleet.waiting <= fleet.slots
    assert fleet.removed_busy == 0


@pytest.mark.parametrize("count", SIZES)
def test_no_busy_node_is_removed_as_the_load_goes(count: int) -> None:
    policy = replace(PROFILE, minimum=count // 10, maximum=count)

    def fades(at: float) -> float:
        return count * (0.6 if at < 1800 else 0.08)

    fleet = Simulated(policy, count, fades, duration=600).run(4 * 3600)

    removed = [one for one in fleet.moves if one.decision.move is Move.REMOVE]
    assert removed
    assert fleet.removed_busy == 0
    assert fleet.ready < count / 3
    assert min(one.utilization for one in fleet.told[-100:]) > 0.2


def test_a_blind_hour_changes_nothing() -> None:
    policy = replace(PROFILE, minimum=10)

    def blind(sample: Sample) -> Sample | None:
        return None if 3600 <= sample.at < 7200 else sample

    def load(at: float) -> float:
        return 100 * (0.6 if at < 3600 else 0.1)

    fleet = Simulated(policy, 100, load, measured=blind).run(3600 + 7200)

    assert all(one.at >= 7200 + 900 for one in fleet.moves)
    assert fleet.moves


def test_an_incident_keeps_every_node() -> None:
    policy = replace(PROFILE, minimum=10)
    fleet = Simulated(policy, 100, lambda _: 10, trouble=lambda _: "a scheduler is dead")

    assert fleet.run(7200).moves == []
    assert fleet.ready == 100
