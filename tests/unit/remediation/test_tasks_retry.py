"""`tasks.retry`: only what the platform killed, only where it does no harm, spread out, once a day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from airwarden.core.errors import UnavailableError
from airwarden.core.failures import Cause, Verdict
from airwarden.core.platform import Dag, DagRun, TaskInstance, TaskKey, Worker
from airwarden.remediation.actions.base import Effect, Nothing, Plan, Refused
from airwarden.remediation.actions.retries import TasksRetry, due
from airwarden.remediation.actions.tasks import IDEMPOTENT
from airwarden.remediation.checks.base import Verdict as Truth
from airwarden.remediation.checks.killed import KilledTasks
from airwarden.remediation.decide.states import IncidentState
from airwarden.remediation.timed import NOT_BEFORE, waits_until
from airwarden.remediation.world import Begun, BreakerState, Subject, World
from support.engine import FakeAction, Make, playbook
from support.small_world import NOON, Small, ago, subject

RETRY = TasksRetry()
BURST = subject(began=60)
NO_HEARTBEAT = Verdict(Cause.INFRASTRUCTURE, "audit_log", "no heartbeat", event="heartbeat timeout")
MEMORY = Verdict(Cause.INFRASTRUCTURE, "log", "killed for lack of memory", code="signal:9")
OWN_FAULT = Verdict(Cause.DAG_CODE, "log", "raised in the DAG's own code")


class Causes:
    """Says why by the task's name."""

    def __init__(self, told: Mapping[str, Verdict]) -> None:
        self.told = told
        self.asked = 0
        self.read: set[TaskKey] = set()

    def of(self, task: TaskInstance) -> Verdict:
        self.asked += 1
        self.read.add(task.key)
        return self.told.get(task.key.task_id, NO_HEARTBEAT)

    def known(self, task: TaskInstance) -> Verdict | None:
        return self.told.get(task.key.task_id, NO_HEARTBEAT) if task.key in self.read else None


def failed(
    dag_id: str, task_id: str = "load", *, run: str = "r2", tries: int = 2, hostname: str = "box"
) -> TaskInstance:
    return TaskInstance(
        TaskKey(dag_id, run, task_id),
        f"{dag_id}-{run}-{task_id}",
        "failed",
        tries,
        tries,
        hostname=hostname,
        end_date=ago(30),
    )


@pytest.fixture
def small() -> Small:
    small = Small()
    small.airflow.dag_rows = [
        Dag("safe", False, (IDEMPOTENT,)),
        Dag("unsafe", False),
        Dag("asleep", True, (IDEMPOTENT,)),
    ]
    small.airflow.runs = [DagRun("safe", "r2", "failed"), DagRun("safe", "r1", "success")]
    small.airflow.tasks = [failed("safe")]
    return small


def world(small: Small, told: Mapping[str, Verdict] | None = None) -> World:
    return small.world(causes=Causes(told or {}))


def planned(small: Small, told: Mapping[str, Verdict] | None = None) -> Plan:
    found = RETRY.plan(world(small, told), BURST, {})
    assert isinstance(found, Plan), found
    return found


def test_what_the_platform_killed_is_cleared_and_its_cause_kept(small: Small) -> None:
    plan = planned(small)
    (effect,) = plan.effects
    assert effect.parameters["tasks"] == [["load", -1]]
    assert plan.evidence["causes"] == ["safe r2 load: infrastructure, no heartbeat (audit_log)"]
    assert plan.evidence["tries_burned"] == 2
    RETRY.apply(small.world(), effect)
    assert [call[0] for call in small.airflow.calls] == ["clear"]


@pytest.mark.parametrize(
    ("dag_id", "why"), [("unsafe", "not tagged"), ("asleep", "paused"), ("gone", "gone")]
)
def test_what_is_not_marked_or_paused_is_its_owners(small: Small, dag_id: str, why: str) -> None:
    small.airflow.tasks = [failed(dag_id)]
    found = RETRY.plan(world(small), BURST, {})
    assert isinstance(found, Nothing)
    assert why in found.evidence["for_owner"][0]


def test_what_never_started_is_cleared_without_the_mark(small: Small) -> None:
    small.airflow.tasks = [failed("unsafe", hostname="")]
    assert planned(small).effects


