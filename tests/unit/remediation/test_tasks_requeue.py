"""`tasks.requeue`: only what never started or may be repeated, once a day, and proved by the id."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airwarden.core.errors import ConflictError, UnavailableError
from airwarden.core.platform import Dag, TaskInstance, TaskKey
from airwarden.remediation.actions.base import Effect, Nothing, Plan, ReadBack, Refused
from airwarden.remediation.actions.tasks import TasksRequeue
from airwarden.remediation.world import Begun, BreakerState, Dependency, World
from support.small_world import Small, SmallProbe, ago, subject

ACTION = TasksRequeue()
BILLING = subject({"dependency": "billing"}, began=300)


def task(
    dag_id: str,
    number: int,
    *,
    started: bool = False,
    state: str = "failed",
    ended: float = 100,
    run: str = "run_1",
) -> TaskInstance:
    return TaskInstance(
        TaskKey(dag_id, run, f"task_{number}"),
        f"id-{dag_id}-{run}-{number}",
        state,
        1,
        3,
        pool="billing",
        hostname="worker" if started else "",
        start_date=ago(ended + 5) if started else None,
        end_date=ago(ended) if state == "failed" else None,
        queued_when=ago(ended + 10),
    )


@pytest.fixture
def small() -> Small:
    small = Small()
    small.airflow.dag_rows = [
        Dag("sync", False, ("depends:billing", "auto-heal:idempotent")),
        Dag("charge", False, ("depends:billing",)),
        Dag("other", False, ()),
    ]
    return small


def world(small: Small) -> World:
    billing = Dependency("billing", pools=("billing",), probe=SmallProbe())
    return small.world(dependencies={"billing": billing})


def plan(small: Small, **parameters: object) -> Plan | Nothing:
    planned = ACTION.plan(world(small), BILLING, {"spread": 0, **parameters})
    assert isinstance(planned, Plan | Nothing)
    return planned


def only(planned: Plan | Nothing) -> Effect:
    assert isinstance(planned, Plan)
    (effect,) = planned.effects
    return effect


def test_what_started_and_is_not_marked_is_left_to_its_owner(small: Small) -> None:
    small.airflow.tasks = [
        task("charge", 1, started=True),
        task("charge", 2),
        task("sync", 3, started=True),
    ]
    planned = plan(small)
    assert isinstance(planned, Plan)
    chosen = [e.parameters["tasks"] for e in planned.effects]
    assert chosen == [[["task_2", -1]], [["task_3", -1]]]
    assert planned.evidence["for_owner"] == ["charge run_1 task_1[-1]"]


def test_a_marked_dag_that_the_dependency_does_not_concern_is_not_touched(small: Small) -> None:
    small.airflow.tasks = [replace(task("other", 1), pool="default_pool")]
    assert isinstance(plan(small), Nothing)
    assert isinstance(plan(small, scope="all"), Plan)


def test_failures_long_before_the_alert_are_not_its_own(small: Small) -> None:
    small.airflow.tasks = [task("sync", 1, ended=700)]
    assert isinstance(plan(small), Nothing)
    assert isinstance(plan(small, lead=3600), Plan)


def test_a_task_that_hangs_in_the_queue_is_requeued_a_fresh_one_is_not(small: Small) -> None:
    small.airflow.tasks = [task("charge", 1, state="queued", ended=20)]
    assert isinstance(plan(small), Nothing)
    small.airflow.tasks = [task("charge", 1, state="queued", ended=100)]
    assert only(plan(small)).parameters["tasks"] == [["task_1", -1]]


def test_a_clear_is_proved_by_the_new_id_and_never_repeated(small: Small) -> None:
    small.airflow.tasks = [task("sync", 1), task("sync", 2)]
    effect = only(plan(small))
    assert ACTION.read_back(world(small), effect) is ReadBack.NOT_DONE
    ACTION.apply(world(small), effect)
    assert ACTION.read_back(world(small), effect) is ReadBack.DONE
    with pytest.raises(ConflictError):
        ACTION.apply(world(small), effect)
    assert len([c for c in small.airflow.calls if c[0] == "clear"]) == 1


def test_one_task_that_changed_since_is_left_out(small: Small) -> None:
    small.airflow.tasks = [task("sync", 1), task("sync", 2)]
    effect = only(plan(small))
    small.airflow.tasks[0] = replace(small.airflow.tasks[0], id="new", state="running")
    ACTION.apply(world(small), effect)
    (call,) = (c for c in small.airflow.calls if c[0] == "clear")
    assert [key.task_id for key in call[1]] == ["task_2"]


def test_what_has_started_since_it_was_planned_for_is_left_out(small: Small) -> None:
    small.airflow.tasks = [task("charge", 1, state="queued"), task("charge", 2)]
    effect = only(plan(small))
    small.airflow.tasks[0] = task("charge", 1, started=True, ended=1)
    assert ACTION.apply(world(small), effect) == {"cleared": ["task_2[-1]"]}


def test_a_partial_change_cannot_be_decided(small: Small) -> None:
    small.airflow.tasks = [task("sync", 1), task("sync", 2)]
    effect = only(plan(small))
    small.airflow.tasks[0] = replace(small.airflow.tasks[0], id="new")
    assert ACTION.read_back(world(small), effect) is ReadBack.UNDECIDABLE
    small.airflow.tasks = []
    assert ACTION.read_back(world(small), effect) is ReadBack.UNDECIDABLE


def test_a_task_instance_is_cleared_at_most_once_a_day(small: Small) -> None:
    small.airflow.tasks = [task("sync", 1)]
    small.ledger.effects[ACTION.name] = [Begun(3600, only(plan(small)).parameters, {})]
    small.airflow.tasks += [task("sync", 2), task("sync", 1, run="run_2")]
    planned = plan(small)
    assert isinstance(planned, Plan)
    chosen = [(e.target, e.parameters["tasks"]) for e in planned.effects]
    assert chosen == [
        ("prod/dagrun/sync/run_1", [["task_2", -1]]),
        ("prod/dagrun/sync/run_2", [["task_1", -1]]),
    ]
    assert planned.evidence["left"] == ["sync run_1 task_1[-1]: was cleared within a day"]


def test_a_run_goes_in_batches_and_what_is_more_than_a_plan_takes_is_said(small: Small) -> None:
    small.airflow.tasks = [task("sync", n, run=f"run_{r:02}") for r in range(30) for n in range(25)]
    planned = plan(small)
    assert isinstance(planned, Plan)
    assert [len(e.parameters["tasks"]) for e in planned.effects] == [20, 5] * 10
    assert planned.more == "500 tasks"


def test_nothing_to_do_does_nothing(small: Small) -> None:
    assert isinstance(plan(small), Nothing)
    small.airflow.tasks = [task("charge", 1, started=True)]
    left = plan(small)
    assert isinstance(left, Nothing)
    assert left.evidence["for_owner_total"] == 1
    assert small.airflow.calls == []


def test_without_a_ledger_nothing_is_cleared(small: Small) -> None:
    small.airflow.tasks = [task("sync", 1)]
    with pytest.raises(UnavailableError):
        ACTION.plan(small.world(ledger=None), BILLING, {})


@pytest.mark.parametrize("name", ["billing", "broker"])
def test_nothing_is_requeued_under_an_open_breaker(small: Small, name: str) -> None:
    small.airflow.tasks = [task("sync", 1)]
    store = small.breakers
    store.change(store.load(f"prod/{name}"), state=BreakerState.OPEN, reopened=True)
    assert isinstance(ACTION.plan(world(small), BILLING, {}), Refused)
    store.change(store.load(f"prod/{name}"), state=BreakerState.CLOSED)
    assert isinstance(ACTION.plan(world(small), BILLING, {}), Plan)


def test_clears_are_spread_over_time(small: Small) -> None:
    small.airflow.tasks = [task("sync", 1)]
    planned = ACTION.plan(world(small), BILLING, {"spread": 2})
    assert isinstance(planned, Plan)
    before = small.clock.now()
    ACTION.apply(world(small), planned.effects[0])
    assert 0 < (small.clock.now() - before).total_seconds() <= 2
    assert isinstance(ACTION.undo(world(small), planned.effects[0]), Nothing)
