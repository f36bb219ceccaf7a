"""Two outages that name one pool, or one DAG: what both hold is given back after the second."""

from __future__ import annotations

import pytest

from airwarden.core.platform import Dag, Pool
from airwarden.remediation.actions.base import Effect, Nothing, Plan, Refused
from airwarden.remediation.actions.breaker import BreakerClose, BreakerOpen
from airwarden.remediation.actions.dags import DagPause
from airwarden.remediation.actions.pools import PoolHold
from airwarden.remediation.world import Dependency, Subject, World
from support.small_world import Small, subject

HOLD, PAUSE = PoolHold(), DagPause()
BILLING, LEDGER = subject({"dependency": "billing"}), subject({"dependency": "ledger"})
BROKER = subject({"component": "broker"})


@pytest.fixture
def world() -> World:
    small = Small()
    small.airflow.pool_rows = [Pool("shared", 16), Pool("billing", 8)]
    small.airflow.dag_rows = [Dag("both", False, ("depends:billing", "depends:ledger"))]
    dependencies = {
        "billing": Dependency("billing", pools=("shared", "billing"), floor=2),
        "ledger": Dependency("ledger", pools=("shared",)),
    }
    return small.world(dependencies=dependencies)


def switch(world: World, name: str, action: BreakerOpen | BreakerClose) -> None:
    plan = action.plan(world, subject(), {"breaker": name})
    assert isinstance(plan, Plan)
    action.apply(world, plan.effects[0])


def hold(world: World, about: Subject, **parameters: object) -> list[Effect]:
    plan = HOLD.plan(world, about, {"ramp": [1.0], "every": 0, **parameters})
    if isinstance(plan, Nothing):
        return []
    assert isinstance(plan, Plan)
    for effect in plan.effects:
        HOLD.apply(world, effect)
    return list(plan.effects)


def slots(world: World) -> dict[str, int]:
    assert world.airflow is not None
    return {pool.name: pool.slots for pool in world.airflow.pools()}


def give_back(world: World, effect: Effect) -> str:
    back = HOLD.undo(world, effect)
    if isinstance(back, Plan):
        HOLD.apply(world, back.effects[0])
        return ""
    return back.reason


def test_a_pool_of_two_outages_is_given_back_after_the_second(world: World) -> None:
    switch(world, "billing", BreakerOpen())
    shared, own = hold(world, BILLING)
    switch(world, "ledger", BreakerOpen())
    assert hold(world, LEDGER) == []
    switch(world, "billing", BreakerClose())
    assert give_back(world, own) == ""
    assert "held for ledger as well" in give_back(world, shared)
    assert slots(world) == {"shared": 2, "billing": 8}
    switch(world, "ledger", BreakerClose())
    assert give_back(world, shared) == ""
    assert slots(world) == {"shared": 16, "billing": 8}


def test_a_pool_held_for_a_dependency_waits_for_the_broker_too(world: World) -> None:
    switch(world, "billing", BreakerOpen())
    shared, _ = hold(world, BILLING)
    switch(world, "broker", BreakerOpen())
    assert hold(world, BROKER, pools="all") == []
    switch(world, "billing", BreakerClose())
    assert "held for broker" in give_back(world, shared)
    switch(world, "broker", BreakerClose())
    assert give_back(world, shared) == ""


def test_a_pool_held_for_the_broker_waits_for_its_dependencies(world: World) -> None:
    switch(world, "broker", BreakerOpen())
    held = {one.target: one for one in hold(world, BROKER, pools="all")}
    switch(world, "ledger", BreakerOpen())
    assert hold(world, LEDGER) == []
    switch(world, "broker", BreakerClose())
    assert give_back(world, held["prod/pool/billing"]) == ""
    assert "held for ledger" in give_back(world, held["prod/pool/shared"])


def test_what_an_earlier_version_held_is_given_back_as_it_was(world: World) -> None:
    switch(world, "billing", BreakerOpen())
    effect = hold(world, BILLING)[0]
    del effect.parameters["way_back"]["for"]
    switch(world, "ledger", BreakerOpen())
    assert give_back(world, effect) == ""


def test_a_dag_of_two_outages_is_unpaused_after_the_second(world: World) -> None:
    switch(world, "billing", BreakerOpen())
    plan = PAUSE.plan(world, BILLING, {})
    assert isinstance(plan, Plan)
    PAUSE.apply(world, plan.effects[0])
    switch(world, "ledger", BreakerOpen())
    assert isinstance(PAUSE.plan(world, LEDGER, {}), Nothing)
    switch(world, "billing", BreakerClose())
    assert isinstance(PAUSE.undo(world, plan.effects[0]), Refused)
    switch(world, "ledger", BreakerClose())
    assert isinstance(PAUSE.undo(world, plan.effects[0]), Plan)
