"""`worker.drain`, `worker.consume`, `worker.shutdown`: one worker, by name, in the incarnation that was seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airwarden.core.errors import ConflictError
from airwarden.core.platform import Worker
from airwarden.remediation.actions.base import Effect, Nothing, Plan, ReadBack, Refused
from airwarden.remediation.actions.worker_control import WorkerConsume, WorkerDrain, WorkerShutdown
from airwarden.remediation.world import BreakerState, WorkerFleet
from support.small_world import Small, subject

DRAIN, CONSUME, SHUTDOWN = WorkerDrain(), WorkerConsume(), WorkerShutdown()
A, B = "a@box", "b@box"
ABOUT_A = subject({"hostname": A})


@pytest.fixture
def small() -> Small:
    small = Small()
    small.workers.known = [
        Worker(A, ("default",), 1, 0, 4, pid=11),
        Worker(B, ("default",), 0, 0, 4, pid=12),
    ]
    return small


def change(small: Small, **fields: Any) -> None:
    small.workers.known = [
        replace(w, **fields) if w.hostname == A else w for w in small.workers.known
    ]


def only(planned: object) -> Effect:
    assert isinstance(planned, Plan)
    (effect,) = planned.effects
    return effect


def test_a_worker_is_drained_and_let_on(small: Small) -> None:
    effect = only(DRAIN.plan(small.world(), ABOUT_A, {}))
    assert effect.removes_capacity
    assert DRAIN.read_back(small.world(), effect) is ReadBack.NOT_DONE
    DRAIN.apply(small.world(), effect)
    assert DRAIN.read_back(small.world(), effect) is ReadBack.DONE
    assert isinstance(DRAIN.plan(small.world(), ABOUT_A, {}), Nothing)
    DRAIN.apply(small.world(), only(DRAIN.undo(small.world(), effect)))
    assert small.workers.known[0].queues == ("default",)
    assert isinstance(DRAIN.undo(small.world(), effect), Nothing)


def test_the_last_worker_of_a_queue_is_never_drained(small: Small) -> None:
    change(small, queues=("default", "gpu"))
    refused = DRAIN.plan(small.world(), ABOUT_A, {})
    assert isinstance(refused, Refused)
    assert "the only one that serves gpu" in refused.reason


def test_never_below_the_minimum_nor_a_second_at_once(small: Small) -> None:
    assert isinstance(DRAIN.plan(small.world(fleet=WorkerFleet(2)), ABOUT_A, {}), Refused)
    small.workers.known.append(Worker("c@box", (), 0, 0, 4))
    refused = DRAIN.plan(small.world(), ABOUT_A, {})
    assert isinstance(refused, Refused)
    assert "1 of 3 workers take nothing already" in refused.reason


def test_another_incarnation_is_left_alone(small: Small) -> None:
    effect = only(DRAIN.plan(small.world(), ABOUT_A, {}))
    change(small, pid=99)
    with pytest.raises(ConflictError):
        DRAIN.apply(small.world(), effect)
    assert DRAIN.read_back(small.world(), effect) is ReadBack.UNDECIDABLE
    assert isinstance(DRAIN.undo(small.world(), effect), Nothing)


def test_a_silent_worker_is_given_the_queues_that_are_named(small: Small) -> None:
    change(small, queues=())
    assert isinstance(CONSUME.plan(small.world(), ABOUT_A, {}), Refused)
    effect = only(CONSUME.plan(small.world(), ABOUT_A, {"queues": ["gpu"]}))
    CONSUME.apply(small.world(), effect)
    assert small.workers.known[0].queues == ("gpu",)
    assert CONSUME.read_back(small.world(), effect) is ReadBack.DONE
    assert isinstance(CONSUME.plan(small.world(), ABOUT_A, {"queues": ["gpu"]}), Nothing)


@pytest.mark.parametrize("action", [DRAIN, CONSUME, SHUTDOWN])
def test_who_is_not_named_does_not_answer_or_only_looks_silent_is_left_alone(
    small: Small, action: WorkerDrain | WorkerConsume | WorkerShutdown
) -> None:
    assert isinstance(action.plan(small.world(), subject(), {}), Refused)
    gone = subject({"hostname": "gone@box"})
    assert isinstance(action.plan(small.world(), gone, {}), Refused)
    store = small.breakers
    store.change(store.load("prod/broker"), state=BreakerState.OPEN, reopened=True)
    refused = action.plan(small.world(), ABOUT_A, {})
    assert isinstance(refused, Refused)
    assert refused.cause == "broker out"


@pytest.mark.parametrize("busy", [{}, {"queues": (), "active": 1}, {"queues": (), "reserved": 1}])
def test_a_worker_that_works_is_not_shut_down(small: Small, busy: dict[str, object]) -> None:
    change(small, **busy)
    assert isinstance(SHUTDOWN.plan(small.world(), ABOUT_A, {}), Refused)


def test_a_drained_idle_worker_is_shut_down_once(small: Small) -> None:
    change(small, queues=(), active=0)
    effect = only(SHUTDOWN.plan(small.world(), ABOUT_A, {}))
    assert SHUTDOWN.read_back(small.world(), effect) is ReadBack.NOT_DONE
    assert SHUTDOWN.apply(small.world(), effect) == {"gone": True}
    assert SHUTDOWN.read_back(small.world(), effect) is ReadBack.DONE
    assert [w.hostname for w in small.workers.known] == [B]


def test_a_worker_that_got_busy_since_is_not_shut_down(small: Small) -> None:
    change(small, queues=(), active=0)
    effect = only(SHUTDOWN.plan(small.world(), ABOUT_A, {}))
    change(small, active=1)
    with pytest.raises(ConflictError):
        SHUTDOWN.apply(small.world(), effect)
