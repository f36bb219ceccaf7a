"""`workers.shrink`: only what the load does not ask for, drained and idle, and nothing that somebody else scales."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airwarden.adapters.fakes import FakeClock, FakeHost, FakeKubernetes, FakeWorkers
from airwarden.adapters.host_kubernetes import KubernetesHost
from airwarden.core.errors import ConflictError, RejectedError, UnavailableError
from airwarden.core.kubernetes import Capacity, Pod, Workload, WorkloadKind
from airwarden.core.platform import Component, ProcessState
from airwarden.remediation.actions.base import Effect, Nothing, Plan, ReadBack, Refused
from airwarden.remediation.actions.workers_shrink import WorkersShrink
from airwarden.remediation.checks.base import Verdict
from airwarden.remediation.checks.sparing import WorkersIdle, WorkerSpare, WorkersSuffice
from airwarden.remediation.decide.autoscaling import ScalingPolicy
from airwarden.remediation.world import Begun, World
from support.measured import Measured
from support.small_world import SmallLedger, subject

ACTION = WorkersShrink()
POLICY = ScalingPolicy(0.85, 0.40, 300, 900, minimum=2, maximum=20)
SETS = "airflow-worker"
ALERT = subject()


class Fleet:
    """Ten workers that had twenty tasks on their 160 slots, as long as anybody looked."""

    def __init__(self) -> None:
        self.clock, self.workers, self.ledger = FakeClock(), FakeWorkers(), SmallLedger()
        self.measured = Measured(nodes=10)
        self.measured.running, self.measured.queued = lambda ago: 20.0, lambda ago: 0.0
        names = tuple(f"worker_{n}" for n in range(10))
        self.host = FakeHost(
            self.clock,
            {Component.WORKER: names},
            celery_hostnames={name: f"{name}@box" for name in names},
        )
        for name in names:
            self.workers.put(f"{name}@box", active=1)
        self.world = World(
            "lab", self.clock, host=self.host, workers=self.workers, ledger=self.ledger,
            prometheus=self.measured, scaling=POLICY,
        )  # fmt: skip

    def plan(self, stage: str) -> Plan | Nothing | Refused:
        return ACTION.plan(self.world, ALERT, {"stage": stage})

    def effect(self, stage: str) -> Effect:
        planned = self.plan(stage)
        assert isinstance(planned, Plan), planned
        (effect,) = planned.effects
        return effect

    def do(self, effect: Effect, ago: float = 0.0) -> None:
        ACTION.apply(self.world, effect)
        assert ACTION.read_back(self.world, effect) is ReadBack.DONE
        begun = Begun(ago, effect.parameters, effect.before)
        self.ledger.effects.setdefault(ACTION.name, []).append(begun)

    def refusal(self) -> str:
        refused = self.plan("drain")
        assert isinstance(refused, Refused), refused
        return refused.reason


class Namespace(Fleet):
    """The same as the pods of a StatefulSet that nobody scales."""

    def __init__(self) -> None:
        super().__init__()
        self.kube = FakeKubernetes()
        self.kind(WorkloadKind.STATEFUL_SET)
        for n in range(10):
            pod = f"{SETS}-{n}"
            self.kube.there.append(
                Pod(pod, f"uid-{n}", Component.WORKER, SETS, phase="Running", running=True)
            )
            self.workers.remove(f"worker_{n}@box")
            self.workers.put(f"celery@{pod}", active=1)
        host = KubernetesHost(self.kube, appear_timeout=0)
        self.world = replace(self.world, host=host, kubernetes=self.kube)

    def kind(self, kind: WorkloadKind) -> None:
        self.kube.kept[SETS] = Workload(
            kind, SETS, "uid", Component.WORKER, 10, ready=10, updated=10, total=10
        )


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


@pytest.fixture
def namespace() -> Namespace:
    return Namespace()


def test_a_worker_without_a_task_is_drained_then_stopped(fleet: Fleet) -> None:
    fleet.workers.put("worker_7@box")
    drain = fleet.effect("drain")
    assert (drain.target, drain.removes_capacity) == ("lab/process/worker_7", True)
    assert isinstance(fleet.plan("remove"), Nothing)
    fleet.do(drain)
    assert fleet.workers.effects == [("cancel_consumers", "worker_7@box", "default")]
    assert isinstance(fleet.plan("drain"), Nothing)
    stop = fleet.effect("remove")
    fleet.do(stop)
    assert fleet.host.effects == [("stop", "worker_7")]
    assert isinstance(ACTION.undo(fleet.world, drain), Nothing)
    back = ACTION.undo(fleet.world, stop)
    assert isinstance(back, Plan)
    fleet.do(back.effects[0])
    assert fleet.host.effects[-1] == ("start", "worker_7")
    assert isinstance(ACTION.undo(fleet.world, stop), Nothing)


@pytest.mark.parametrize(("active", "reserved"), [(1, 0), (0, 1)])
def test_one_that_got_a_task_after_all_stays_and_takes_tasks_again(
    fleet: Fleet, active: int, reserved: int
) -> None:
    fleet.workers.put("worker_7@box")
    drain = fleet.effect("drain")
    fleet.do(drain)
    stop = fleet.effect("remove")
    fleet.workers.put("worker_7@box", queues=(), active=active, reserved=reserved)
    with pytest.raises(RejectedError, match="not drained and idle"):
        ACTION.apply(fleet.world, stop)
    assert fleet.host.effects == []
    assert isinstance(fleet.plan("remove"), Nothing)
    back = ACTION.undo(fleet.world, drain)
    assert isinstance(back, Plan)
    (consume,) = back.effects
    assert (consume.summary, consume.removes_capacity) == (
        "give tasks again to worker worker_7",
        False,
    )
    assert ACTION.read_back(fleet.world, consume) is ReadBack.NOT_DONE
    fleet.do(consume)
    assert fleet.workers.effects[-1] == ("add_consumers", "worker_7@box", "default")
    assert isinstance(ACTION.undo(fleet.world, drain), Nothing)
    fleet.clock.wait(5)
    fleet.host.respawn("worker_7")
    with pytest.raises(ConflictError):
        ACTION.apply(fleet.world, consume)


def test_what_was_held_up_for_minutes_is_given_back(fleet: Fleet) -> None:
    fleet.workers.put("worker_7@box")
    fleet.do(fleet.effect("drain"), ago=181)
    refused = fleet.plan("remove")
    assert isinstance(refused, Refused)
    assert "given back" in refused.reason


def test_load_that_came_back_keeps_what_was_drained(fleet: Fleet) -> None:
    fleet.workers.put("worker_7@box")
    fleet.do(fleet.effect("drain"))
    fleet.measured.running = lambda ago: 100.0 if ago < 60 else 20.0
    assert isinstance(fleet.plan("remove"), Nothing)


def test_none_goes_that_is_busy_or_that_its_queue_needs(fleet: Fleet) -> None:
    assert fleet.refusal().startswith("every worker that may go has a task now")
    fleet.workers.put("worker_7@box", queues=("default", "gpu"))
    assert fleet.refusal().startswith("every worker that may go has a task now")
    fleet.workers.put("worker_8@box", queues=("gpu",), active=3)
    assert fleet.refusal().endswith("is needed for its queue")
    fleet.workers.put("worker_8@box", queues=("gpu",), active=1)
    assert fleet.effect("drain").target == "lab/process/worker_7"


def test_while_a_worker_is_not_well_none_goes(fleet: Fleet) -> None:
    fleet.workers.put("worker_7@box")
    fleet.workers.put("worker_3@box", queues=())
    assert fleet.refusal() == "worker_3 answers and consumes nothing: that comes first"
    fleet.workers.remove("worker_3@box")
    assert fleet.refusal() == "worker_3 does not answer Celery: that comes first"


def test_a_small_fleet_and_one_without_scaling_stay(fleet: Fleet) -> None:
    fleet.world = replace(fleet.world, scaling=None)
    assert "auto_scaling" in fleet.refusal()
    fleet.world = replace(fleet.world, scaling=POLICY)
    for n in range(4, 10):
        fleet.host.exit(f"worker_{n}", ProcessState.STOPPED)
    assert fleet.refusal() == "4 workers run, and of fewer than 5 none is taken away"


def test_a_gap_in_the_measurements_or_no_week_of_them_keeps_all(fleet: Fleet) -> None:
    fleet.workers.put("worker_7@box")
    fleet.measured.running = lambda ago: None if 300 < ago < 500 else 20.0
    assert isinstance(fleet.plan("drain"), Nothing)
    fleet.measured.running = lambda ago: 20.0
    fleet.measured.week = None
    with pytest.raises(UnavailableError):
        fleet.plan("drain")
    assert WorkersIdle().read(fleet.world, ALERT, {}).verdict is Verdict.UNKNOWN
    assert WorkerSpare().read(fleet.world, ALERT, {}).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("owner", ["ScaledObject", "HorizontalPodAutoscaler"])
def test_what_scales_itself_is_left_to_who_scales_it(namespace: Namespace, owner: str) -> None:
    namespace.workers.put(f"celery@{SETS}-9")
    namespace.kube.owners[SETS] = Capacity(SETS, owner, "w", 4, 12, 10, 10, "7")
    assert namespace.refusal().startswith(
        f"{owner} w scales {SETS} by itself, from 4 to 12 pods: a lower minimum"
    )
    assert WorkersIdle().read(namespace.world, ALERT, {}).verdict is Verdict.TRUE
    assert WorkerSpare().read(namespace.world, ALERT, {}).verdict is Verdict.TRUE


def test_a_deployment_would_let_any_pod_go(namespace: Namespace) -> None:
    namespace.kind(WorkloadKind.DEPLOYMENT)
    assert "is a Deployment" in namespace.refusal()


def test_a_stateful_sets_last_pod_goes_if_it_is_idle(namespace: Namespace) -> None:
    namespace.workers.put(f"celery@{SETS}-3")
    assert namespace.refusal().startswith("every worker that may go has a task now")
    namespace.workers.put(f"celery@{SETS}-9")
    drain = namespace.effect("drain")
    assert drain.target == f"lab/process/{SETS}-9"
    namespace.do(drain)
    smaller = namespace.effect("remove")
    assert (smaller.target, smaller.removes_capacity) == (f"lab/workload/{SETS}", True)
    namespace.workers.put(f"celery@{SETS}-9", queues=(), reserved=1)
    with pytest.raises(RejectedError, match="not drained and idle"):
        ACTION.apply(namespace.world, smaller)
    namespace.workers.put(f"celery@{SETS}-9", queues=())
    namespace.do(smaller)
    assert namespace.kube.effects == [("scale", SETS, 9, 9)]
    back = ACTION.undo(namespace.world, smaller)
    assert isinstance(back, Plan)
    assert not back.effects[0].removes_capacity
    namespace.do(back.effects[0])
    assert namespace.kube.effects[-1] == ("scale", SETS, 10, 10)


def test_one_that_is_not_settled_is_waited_for(namespace: Namespace) -> None:
    namespace.workers.put(f"celery@{SETS}-9")
    namespace.kube.kept[SETS] = replace(namespace.kube.kept[SETS], ready=9)
    assert namespace.refusal() == f"{SETS} is not settled: 9 of 10 pods are ready"
    assert WorkerSpare().read(namespace.world, ALERT, {}).verdict is Verdict.FALSE


def test_the_checks_tell_idle_busy_and_enough_apart(fleet: Fleet) -> None:
    assert WorkersIdle().read(fleet.world, ALERT, {}).verdict is Verdict.TRUE
    assert WorkerSpare().read(fleet.world, ALERT, {}).verdict is Verdict.FALSE
    assert WorkersSuffice().read(fleet.world, ALERT, {}).verdict is Verdict.TRUE
    fleet.workers.put("worker_7@box")
    assert WorkerSpare().read(fleet.world, ALERT, {}).verdict is Verdict.TRUE
    fleet.measured.running = lambda ago: 140.0
    assert WorkersIdle().read(fleet.world, ALERT, {}).verdict is Verdict.FALSE
    reading = WorkersSuffice().read(fleet.world, ALERT, {})
    assert (reading.verdict, reading.sentence) == (
        Verdict.FALSE,
        "88% of the slots of 10 workers are asked for",
    )
    fleet.measured.running = lambda ago: None if ago < 100 else 20.0
    assert WorkersSuffice().read(fleet.world, ALERT, {}).verdict is Verdict.UNKNOWN