def test_a_dags_own_fault_is_not_retried(small: Small) -> None:
    found = RETRY.plan(world(small, {"load": OWN_FAULT}), BURST, {})
    assert isinstance(found, Nothing)
    assert found.evidence["killed_by_the_platform"] == 0


def test_a_dag_that_fails_hundreds_of_its_own_hides_none_that_was_killed(small: Small) -> None:
    own = [failed("safe", "own", run=f"own-{number}") for number in range(100)]
    others = [failed("unsafe", "own", run=f"r{number}") for number in range(100)]
    small.airflow.tasks = [*others, failed("marked", "load"), *own]
    small.airflow.dag_rows.append(Dag("marked", False, (IDEMPOTENT,)))
    small.airflow.runs.append(DagRun("marked", "r2", "failed"))
    told = {"own": OWN_FAULT}
    assert [effect.target for effect in planned(small, told).effects] == ["prod/dagrun/marked/r2"]
    reading = KilledTasks().read(world(small, told), BURST, {})
    assert reading.verdict is Truth.TRUE


def test_those_that_may_be_cleared_are_read_before_those_that_may_not(small: Small) -> None:
    small.airflow.tasks = [
        *(failed(f"other-{number}") for number in range(60)),
        *(failed("safe", f"load-{number}") for number in range(12)),
    ]
    (effect,) = planned(small).effects
    assert len(effect.parameters["tasks"]) == 12


def test_a_later_success_makes_a_retry_pointless(small: Small) -> None:
    small.airflow.runs.insert(0, DagRun("safe", "r3", "success"))
    found = RETRY.plan(world(small), BURST, {})
    assert isinstance(found, Nothing)
    assert "a later run has succeeded" in found.evidence["for_owner"][0]


def test_killed_for_memory_is_retried_once_ever_and_else_once_a_day(small: Small) -> None:
    (effect,) = planned(small, {"load": MEMORY}).effects
    small.ledger.effects["tasks.retry"] = [Begun(60, effect.parameters, {})]
    again = RETRY.plan(world(small, {"load": MEMORY}), BURST, {})
    assert isinstance(again, Nothing)
    assert "memory again" in again.evidence["for_owner"][0]
    another = RETRY.plan(world(small), BURST, {})
    assert isinstance(another, Nothing)
    assert "was cleared within a day" in another.evidence["left"][0]
    small.airflow.tasks.append(failed("safe", "other"))
    (effect,) = planned(small, {"load": MEMORY, "other": MEMORY}).effects
    assert effect.parameters["tasks"] == [["other", -1]]


def test_what_was_requeued_today_is_not_retried_as_well(small: Small) -> None:
    small.ledger.effects["tasks.requeue"] = [Begun(60, planned(small).effects[0].parameters, {})]
    assert isinstance(RETRY.plan(world(small), BURST, {}), Nothing)


def test_nothing_is_retried_while_the_broker_is_out_or_causes_cannot_be_read(small: Small) -> None:
    with pytest.raises(UnavailableError):
        RETRY.plan(small.world(), BURST, {})
    small.breakers.change(small.breakers.load("prod/broker"), state=BreakerState.OPEN)
    assert isinstance(RETRY.plan(world(small), BURST, {}), Refused)


def test_nothing_is_retried_while_heartbeats_time_out_on_most_hosts(small: Small) -> None:
    small.workers.known = [Worker(f"celery@box-{n}", ("default",), 0, 0, 4) for n in range(5)]
    small.airflow.runs = []
    small.airflow.tasks = [failed("safe", run=f"r{n}", hostname=f"box-{n}") for n in range(3)]
    refused = RETRY.plan(world(small), BURST, {})
    assert isinstance(refused, Refused)
    assert refused.reason == "heartbeats timed out lately on 3 hosts, and workers answer on 5"
    # Other kills, other fleets and other times are the hosts' own.
    assert planned(small, {"load": MEMORY}).effects
    small.clock.time += timedelta(seconds=300)
    assert planned(small).effects
    small.clock.time = NOON
    small.workers.known += [Worker(f"celery@more-{n}", ("default",), 0, 0, 4) for n in range(5)]
    assert planned(small).effects
    small.workers.error = UnavailableError("no answer")
    with pytest.raises(UnavailableError):
        RETRY.plan(world(small), BURST, {})


