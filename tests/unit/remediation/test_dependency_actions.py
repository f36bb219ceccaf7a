"""`pool.hold`, `dag.pause`, `canary.start`: absolute, and given back only if still ours."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airwarden.core.errors import ConflictError, UnavailableError
from airwarden.core.platform import Dag, DagRun, Pool, TaskInstance, TaskKey
from airwarden.remediation.actions.base import Effect, Nothing, Plan, ReadBack, Refused
from airwarden.remediation.actions.canary import CanaryStart
from airwarden.remediation.actions.dags import DagPause
from airwarden.remediation.actions.pools import PoolHold, ramp_stages
from airwarden.remediation.checks.base import Verdict
from airwarden.remediation.checks.dependencies import (
    CanarySucceeded,
    DependencyAnswers,
    DependencyDown,
)
from airwarden.remediation.world import Dependency, World
from support.small_world import NOON, Small, SmallProbe, ago, subject

HOLD, PAUSE, CANARY = PoolHold(), DagPause(), CanaryStart()
BILLING = subject({"dependency": "billing"})


@pytest.fixture
def small() -> Small:
    small = Small()
    small.airflow.pool_rows = [
        Pool("default_pool", 128, running=40),
        Pool("billing", 16, running=9),
        Pool("free", -1),
    ]
    small.airflow.dag_rows = [
        Dag("billing_a", False, ("depends:billing",)),
        Dag("billing_b", True, ("depends:billing",)),
        Dag("other", False, ()),
        Dag("billing_canary", False, ("canary:billing",)),
    ]
    return small


def world(small: Small, **changes: Any) -> World:
    billing = Dependency("billing", pools=("billing",), probe=SmallProbe())
    return small.world(**{"dependencies": {"billing": billing}, **changes})


def held(small: Small, **parameters: object) -> Effect:
    planned = HOLD.plan(world(small), BILLING, {"every": 60, **parameters})
    assert isinstance(planned, Plan)
    (effect,) = planned.effects
    HOLD.apply(world(small), effect)
    return effect


def slots(small: Small, pool: str = "billing") -> int:
    return next(p.slots for p in small.airflow.pool_rows if p.name == pool)


def set_slots(small: Small, number: int, pool: str = "billing") -> None:
    small.airflow.set_pool_slots(pool, number)


def give_back(small: Small, effect: Effect) -> None:
    planned = HOLD.undo(world(small), effect)
    assert isinstance(planned, Plan)
    HOLD.apply(world(small), planned.effects[0])


def test_the_hold_is_below_what_is_running_and_touches_only_the_declared_pool(
    small: Small,
) -> None:
    effect = held(small)
    assert slots(small) == 1
    assert slots(small, "default_pool") == 128
    assert HOLD.read_back(world(small), effect) is ReadBack.DONE
    assert isinstance(HOLD.plan(world(small), BILLING, {}), Nothing)


def test_a_lower_hold_than_one_slot_is_impossible(small: Small) -> None:
    held(small, floor=0)
    assert slots(small) == 1


def test_it_is_given_back_in_steps(small: Small) -> None:
    effect = held(small)
    seen = []
    while isinstance(HOLD.undo(world(small), effect), Plan):
        give_back(small, effect)
        seen.append(slots(small))
    assert seen == [2, 4, 8, 16]
    assert isinstance(HOLD.undo(world(small), effect), Nothing)


def test_the_next_share_waits_for_its_time(small: Small) -> None:
    effect = held(small)
    give_back(small, effect)
    small.ledger.done[HOLD.name, effect.target] = 1
    early = HOLD.undo(world(small), effect)
    assert isinstance(early, Refused)
    assert "less than 60 s ago" in early.reason
    small.ledger.done.clear()
    assert isinstance(HOLD.undo(world(small), effect), Plan)


def test_the_next_share_waits_for_the_last_to_be_borne(small: Small) -> None:
    effect = held(small)
    give_back(small, effect)
    small.airflow.tasks = [task("billing_a", n, "failed", pool="billing") for n in range(2)]
    small.airflow.tasks.append(task("billing_a", 3, "success", pool="billing"))
    early = HOLD.undo(world(small), effect)
    assert isinstance(early, Refused)
    assert "1 of 3" in early.reason


def test_a_pool_that_someone_else_set_is_left_alone(small: Small) -> None:
    effect = held(small)
    set_slots(small, 7)
    left = HOLD.undo(world(small), effect)
    assert isinstance(left, Nothing)
    assert "someone else" in left.reason
    assert HOLD.read_back(world(small), effect) is ReadBack.UNDECIDABLE


def test_a_pool_changed_between_plan_and_act_is_a_conflict(small: Small) -> None:
    planned = HOLD.plan(world(small), BILLING, {})
    assert isinstance(planned, Plan)
    set_slots(small, 20)
    with pytest.raises(ConflictError):
        HOLD.apply(world(small), planned.effects[0])
    assert slots(small) == 20


def test_all_pools_can_be_held_but_not_one_without_limit(small: Small) -> None:
    planned = HOLD.plan(world(small), subject(), {"pools": "all"})
    assert isinstance(planned, Plan)
    assert [e.parameters["pool"] for e in planned.effects] == ["default_pool", "billing"]
    assert planned.evidence["unlimited"] == ["free"]


def test_an_undeclared_dependency_selects_no_pool(small: Small) -> None:
    """An empty selection means nothing, never everything."""
    planned = HOLD.plan(world(small), subject({"dependency": "unknown"}), {})
    assert isinstance(planned, Nothing)
    assert isinstance(HOLD.plan(world(small), subject(), {}), Nothing)
    assert isinstance(HOLD.plan(world(small), BILLING, {"pools": ["nowhere"]}), Refused)


@given(
    old=st.integers(min_value=2, max_value=10_000),
    ramp=st.lists(st.floats(min_value=0.01, max_value=0.99), max_size=6),
)
def test_a_ramp_rises_to_the_old_number_and_ends_there(old: int, ramp: list[float]) -> None:
    stages = ramp_stages(old, 1, [*ramp, 1.0])
    assert stages[-1] == old
    assert stages == sorted(set(stages))
    assert all(stage > 1 for stage in stages)


def task(dag_id: str, number: int, state: str, **changes: Any) -> TaskInstance:
    key = TaskKey(dag_id, f"run_{number}", "task")
    one = TaskInstance(key, f"id-{dag_id}-{number}", state, 1, 3, start_date=ago(10))
    return replace(one, **changes)


def test_only_running_tagged_dags_are_paused_and_only_those_unpaused(small: Small) -> None:
    planned = PAUSE.plan(world(small), BILLING, {})
    assert isinstance(planned, Plan)
    (effect,) = planned.effects
    assert effect.target == "prod/dag/billing_a"
    PAUSE.apply(world(small), effect)
    assert PAUSE.read_back(world(small), effect) is ReadBack.DONE
    assert isinstance(PAUSE.plan(world(small), BILLING, {}), Nothing)
    back = PAUSE.undo(world(small), effect)
    assert isinstance(back, Plan)
    PAUSE.apply(world(small), back.effects[0])
    assert not small.airflow.dag("billing_a").is_paused
    assert small.airflow.dag("billing_b").is_paused
    assert isinstance(PAUSE.undo(world(small), effect), Nothing)
    assert isinstance(PAUSE.undo(world(small), back.effects[0]), Nothing)


def test_a_dag_that_somebody_switched_since_is_left_as_it_is(small: Small) -> None:
    small.database.answers["dag_patches"] = [{"patches": 5}]
    planned = PAUSE.plan(world(small), BILLING, {})
    assert isinstance(planned, Plan)
    PAUSE.apply(world(small), planned.effects[0])
    small.database.answers["dag_patches"] = [{"patches": 6}]
    assert isinstance(PAUSE.undo(world(small), planned.effects[0]), Plan)
    small.database.answers["dag_patches"] = [{"patches": 8}]
    left = PAUSE.undo(world(small), planned.effects[0])
    assert isinstance(left, Nothing)
    assert "somebody" in left.reason
    # Who could not be seen to have switched it may have: it is asked again.
    small.database.error = UnavailableError("connection refused")
    assert isinstance(PAUSE.undo(world(small), planned.effects[0]), Refused)


def test_at_most_three_dags_the_busiest_first(small: Small) -> None:
    small.airflow.dag_rows = [Dag(f"d{n}", False, ("depends:billing",)) for n in range(6)]
    small.airflow.tasks = [
        task("d5", 1, "queued"),
        task("d5", 2, "queued"),
        task("d3", 1, "queued"),
    ]
    planned = PAUSE.plan(world(small), BILLING, {"most": 99})
    assert isinstance(planned, Plan)
    assert [e.parameters["dag_id"] for e in planned.effects] == ["d5", "d3", "d0"]
    assert planned.evidence["not_paused"] == ["d1", "d2", "d4"]


def test_without_a_dependency_no_dag_is_paused(small: Small) -> None:
    assert isinstance(PAUSE.plan(world(small), subject(), {}), Nothing)


def test_a_dag_that_is_gone_is_neither_paused_nor_unpaused(small: Small) -> None:
    planned = PAUSE.plan(world(small), BILLING, {})
    assert isinstance(planned, Plan)
    small.airflow.dag_rows = []
    assert PAUSE.read_back(world(small), planned.effects[0]) is ReadBack.UNDECIDABLE
    assert isinstance(PAUSE.undo(world(small), planned.effects[0]), Nothing)


def test_one_canary_and_another_only_after_it_failed(small: Small) -> None:
    planned = CANARY.plan(world(small), BILLING, {})
    assert isinstance(planned, Plan)
    (effect,) = planned.effects
    assert effect.parameters["run_id"] in effect.target
    assert CANARY.read_back(world(small), effect) is ReadBack.NOT_DONE
    CANARY.apply(world(small), effect)
    CANARY.apply(world(small), effect)
    assert len(small.airflow.runs) == 1
    assert CANARY.read_back(world(small), effect) is ReadBack.DONE
    assert isinstance(CANARY.plan(world(small), BILLING, {}), Nothing)
    assert CanarySucceeded().read(world(small), BILLING, {}).verdict is Verdict.FALSE

    small.airflow.runs[0] = replace(small.airflow.runs[0], state="failed")
    second = CANARY.plan(world(small), BILLING, {})
    assert isinstance(second, Plan)
    assert second.effects[0].target != effect.target

    small.airflow.runs[0] = replace(small.airflow.runs[0], state="success")
    assert isinstance(CANARY.plan(world(small), BILLING, {}), Nothing)
    assert CanarySucceeded().read(world(small), BILLING, {}).verdict is Verdict.TRUE


def test_an_earlier_incidents_canary_does_not_count(small: Small) -> None:
    small.airflow.runs = [DagRun("billing_canary", "airwarden_canary__inc-0__1", "success")]
    assert isinstance(CANARY.plan(world(small), BILLING, {}), Plan)
    assert CanarySucceeded().read(world(small), BILLING, {}).verdict is Verdict.FALSE


def test_a_paused_canary_is_refused_and_a_missing_one_left_out(small: Small) -> None:
    small.airflow.set_paused("billing_canary", paused=True)
    assert isinstance(CANARY.plan(world(small), BILLING, {}), Refused)
    small.airflow.dag_rows = small.airflow.dag_rows[:3]
    assert isinstance(CANARY.plan(world(small), BILLING, {}), Nothing)
    assert CanarySucceeded().read(world(small), BILLING, {}).verdict is Verdict.TRUE


def test_the_probe_decides_and_its_lack_is_unknown(small: Small) -> None:
    probe = SmallProbe(up=False)
    one = world(small, dependencies={"billing": Dependency("billing", probe=probe)})
    assert DependencyDown().read(one, BILLING, {}).verdict is Verdict.TRUE
    probe.up = True
    assert DependencyAnswers().read(one, BILLING, {}).verdict is Verdict.TRUE
    none = world(small, dependencies={"billing": Dependency("billing")})
    assert DependencyAnswers().read(none, BILLING, {}).verdict is Verdict.UNKNOWN
    assert DependencyDown().read(none, BILLING, {}).verdict is Verdict.UNKNOWN
    assert small.clock.now() - NOON == timedelta(0)
