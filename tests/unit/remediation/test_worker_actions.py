"""`workers.scale` and `worker.restart`: never a busy worker, never one that is not ours to stop."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airwarden.core.errors import ConflictError, UnavailableError
from airwarden.core.platform import Component, ProcessState, Worker
from airwarden.remediation.actions.base import Effect, Nothing, Plan, ReadBack, Refused
from airwarden.remediation.actions.worker_restart import WorkerRestart
from airwarden.remediation.actions.workers import WorkersScale
from airwarden.remediation.world import BreakerState, WorkerFleet
from support.small_world import NOON, Small, process, subject

SCALE, RESTART = WorkersScale(), WorkerRestart()
QUEUE = {"queue": "default"}


def name(number: int) -> str:
    return f"workers:worker_{number}"


@pytest.fixture
def small() -> Small:
    """Two running workers and two stopped ones."""
    small = Small(fleet=WorkerFleet(minimum=2, maximum=4))
    for number in range(4):
        running = number < 2
        small.host.known.append(
            process(
                name(number),
                Component.WORKER,
                ProcessState.RUNNING if running else ProcessState.STOPPED,
                pid=100 + number if running else None,
                celery=f"worker_{number}@box",
            )
        )
    small.workers.known = [Worker(f"worker_{n}@box", ("default",), 4, 2, 4) for n in range(2)]
    small.database.answers["connections"] = [{"sessions": 30, "connections_max": 97}]
    return small


def scaled(small: Small) -> Effect:
    """Plan and start one worker, which answers Celery from then on."""
    planned = SCALE.plan(small.world(), subject(QUEUE), {})
    assert isinstance(planned, Plan)
    (effect,) = planned.effects
    SCALE.apply(small.world(), effect)
    small.workers.known.append(Worker("worker_2@box", ("default",), 0, 0, 4))
    return effect


def work(small: Small, hostname: str, active: int, reserved: int) -> None:
    small.workers.known = [
        replace(w, active=active, reserved=reserved) if w.hostname == hostname else w
        for w in small.workers.known
    ]


def undo(small: Small, effect: Effect) -> Plan | Nothing | Refused:
    return SCALE.undo(small.world(), effect)


def test_a_quarter_more_is_started_and_reads_back(small: Small) -> None:
    planned = SCALE.plan(small.world(), subject(QUEUE), {})
    assert isinstance(planned, Plan)
    (effect,) = planned.effects
    assert effect.target == f"prod/process/{name(2)}"
    assert not effect.removes_capacity
    assert SCALE.read_back(small.world(), effect) is ReadBack.NOT_DONE
    SCALE.apply(small.world(), effect)
    SCALE.apply(small.world(), effect)
    assert small.host.calls == [("start", name(2))]
    assert SCALE.read_back(small.world(), effect) is ReadBack.DONE


def test_growth_is_bounded_by_the_fleets_maximum(small: Small) -> None:
    planned = SCALE.plan(small.world(), subject(QUEUE), {"growth": 5.0})
    assert isinstance(planned, Plan)
    assert len(planned.effects) == 2
    small.fleet = WorkerFleet(minimum=2, maximum=2)
    assert isinstance(SCALE.plan(small.world(), subject(QUEUE), {"growth": 5.0}), Nothing)


def test_a_sick_database_gets_no_further_workers(small: Small) -> None:
    small.database.answers["connections"] = [{"sessions": 90, "connections_max": 97}]
    planned = SCALE.plan(small.world(), subject(QUEUE), {})
    assert isinstance(planned, Refused)
    assert "90 of 97" in planned.reason
    small.database.seconds = 2.0
    assert isinstance(SCALE.plan(small.world(), subject(QUEUE), {}), Refused)


def test_what_was_started_is_drained_then_stopped_when_idle(small: Small) -> None:
    effect = scaled(small)
    work(small, "worker_2@box", 2, 1)
    draining = undo(small, effect)
    assert isinstance(draining, Plan)
    (drain,) = draining.effects
    assert drain.removes_capacity
    assert SCALE.read_back(small.world(), drain) is ReadBack.NOT_DONE
    SCALE.apply(small.world(), drain)
    assert small.workers.calls == [("cancel", "worker_2@box", ("default",))]
    assert SCALE.read_back(small.world(), drain) is ReadBack.DONE

    busy = undo(small, effect)
    assert isinstance(busy, Refused)
    assert "3 tasks" in busy.reason

    work(small, "worker_2@box", 0, 0)
    stopping = undo(small, effect)
    assert isinstance(stopping, Plan)
    SCALE.apply(small.world(), stopping.effects[0])
    assert small.host.get(name(2)).state is ProcessState.STOPPED
    assert SCALE.read_back(small.world(), stopping.effects[0]) is ReadBack.DONE
    assert isinstance(undo(small, effect), Nothing)


def test_a_worker_that_got_busy_between_plan_and_act_is_not_stopped(small: Small) -> None:
    effect = scaled(small)
    drain = undo(small, effect)
    assert isinstance(drain, Plan)
    SCALE.apply(small.world(), drain.effects[0])
    stopping = undo(small, effect)
    assert isinstance(stopping, Plan)
    work(small, "worker_2@box", 1, 0)
    with pytest.raises(ConflictError, match="not drained and idle"):
        SCALE.apply(small.world(), stopping.effects[0])
    assert ("stop", name(2)) not in small.host.calls


def test_a_worker_that_ran_before_is_never_taken_away(small: Small) -> None:
    effect = scaled(small)
    running_before = replace(effect, before={**effect.before, "state": "running"})
    assert isinstance(undo(small, running_before), Nothing)


def test_never_below_the_minimum(small: Small) -> None:
    effect = scaled(small)
    drain = undo(small, effect)
    assert isinstance(drain, Plan)
    SCALE.apply(small.world(), drain.effects[0])
    stopping = undo(small, effect)
    assert isinstance(stopping, Plan)
    small.host.put(replace(small.host.get(name(0)), state=ProcessState.EXITED, pid=None))
    with pytest.raises(ConflictError, match="is needed"):
        SCALE.apply(small.world(), stopping.effects[0])
    assert isinstance(undo(small, effect), Nothing)


def test_a_worker_that_does_not_answer_is_not_stopped(small: Small) -> None:
    effect = scaled(small)
    small.workers.known = small.workers.known[:2]
    assert isinstance(undo(small, effect), Refused)


def test_a_restarted_worker_is_another_one(small: Small) -> None:
    effect = scaled(small)
    drain = undo(small, effect)
    assert isinstance(drain, Plan)
    small.clock.wait(5)
    small.host.restart(name(2), generation=small.host.get(name(2)).generation)
    with pytest.raises(ConflictError):
        SCALE.apply(small.world(), drain.effects[0])


def test_unreadable_workers_raise(small: Small) -> None:
    effect = scaled(small)
    small.workers.error = UnavailableError("broker down")
    with pytest.raises(UnavailableError):
        undo(small, effect)


@pytest.fixture
def silent(small: Small) -> Small:
    small.workers.known = [
        Worker("worker_0@box", ("default",), 4, 2, 4),
        Worker("worker_1@box", (), 0, 0, 4),
    ]
    return small


def test_the_silent_idle_worker_is_restarted(silent: Small) -> None:
    planned = RESTART.plan(silent.world(), subject({"hostname": "worker_1@box"}), {})
    assert isinstance(planned, Plan)
    (effect,) = planned.effects
    assert effect.target == f"prod/process/{name(1)}"
    assert RESTART.read_back(silent.world(), effect) is ReadBack.NOT_DONE
    RESTART.apply(silent.world(), effect)
    assert RESTART.read_back(silent.world(), effect) is ReadBack.DONE
    with pytest.raises(ConflictError):
        RESTART.apply(silent.world(), effect)
    assert silent.clock.now() == NOON


def test_a_silent_worker_with_a_task_is_left_alone(silent: Small) -> None:
    work(silent, "worker_1@box", 0, 1)
    planned = RESTART.plan(silent.world(), subject({"hostname": "worker_1@box"}), {})
    assert isinstance(planned, Refused)
    assert "never restarted busy" in planned.reason


def test_a_worker_that_consumes_again_is_left_alone(silent: Small) -> None:
    planned = RESTART.plan(silent.world(), subject({"hostname": "worker_1@box"}), {})
    assert isinstance(planned, Plan)
    silent.workers.add_consumers("worker_1@box", ("default",))
    with pytest.raises(ConflictError):
        RESTART.apply(silent.world(), planned.effects[0])
    again = RESTART.plan(silent.world(), subject({"hostname": "worker_1@box"}), {})
    assert isinstance(again, Nothing)


def test_no_worker_is_restarted_while_the_broker_is_out(silent: Small) -> None:
    store = silent.breakers
    store.change(store.load("prod/broker"), state=BreakerState.OPEN, reopened=True)
    planned = RESTART.plan(silent.world(), subject({"hostname": "worker_1@box"}), {})
    assert isinstance(planned, Refused)
    assert planned.cause == "broker out"


def test_one_silent_worker_at_a_time(silent: Small) -> None:
    silent.workers.known = [Worker(f"worker_{n}@box", (), 0, 0, 4) for n in range(2)]
    planned = RESTART.plan(silent.world(), subject(), {})
    assert isinstance(planned, Plan)
    assert len(planned.effects) == 1
    assert isinstance(RESTART.undo(silent.world(), planned.effects[0]), Nothing)


def test_a_silent_worker_of_another_host_is_refused(silent: Small) -> None:
    silent.workers.known.append(Worker("far@away", (), 0, 0, 4))
    planned = RESTART.plan(silent.world(), subject({"hostname": "far@away"}), {})
    assert isinstance(planned, Refused)