def test_no_more_causes_are_read_than_allowed(small: Small) -> None:
    small.airflow.tasks = [failed("safe", f"t{n}") for n in range(60)]
    causes = Causes({})
    found = RETRY.plan(small.world(causes=causes), BURST, {"tasks": 7})
    assert isinstance(found, Plan)
    assert causes.asked == 7
    assert found.evidence["not_read"] == 53
    assert found.more == "53 failures not read yet"


def test_those_that_were_not_read_are_read_for_the_next_plan(small: Small) -> None:
    small.airflow.tasks = [failed("safe", f"own-{n}", hostname="") for n in range(60)]
    small.airflow.tasks.append(failed("safe", run="late"))
    small.airflow.runs = []
    causes = Causes({f"own-{n}": OWN_FAULT for n in range(60)})
    nothing = RETRY.plan(small.world(causes=causes), BURST, {})
    assert isinstance(nothing, Nothing)
    assert nothing.reason == "0 of 50 failures are the platform's, and none may be retried"
    assert nothing.more == "11 failures not read yet"
    found = RETRY.plan(small.world(causes=causes), BURST, {})
    assert isinstance(found, Plan)
    assert [effect.target for effect in found.effects] == ["prod/dagrun/safe/late"]
    assert (found.more, causes.asked) == ("", 61)


def test_more_than_one_plan_takes_is_left_for_the_next_in_so_many_words(small: Small) -> None:
    small.airflow.runs = []
    small.airflow.tasks = [failed("safe", run=f"r{n}") for n in range(25)]
    found = planned(small)
    assert (len(found.effects), found.more) == (20, "5 tasks")
    small.airflow.tasks *= 250
    assert "more than 5000 tasks failed or hang" in planned(small).more


def test_the_delay_grows_with_the_tries_and_is_the_same_at_each_look() -> None:
    waits = {
        tries: [
            (due(failed("safe", f"t{n}", tries=tries), 30, 1800, NOON) - ago(30)).total_seconds()
            for n in range(200)
        ]
        for tries in (1, 2, 9)
    }
    for tries, most in ((1, 60), (2, 120), (9, 1800)):
        assert 0 <= min(waits[tries]) < most * 0.1
        assert most * 0.9 < max(waits[tries]) <= most
    assert due(failed("a"), 30, 1800, NOON) == due(failed("a"), 30, 1800, NOON)


def test_tasks_that_failed_together_come_back_one_after_the_other(small: Small) -> None:
    small.airflow.runs = []
    small.airflow.tasks = [failed("safe", run=f"r{n}") for n in range(10, 20)]
    moments = [
        datetime.fromisoformat(str(effect.parameters[NOT_BEFORE]))
        for effect in planned(small).effects
    ]
    assert moments == sorted(moments)
    assert moments[-1] - moments[0] > timedelta(seconds=30)


class Timed(FakeAction):
    """Plans one effect that waits for its moment."""

    name = "timed.act"

    def __init__(self) -> None:
        self.at: list[float] = []
        self.moment = ""
        self.clock: Any = None

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        self.clock = world.clock
        self.moment = (
            self.moment
            or (world.clock.now() + timedelta(seconds=float(parameters["after"]))).isoformat()
        )
        wanted = {NOT_BEFORE: self.moment}
        return Plan((Effect(self.name, f"{world.cluster}/timed/one", wanted, {}, "act in time"),))

    def apply(self, world: World, effect: Effect) -> Mapping[str, Any]:
        self.at.append(world.clock.elapsed())
        assert waits_until(effect, world.clock.now()) is None
        return {}


def test_an_effect_that_waits_is_done_when_its_moment_comes(make: Make) -> None:
    timed = Timed()
    book = playbook(
        steps=[{"id": "act", "action": "timed.act", "with": {"after": 200}}],
        confirm={"check": "sick", "times": 1, "every": "1s"},
    )
    bench = make(books=[book], more_actions=[timed])
    bench.fire()
    bench.run(150)
    assert timed.at == []
    bench.run(120)
    assert len(timed.at) == 1
    assert 200 <= timed.at[0] < 230
    bench.machine.healthy = True
    bench.run(60)
    assert bench.state() is IncidentState.RESOLVED
    assert any("the next is due at" in sentence for sentence in bench.story())
