"""`replicas.add`: one more pod for what does not keep up, through who scales it, and back after a while."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from airwarden.adapters.fakes import FakeClock, FakeKubernetes
from airwarden.core.errors import ConflictError, UnavailableError, UnknownOutcomeError
from airwarden.core.kubernetes import Capacity, Pod, Workload, WorkloadKind
from airwarden.core.platform import Component
from airwarden.remediation.actions.base import Effect, Nothing, Plan, ReadBack, Refused
from airwarden.remediation.actions.replicas import ReplicasAdd
from airwarden.remediation.world import Subject, World
from support.small_world import SmallDatabase

ACTION, NAME = ReplicasAdd(), "airflow-api-server"


class There:
    """Two pods of an API server, and a database that answers."""

    def __init__(self) -> None:
        self.kube, self.clock, self.database = FakeKubernetes(), FakeClock(), SmallDatabase()
        self.database.answers["connections"] = [{"sessions": 30, "connections_max": 97}]
        self.kube.kept[NAME] = Workload(
            WorkloadKind.DEPLOYMENT,
            NAME,
            "uid",
            Component.API_SERVER,
            2,
            ready=0,
            updated=2,
            total=2,
        )
        self.kube.there = [
            Pod(f"{NAME}-{n}", f"{n}", Component.API_SERVER, NAME, phase="Running", running=True)
            for n in range(2)
        ]
        self.world = World("lab", self.clock, kubernetes=self.kube, database=self.database)
        self.subject = Subject(
            "1", "api-server-down", {"component": "api-server"}, self.clock.now()
        )

    def owner(self, low: int = 2, high: int = 5, kind: str = "HorizontalPodAutoscaler") -> None:
        self.kube.owners[NAME] = Capacity(NAME, kind, "api", low, high, 2, 2, "7")

    def now(self, **more: Any) -> None:
        self.kube.kept[NAME] = replace(self.kube.kept[NAME], **more)

    def plan(self, **parameters: Any) -> Plan | Nothing | Refused:
        return ACTION.plan(self.world, self.subject, parameters)

    def added(self) -> Effect:
        plan = self.plan()
        assert isinstance(plan, Plan), plan
        (effect,) = plan.effects
        ACTION.apply(self.world, effect)
        return effect

    def back(self, effect: Effect) -> None:
        early = ACTION.undo(self.world, effect)
        assert isinstance(early, Refused), early
        self.clock.advance(timedelta(minutes=30).total_seconds())
        way = ACTION.undo(self.world, effect)
        assert isinstance(way, Plan), way
        assert isinstance(ACTION.undo(self.world, way.effects[0]), Nothing)
        ACTION.apply(self.world, way.effects[0])


@pytest.fixture
def there() -> There:
    return There()


@pytest.mark.parametrize("kind", ["ScaledObject", "HorizontalPodAutoscaler"])
def test_what_scales_itself_gets_a_higher_minimum_and_its_old_one_again(
    there: There, kind: str
) -> None:
    there.owner(1, 5, kind)
    effect = there.added()
    assert there.kube.effects == [("scale", NAME, 3, 5)]
    assert effect.summary == f"let {NAME} have 3 pods (of 2)"
    there.back(effect)
    assert there.kube.effects[-1] == ("scale", NAME, 1, 5)


def test_what_nobody_scales_gets_a_number_and_its_old_one_again(there: There) -> None:
    effect = there.added()
    assert there.kube.effects == [("scale", NAME, 3, 3)]
    there.back(effect)
    assert there.kube.effects[-1] == ("scale", NAME, 2, 2)


def test_a_repetition_and_a_lost_reply_change_nothing(there: There) -> None:
    plan = there.plan()
    assert isinstance(plan, Plan)
    (effect,) = plan.effects
    assert there.plan() == plan
    there.kube.lose_next_reply()
    with pytest.raises(UnknownOutcomeError):
        ACTION.apply(there.world, effect)
    assert ACTION.read_back(there.world, effect) is ReadBack.DONE
    ACTION.apply(there.world, effect)
    assert there.kube.effects == [("scale", NAME, 3, 3)]


def test_what_somebody_else_scaled_is_left_alone(there: There) -> None:
    effect = there.added()
    there.now(wanted=6, total=6)
    assert ACTION.read_back(there.world, effect) is ReadBack.UNDECIDABLE
    with pytest.raises(ConflictError):
        ACTION.apply(there.world, effect)
    there.clock.advance(3600)
    assert isinstance(ACTION.undo(there.world, effect), Nothing)


def test_never_above_the_autoscalers_maximum_nor_the_playbooks(there: There) -> None:
    assert isinstance(there.plan(most=2), Nothing)
    there.owner(2, 2)
    assert isinstance(there.plan(), Nothing)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"total": 3, "updated": 1}, "a roll-out is under way"),
        ({"paused": True}, "a roll-out is under way"),
        ({"wanted": 3}, "has 2 of 3 pods"),
    ],
)
def test_where_pods_are_missing_or_rolled_over_it_is_no_overload(
    there: There, change: Mapping[str, Any], said: str
) -> None:
    there.now(**change)
    refused = there.plan()
    assert isinstance(refused, Refused)
    assert said in refused.reason


def test_a_pod_that_does_not_run_comes_first(there: There) -> None:
    there.kube.there[0] = replace(there.kube.there[0], running=False, reason="CrashLoopBackOff")
    refused = there.plan()
    assert isinstance(refused, Refused)
    assert "1 of 2 pods" in refused.reason


def test_a_database_that_bears_no_more_is_given_no_more(there: There) -> None:
    there.database.answers["connections"] = [{"sessions": 90, "connections_max": 97}]
    full = there.plan()
    assert isinstance(full, Refused)
    assert full.reason.endswith("more api-servers would take what is left")
    there.database.error = UnavailableError("no answer")
    slow = there.plan()
    assert isinstance(slow, Refused)
    assert slow.cause == "no room in the metadata database"
    assert there.kube.effects == []


def test_workers_are_for_another_action(there: There) -> None:
    there.now(component=Component.WORKER)
    there.subject = replace(there.subject, labels={"component": "worker"})
    assert isinstance(there.plan(), Refused)


def test_what_shall_have_no_pods_is_given_none(there: There) -> None:
    there.now(wanted=0, total=0, updated=0)
    there.kube.there.clear()
    assert isinstance(there.plan(), Nothing)
    assert there.kube.effects == []


def test_a_minimum_that_its_autoscaler_has_not_reached_yet_is_not_lowered(there: There) -> None:
    there.owner(4, 6)
    assert isinstance(there.plan(), Nothing)


def test_connections_that_cannot_be_counted_are_no_free_ones(there: There) -> None:
    del there.database.answers["connections"]
    refused = there.plan()
    assert isinstance(refused, Refused)
    assert refused.reason.startswith("the number of taken connections cannot be read")


def test_what_is_added_again_later_is_the_same_effect_to_the_guard_of_fights(there: There) -> None:
    first = there.plan()
    there.subject = replace(there.subject, started_at=there.clock.now() + timedelta(hours=1))
    again = there.plan()
    assert isinstance(first, Plan)
    assert isinstance(again, Plan)
    assert again.effects[0].parameters == first.effects[0].parameters
