"""Waves of a step with many targets, with the whole engine: they survive a restart, and know when to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airwarden.core.errors import RejectedError, UnavailableError
from airwarden.remediation.actions.base import (
    Action,
    Effect,
    Nothing,
    Plan,
    ReadBack,
    Refused,
)
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.states import AttemptState, IncidentState
from airwarden.remediation.engine import Engine
from airwarden.remediation.triage import Triage
from airwarden.remediation.work import InlineCrew
from airwarden.remediation.world import Json, Subject, World
from support.engine import Bench, FakeAction, playbook

pytestmark = pytest.mark.thorough


class Many(FakeAction):
    """Sets each of many numbers to 1, unless it is one that refuses."""

    name = "many.set"

    def __init__(self, count: int) -> None:
        self.values = dict.fromkeys(range(count), 0)
        self.refusing: set[int] = set()
        self.unreadable = False

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        left = [n for n, value in self.values.items() if value == 0]
        if not left:
            return Nothing("all are set")
        return Plan(
            tuple(Effect(self.name, f"lab/number/{n}", {"number": n}, {}, f"set {n}") for n in left)
        )

    def apply(self, world: World, effect: Effect) -> Json:
        number = int(effect.parameters["number"])
        if number in self.refusing:
            raise RejectedError(f"{number} is refused")
        self.values[number] = 1
        return {}

    def read_back(self, world: World, effect: Effect) -> ReadBack:
        if self.unreadable:
            raise UnavailableError("no answer")
        done = self.values[int(effect.parameters["number"])] == 1
        return ReadBack.DONE if done else ReadBack.NOT_DONE


@pytest.fixture
def many() -> Many:
    return Many(20)


def make(folder: Path, many: Many, *, optional: bool, rails: Rails | None = None) -> Bench:
    step = {"id": "set", "action": "many.set", "optional": optional}
    bench = Bench(f"sqlite:///{folder / 'journal.db'}", books=[playbook(steps=[step])], rails=rails)
    actions: dict[str, Action] = {**bench.parts.actions, many.name: many}
    bench.parts = replace(bench.parts, actions=actions)
    start_again(bench)
    return bench


def start_again(bench: Bench) -> None:
    """Another process goes on with the same journal."""
    triage = Triage(
        bench.journal,
        lambda: bench.playbooks,
        lambda: bench.worlds,
        bench.parts.actions,
        bench.telemetry,
    )
    bench.engine = Engine(bench.parts, triage, InlineCrew(bench.clock), bench.clock)


@pytest.fixture
def bench(memory_path: Path, many: Many) -> Iterator[Bench]:
    bench = make(memory_path, many, optional=False)
    yield bench
    bench.close()


@pytest.fixture
def lenient(memory_path: Path, many: Many) -> Iterator[Bench]:
    bench = make(memory_path, many, optional=True)
    yield bench
    bench.close()


def done(many: Many) -> int:
    return sum(many.values.values())


def until(bench: Bench, many: Many, count: int) -> None:
    """Let single turns pass until so many numbers are set."""
    for _ in range(200):
        if done(many) >= count:
            return
        bench.turn()
        bench.clock.advance(1)
    raise AssertionError(f"only {done(many)} of {count}")


def test_one_goes_first_and_the_others_wait_until_it_has_stuck(bench: Bench, many: Many) -> None:
    bench.fire()
    until(bench, many, 1)
    begun = bench.clock.elapsed()
    until(bench, many, 2)
    assert bench.clock.elapsed() - begun >= Rails().ramp_pause.total_seconds()
    bench.machine.healthy = True
    bench.run(300)
    assert done(many) == 20
    assert bench.incident.state is IncidentState.RESOLVED
    assert [line for line in bench.story() if "stuck" in line] == [
        "set: 1 of 20 done, and they stuck.",
        "set: 6 of 20 done, and they stuck.",
        "set: 11 of 20 done, and they stuck.",
        "set: 16 of 20 done, and they stuck.",
    ]


def test_another_process_goes_on_with_the_wave_that_was_under_way(bench: Bench, many: Many) -> None:
    bench.fire()
    until(bench, many, 1)
    many.values[0] = 0
    start_again(bench)
    bench.run(30)
    assert done(many) == 0
    assert "set stops after 1 of 20 targets: the first of them did not succeed" in (
        bench.incident.reason
    )
    assert bench.incident.state is IncidentState.ESCALATED


def test_whether_a_wave_stuck_has_to_be_readable(bench: Bench, many: Many) -> None:
    bench.fire()
    until(bench, many, 1)
    many.unreadable = True
    bench.run(40)
    assert done(many) == 1
    many.unreadable = False
    bench.machine.healthy = True
    bench.run(300)
    assert done(many) == 20


def test_a_failure_stops_a_step_that_has_to_succeed(bench: Bench, many: Many) -> None:
    many.refusing = {3}
    bench.fire()
    bench.run(60)
    assert done(many) == 3
    assert "3 is refused" in bench.incident.reason


def test_an_optional_step_goes_on_after_few_failures_and_stops_after_many(
    lenient: Bench, many: Many
) -> None:
    many.refusing = {12, 17, 18}
    lenient.fire()
    until(lenient, many, 15)
    lenient.machine.healthy = True
    lenient.run(150)
    assert done(many) == 17
    assert lenient.incident.state is IncidentState.RESOLVED


def test_the_rest_of_an_optional_step_is_left_when_its_canary_fails(
    lenient: Bench, many: Many
) -> None:
    many.refusing = {0}
    lenient.fire()
    lenient.run(25)
    lenient.machine.healthy = True
    lenient.run(90)
    assert done(many) == 0
    assert any("The rest is left: set stops after 1 of 20" in line for line in lenient.story())
    assert [a.state for a in lenient.attempts()] == [AttemptState.FAILED]


class Portions(Many):
    """Plans a few at a time, and says that there are more."""

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        found = super().plan(world, subject, parameters)
        if not isinstance(found, Plan):
            return found
        more, seen = len(found.effects) - 8, {"unset": len(found.effects)}
        return Plan(found.effects[:8], seen, more=f"{more} numbers" if more > 0 else "")


class Endless(Many):
    """Never finds what it looks for, and always has more to look at."""

    def plan(
        self, world: World, subject: Subject, parameters: Mapping[str, Any]
    ) -> Plan | Nothing | Refused:
        return Nothing("none of these", more="others")


@pytest.fixture
def portions(memory_path: Path) -> Iterator[Callable[[Many, Rails], Bench]]:
    benches: list[Bench] = []

    def begin(many: Many, rails: Rails) -> Bench:
        benches.append(make(memory_path, many, optional=False, rails=rails))
        benches[-1].fire()
        benches[-1].run(220)
        return benches[-1]

    yield begin
    for bench in benches:
        bench.close()


def test_what_is_more_than_one_plan_takes_is_planned_anew_and_set_too(
    portions: Callable[[Many, Rails], Bench],
) -> None:
    many = Portions(20)
    story = portions(many, Rails()).story()
    assert done(many) == 20
    assert [line for line in story if "planned anew" in line] == [
        "set: planned anew, there is more: 12 numbers.",
        "set: planned anew, there is more: 4 numbers.",
    ]
    # Each plan goes out in waves of its own, its canary first.
    assert sum("first, to see whether it sticks" in line for line in story) == 3


def test_a_plan_made_anew_in_its_midst_forgets_none_of_what_is_left(
    portions: Callable[[Many, Rails], Bench],
) -> None:
    many = Portions(20)
    bench = portions(many, replace(Rails(), plan_ttl=timedelta(seconds=2)))
    assert done(many) == 20
    assert len({one.run_id for one in bench.attempts()}) == 1
    # And what was seen at first is what the incident tells.
    assert bench.incident.evidence["unset"] == "20"


def test_plans_of_one_step_have_an_end_which_is_said(
    portions: Callable[[Many, Rails], Bench],
) -> None:
    story = portions(Endless(1), Rails()).story()
    assert "set: left as it is after 20 plans: others." in story


def test_more_targets_in_several_plans_than_a_step_may_have_are_a_persons(
    portions: Callable[[Many, Rails], Bench],
) -> None:
    many = Portions(20)
    bench = portions(many, replace(Rails(), fan_out_most=10))
    assert done(many) == 8
    assert bench.incident.state is IncidentState.ESCALATED
    assert "16 targets" in bench.incident.reason
