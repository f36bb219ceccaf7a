"""`workers.scale` on Kubernetes: absolute bounds through who scales the workers, and a way back that ends no task."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from airwarden.adapters.fakes import FakeClock, FakeKubernetes, FakeWorkers
from airwarden.adapters.host_kubernetes import KubernetesHost
from airwarden.core.errors import ConflictError, UnknownOutcomeError
from airwarden.core.kubernetes import Capacity, Pod, Workload, WorkloadKind
from airwarden.core.platform import Component
from airwarden.remediation.actions.base import Effect, Nothing, Plan, ReadBack, Refused
from airwarden.remediation.actions.workers import WorkersScale
from airwarden.remediation.world import Subject, WorkerFleet, World

NAME = "airflow-worker"
ACTION = WorkersScale()
QUEUE = Subject("1", "queue-scale-up", {"queue": "default"}, datetime.now(UTC))


class Namespace:
    """Workers on Kubernetes, four of them."""

    def __init__(self, kind: WorkloadKind = WorkloadKind.STATEFUL_SET) -> None:
        self.kube, self.workers = FakeKubernetes(), FakeWorkers()
        self.kind = kind
        self.add(NAME, 4)
        self.world = World(
            "lab",
            FakeClock(),
            host=KubernetesHost(self.kube, appear_timeout=0),
            workers=self.workers,
            kubernetes=self.kube,
            fleet=WorkerFleet(1, 10),
        )

    def add(self, name: str, count: int, queue: str = "default") -> None:
        self.kube.kept[name] = Workload(
            self.kind, name, f"uid-{name}", Component.WORKER, wanted=count, ready=count, total=count
        )
        for number in range(count):
            pod = f"{name}-{number}"
            self.kube.there.append(
                Pod(pod, f"uid-{pod}", Component.WORKER, name, phase="Running", running=True)
            )
            self.workers.put(f"celery@{pod}", queues=(queue,))

    def owner(self, kind: str = "ScaledObject", *, most: int = 4) -> None:
        self.kube.owners[NAME] = Capacity(NAME, kind, "w", 1, most, 4, 4, "7")

    def now(self, **more: Any) -> None:
        self.kube.kept[NAME] = replace(self.kube.kept[NAME], **more)

    def plan(self, **parameters: Any) -> Plan | Nothing | Refused:
        return ACTION.plan(self.world, QUEUE, parameters)

    def grown(self) -> Effect:
        plan = self.plan()
        assert isinstance(plan, Plan), plan
        (effect,) = plan.effects
        ACTION.apply(self.world, effect)
        return effect


@pytest.fixture
def there() -> Namespace:
    return Namespace()


@pytest.mark.parametrize("owner", ["ScaledObject", "HorizontalPodAutoscaler"])
def test_what_scales_itself_gets_a_higher_maximum_and_its_old_one_again(
    there: Namespace, owner: str
) -> None:
    there.owner(owner)
    effect = there.grown()

    assert there.kube.effects == [("scale", NAME, 1, 5)]
    assert effect.summary == "let airflow-worker have up to 5 pods (of 4)"
    assert ACTION.read_back(there.world, effect) is ReadBack.DONE
    there.now(wanted=5, total=5)
    early = ACTION.undo(there.world, effect)
    assert isinstance(early, Refused), early
    there.now(wanted=2, total=2)
    back = ACTION.undo(there.world, effect)
    assert isinstance(back, Plan), back
    assert back.effects[0].removes_capacity
    ACTION.apply(there.world, back.effects[0])
    assert there.kube.effects[-1] == ("scale", NAME, 1, 4)


def test_one_that_may_still_add_by_itself_is_left_to_it(there: Namespace) -> None:
    there.owner(most=9)
    assert isinstance(there.plan(), Nothing)


def test_what_nobody_scales_gets_a_number_of_pods(there: Namespace) -> None:
    there.grown()
    assert there.kube.effects == [("scale", NAME, 5, 5)]


def test_the_ceiling_bounds_it_and_without_one_nothing_is_raised(there: Namespace) -> None:
    there.owner()
    there.world = replace(there.world, fleet=WorkerFleet(1, 4))
    assert isinstance(there.plan(), Nothing)
    there.world = replace(there.world, fleet=WorkerFleet(1, None))
    refused = there.plan()
    assert isinstance(refused, Refused)
    assert refused.cause == "no ceiling declared"


def test_where_a_quota_refuses_pods_no_more_are_asked_for(there: Namespace) -> None:
    there.now(wanted=6)
    there.kube.refused = ['pods "airflow-worker-4" is forbidden: exceeded quota: room']
    refused = there.plan()

    assert isinstance(refused, Refused)
    assert refused.reason == (
        'airflow-worker has 4 of 6 pods: pods "airflow-worker-4" is forbidden: exceeded quota: room'
    )
    assert there.kube.effects == []


def test_where_pods_wait_for_a_node_no_more_are_asked_for(there: Namespace) -> None:
    there.kube.there[0] = replace(
        there.kube.there[0], reason="Unschedulable", message="insufficient cpu", running=False
    )
    refused = there.plan()
    assert isinstance(refused, Refused)
    assert "Unschedulable; insufficient cpu" in refused.reason


def test_of_several_workloads_the_one_that_serves_the_queue_grows(there: Namespace) -> None:
    there.add("airflow-worker-gpu", 2, "gpu")
    gpu = replace(QUEUE, labels={"queue": "gpu"})
    plan = ACTION.plan(there.world, gpu, {})
    assert isinstance(plan, Plan)
    assert plan.effects[0].target == "lab/workload/airflow-worker-gpu"
    nobody = ACTION.plan(there.world, replace(QUEUE, labels={"queue": "odd"}), {})
    assert isinstance(nobody, Refused)
    assert nobody.cause == "unknown workload"


def test_a_lost_reply_is_read_back_and_a_repetition_changes_nothing(there: Namespace) -> None:
    there.owner()
    plan = there.plan()
    assert isinstance(plan, Plan)
    (effect,) = plan.effects
    there.kube.lose_next_request()
    with pytest.raises(UnknownOutcomeError):
        ACTION.apply(there.world, effect)
    assert ACTION.read_back(there.world, effect) is ReadBack.NOT_DONE
    there.kube.lose_next_reply()
    with pytest.raises(UnknownOutcomeError):
        ACTION.apply(there.world, effect)
    assert ACTION.read_back(there.world, effect) is ReadBack.DONE
    ACTION.apply(there.world, effect)
    assert there.kube.effects == [("scale", NAME, 1, 5)]


def test_what_somebody_else_scaled_is_left_alone(there: Namespace) -> None:
    there.owner()
    effect = there.grown()
    there.owner(most=7)

    assert ACTION.read_back(there.world, effect) is ReadBack.UNDECIDABLE
    assert isinstance(ACTION.undo(there.world, effect), Nothing)
    with pytest.raises(ConflictError):
        ACTION.apply(there.world, effect)
    del there.kube.kept[NAME]
    assert ACTION.read_back(there.world, effect) is ReadBack.UNDECIDABLE
    assert isinstance(ACTION.undo(there.world, effect), Nothing)


def test_the_highest_pod_of_a_stateful_set_is_drained_and_goes_once_it_is_idle(
    there: Namespace,
) -> None:
    effect = there.grown()
    last = f"{NAME}-4"
    there.now(total=5, ready=5)
    there.kube.there.append(
        Pod(last, "uid-4", Component.WORKER, NAME, phase="Running", running=True)
    )
    there.workers.put(f"celery@{last}", active=2)

    drain = ACTION.undo(there.world, effect)
    assert isinstance(drain, Plan), drain
    assert [one.summary for one in drain.effects] == [f"drain worker {last}"]
    ACTION.apply(there.world, drain.effects[0])
    busy = ACTION.undo(there.world, effect)
    assert isinstance(busy, Refused), busy
    assert "2 tasks" in busy.reason
    there.workers.put(f"celery@{last}", queues=(), active=0)
    back = ACTION.undo(there.world, effect)
    assert isinstance(back, Plan), back
    there.workers.put(f"celery@{last}", queues=(), active=1)  # it got one after all
    with pytest.raises(ConflictError):
        ACTION.apply(there.world, back.effects[0])
    there.workers.put(f"celery@{last}", queues=(), active=0)
    ACTION.apply(there.world, back.effects[0])
    assert there.kube.effects[-1] == ("scale", NAME, 4, 4)


def test_a_deployment_shrinks_only_while_none_of_its_workers_has_a_task() -> None:
    there = Namespace(WorkloadKind.DEPLOYMENT)
    effect = there.grown()
    there.workers.put(f"celery@{NAME}-0", active=1)
    assert isinstance(ACTION.undo(there.world, effect), Refused)
    there.workers.put(f"celery@{NAME}-0", active=0)
    back = ACTION.undo(there.world, effect)
    assert isinstance(back, Plan), back
    ACTION.apply(there.world, back.effects[0])
    assert there.kube.effects[-1] == ("scale", NAME, 4, 4)


@pytest.mark.parametrize("owner", ["ScaledObject", "HorizontalPodAutoscaler"])
def test_a_maximum_is_not_lowered_below_the_pods_that_were_added_since_it_was_planned(
    there: Namespace, owner: str
) -> None:
    there.owner(owner)
    effect = there.grown()
    there.now(wanted=2, total=2)
    back = ACTION.undo(there.world, effect)
    assert isinstance(back, Plan), back
    there.now(wanted=5, total=4)
    with pytest.raises(ConflictError, match="more pods"):
        ACTION.apply(there.world, back.effects[0])
    assert there.kube.effects == [("scale", NAME, 1, 5)]
