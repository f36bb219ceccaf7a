"""How many workers the load asks for: `auto_scaling:` decides it, on what was measured and on nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airwarden.adapters.fakes import FakeClock, FakeHost, FakeKubernetes, FakeWorkers
from airwarden.adapters.host_kubernetes import KubernetesHost
from airwarden.core.errors import UnavailableError
from airwarden.core.kubernetes import Capacity, Workload, WorkloadKind
from airwarden.core.platform import Component
from airwarden.remediation.actions.base import Nothing, Plan, Refused
from airwarden.remediation.actions.workers import WorkersScale
from airwarden.remediation.decide.autoscaling import Decision, Move, Node, ScalingPolicy
from airwarden.remediation.fitting import read_samples, surplus
from airwarden.remediation.world import Begun, WorkerFleet, World
from support.measured import Measured
from support.small_world import SmallLedger, subject

NAME = "airflow-worker"
POLICY = ScalingPolicy(0.85, 0.40, 300, 900, minimum=2, maximum=8)
QUEUE = subject({"queue": "default"})


class There:
    """Four workers that KEDA scales, at its maximum."""

    def __init__(self) -> None:
        self.kube, self.measured = FakeKubernetes(), Measured()
        self.kube.kept[NAME] = Workload(
            WorkloadKind.STATEFUL_SET, NAME, "uid", Component.WORKER, 4, ready=4, total=4
        )
        self.kube.owners[NAME] = Capacity(NAME, "ScaledObject", "w", 1, 4, 4, 4, "7")
        self.world = World(
            "lab", FakeClock(), host=KubernetesHost(self.kube, appear_timeout=0),
            workers=FakeWorkers(), kubernetes=self.kube, prometheus=self.measured,
            fleet=WorkerFleet(1, 20), scaling=POLICY,
        )  # fmt: skip

    def plan(self) -> Plan | Nothing | Refused:
        return WorkersScale().plan(self.world, QUEUE, {"growth": 0.25})


@pytest.fixture
def there() -> There:
    return There()


def bounds(planned: object) -> tuple[object, object]:
    assert isinstance(planned, Plan), planned
    (effect,) = planned.effects
    return effect.parameters["minimum"], effect.parameters["maximum"]


def test_the_bounds_become_what_the_load_asks_for_up_to_the_most(there: There) -> None:
    # 64 tasks run and 10 wait on 4 nodes of 16 slots: 4.6 nodes' worth, aimed at 62.5 %.
    there.measured.queued = lambda ago: 10.0
    assert bounds(there.plan()) == (1, 8)
    there.world = replace(there.world, scaling=replace(POLICY, maximum=30))
    assert bounds(there.plan()) == (1, 8)
    there.measured.queued = lambda ago: 0.0
    assert bounds(there.plan()) == (1, 7)


def test_beyond_the_most_they_are_raised_by_a_quarter_up_to_the_ceiling(there: There) -> None:
    there.world = replace(there.world, scaling=replace(POLICY, maximum=4))
    assert bounds(there.plan()) == (1, 5)
    there.world = replace(there.world, fleet=WorkerFleet(1, 4))
    assert isinstance(there.plan(), Nothing)


def test_a_dip_within_the_window_or_load_that_is_borne_adds_nothing(there: There) -> None:
    there.measured.running = lambda ago: 40.0 if ago == 120 else 64.0
    nothing = there.plan()
    assert isinstance(nothing, Nothing)
    assert "between the thresholds" in nothing.reason


@pytest.mark.parametrize("gap", [range(90, 241), range(91)], ids=["within", "at the end"])
def test_what_was_not_measured_is_no_reason_to_act(there: There, gap: range) -> None:
    there.measured.running = lambda ago: None if ago in gap else 64.0
    nothing = there.plan()
    assert isinstance(nothing, Nothing)
    assert "measurements are missing" in nothing.reason


def test_a_prometheus_that_does_not_answer_is_unreadable(there: There) -> None:
    there.measured.down = True
    with pytest.raises(UnavailableError):
        there.plan()
    there.world = replace(there.world, prometheus=None)
    with pytest.raises(UnavailableError):
        there.plan()


def test_without_the_block_it_is_a_share_more(there: There) -> None:
    there.world = replace(there.world, scaling=None)
    assert bounds(there.plan()) == (1, 5)
    assert there.measured.asked == []


def test_supervised_workers_are_started_by_the_same_decision() -> None:
    names = tuple(f"worker_{n}" for n in range(10))
    clock = FakeClock()
    measured = Measured()
    world = World(
        "lab", clock, prometheus=measured, workers=FakeWorkers(), scaling=POLICY,
        host=FakeHost(clock, {Component.WORKER: names}, stopped=names[4:]),
    )  # fmt: skip
    measured.queued = lambda ago: 0.0
    plan = WorkersScale().plan(world, QUEUE, {})
    assert isinstance(plan, Plan)
    assert len(plan.effects) == 3
    measured.running = lambda ago: 20.0
    assert isinstance(WorkersScale().plan(world, QUEUE, {}), Nothing)


def test_a_cluster_is_asked_for_by_its_whole_name() -> None:
    measured = Measured()
    found = read_samples(measured, 'a"b', 1000.0, POLICY)
    assert all('cluster="a\\"b"' in query for query in measured.asked)
    assert [one.at for one in found] == [1000.0 - ago for ago in range(930, -1, -30)]
    assert (found[-1].nodes, found[-1].busy, found[-1].waiting) == (4, 4.0, 2.0)


def test_what_was_added_of_late_counts_against_the_rate(there: There) -> None:
    ledger = SmallLedger()
    there.world = replace(there.world, scaling=replace(POLICY, maximum=30), ledger=ledger)
    there.kube.kept[NAME] = replace(there.kube.kept[NAME], wanted=8, ready=8, total=8)
    there.kube.owners[NAME] = Capacity(NAME, "ScaledObject", "w", 1, 8, 8, 8, "7")
    there.measured.queued = lambda ago: 64.0
    assert bounds(there.plan()) == (1, 13)
    # Six of the eight came within the last minute: four are the most that it bears from two.
    ledger.effects["workers.scale"] = [
        Begun(ago, {"maximum": after}, {"maximum": after - 3}) for ago, after in ((59, 5), (20, 8))
    ]
    nothing = there.plan()
    assert isinstance(nothing, Nothing)
    assert "no more may be added within 60 s" in nothing.reason
    ledger.effects["workers.scale"] = [Begun(61, {"maximum": 8}, {"maximum": 2})]
    assert bounds(there.plan()) == (1, 13)


class Idle:
    """Ten workers with twenty tasks in all: an eighth of their slots."""

    def __init__(self) -> None:
        self.measured, self.ledger = Measured(nodes=10), SmallLedger()
        self.measured.running, self.measured.queued = lambda ago: 20.0, lambda ago: 0.0
        self.nodes = [Node(f"w{n}", tasks=(n + 5) % 10) for n in range(10)]
        self.policy = replace(POLICY, maximum=20)

    def decide(self) -> Decision:
        world = World("lab", FakeClock(), prometheus=self.measured, ledger=self.ledger)
        return surplus(world, self.policy, len(self.nodes), self.nodes)


@pytest.fixture
def idle() -> Idle:
    return Idle()


def test_where_few_slots_are_taken_the_least_busy_of_a_tenth_may_go(idle: Idle) -> None:
    decision = idle.decide()
    assert (decision.move, decision.nodes) == (Move.DRAIN, ("w5",))
    idle.measured.running = lambda ago: 70.0 if ago == 600 else 20.0
    assert idle.decide().move is Move.HOLD


def test_as_many_stay_as_the_last_week_needed(idle: Idle) -> None:
    idle.measured.week = 90.0
    assert idle.decide().move is Move.DRAIN
    idle.measured.week = 91.0
    assert idle.decide().why == "10 workers are the fewest: the last week asked for 10"
    idle.policy, idle.measured.week = replace(idle.policy, minimum=10), 20.0
    assert idle.decide().why == "10 workers are the fewest: the last week asked for 2"


def test_without_a_week_of_measurements_or_with_a_gap_none_goes(idle: Idle) -> None:
    idle.measured.week = None
    with pytest.raises(UnavailableError, match="has not measured for a week"):
        idle.decide()
    idle.measured.week = 20.0
    idle.measured.running = lambda ago: None if 300 < ago < 500 else 20.0
    assert idle.decide().move is Move.HOLD
    idle.measured.running = lambda ago: None
    assert idle.decide().why.startswith("measurements are missing")


def test_a_tenth_that_went_of_late_is_enough(idle: Idle) -> None:
    gone = [Begun(200, {"desired": "stopped"}, {})] * 2
    idle.ledger.effects["workers.shrink"] = gone
    assert idle.decide().move is Move.HOLD
    idle.ledger.effects["workers.shrink"] = [replace(one, ago=301) for one in gone]
    assert idle.decide().move is Move.DRAIN


def test_more_than_the_most_are_left_to_who_wanted_them(idle: Idle) -> None:
    idle.policy = replace(idle.policy, maximum=8)
    idle.measured.running = lambda ago: 96.0
    assert idle.decide().move is Move.HOLD
