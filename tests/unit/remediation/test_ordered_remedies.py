"""Remedies in their order: each as often as it may be tried, the next where one has not helped, then a person."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from airwarden.core.errors import RejectedError, WrongInputError
from airwarden.remediation.actions.registry import actions
from airwarden.remediation.checks.registry import checks
from airwarden.remediation.decide.progress import Progress
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.remedies import next_remedy
from airwarden.remediation.decide.states import AttemptState, IncidentState, RunState
from airwarden.remediation.playbook import Playbook
from airwarden.remediation.playbooks_loader import load_playbooks
from support.engine import Bench, playbook

pytestmark = pytest.mark.thorough

RESTART = {"id": "restart", "action": "machine.restart"}
HOLD = {"id": "hold", "action": "number.hold", "with": {"value": 3}}
#: Budgets wide enough for six restarts of one target within an hour.
WIDE = Rails(target_per_hour=9, target_per_day=9, playbook_per_hour=99)


def book(**changes: Any) -> Playbook:
    remedies = [
        {"id": "gentle", "steps": [RESTART]},
        {"id": "firm", "steps": [HOLD, {**RESTART, "id": "again"}]},
    ]
    return playbook(**{"steps": [], "remedies": remedies, **changes})


@pytest.fixture
def make(memory_path: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def bench(one: Playbook, **options: Any) -> Bench:
        options.setdefault("rails", WIDE)
        made.append(Bench(f"sqlite:///{memory_path / 'journal.db'}", books=[one], **options))
        return made[-1]

    yield bench
    for one in made:
        one.close()


def tried(bench: Bench) -> list[int]:
    return [Progress.from_json(run.progress).remedy for run in bench.runs()]


def test_a_remedy_that_does_not_help_is_tried_twice_then_the_next_one_then_a_person(
    make: Callable[..., Bench],
) -> None:
    bench = make(book())
    bench.machine.heals = False
    bench.fire()
    bench.run(60)
    while bench.state() is not IncidentState.ESCALATED:
        bench.run(60)
    bench.run(600)
    assert tried(bench) == [0, 0, 1, 1]
    assert [a.action for a in bench.attempts()] == [
        "machine.restart",
        "machine.restart",
        "number.hold",
        "machine.restart",
        "machine.restart",
    ]
    assert bench.state() is IncidentState.ESCALATED
    assert len(bench.paged()) == 1
    assert any("Next remedy “firm”" in line for line in bench.story())


def test_the_second_remedy_heals_and_nobody_is_paged(make: Callable[..., Bench]) -> None:
    bench = make(book(page={"when": "unhealed", "after": "1h"}))
    bench.machine.heals = False
    bench.fire()
    while bench.hold.value != 3:
        bench.run(5)
    bench.machine.heals = True
    bench.run(600)
    assert bench.state() is IncidentState.RESOLVED
    assert tried(bench) == [0, 0, 1]
    assert bench.paged() == []


def test_a_remedy_that_the_target_rejects_is_followed_by_the_next(
    make: Callable[..., Bench],
) -> None:
    bench = make(book(page={"when": "unhealed", "after": "1h"}))
    bench.machine.errors = [RejectedError("not allowed")]
    bench.fire()
    bench.run(600)
    assert tried(bench) == [0, 1]
    assert next(a.state for a in bench.attempts()) is AttemptState.FAILED
    assert bench.state() is IncidentState.RESOLVED


def test_an_action_that_refuses_calls_a_person_and_no_other_remedy(
    make: Callable[..., Bench],
) -> None:
    """It must not be done now, for a reason that a person has to see: another remedy is no way around."""
    bench = make(book())
    bench.machine.refuse = "all are late"
    bench.fire()
    bench.run(600)
    assert tried(bench) == [0]
    assert bench.state() is IncidentState.ESCALATED


def test_each_remedy_may_have_its_own_verification(make: Callable[..., Bench]) -> None:
    quick = {"check": "flag", "within": "10s", "stable": "0s"}
    remedies = [
        {"id": "gentle", "steps": [RESTART], "verify": quick, "attempts": 1},
        {"id": "firm", "steps": [{**RESTART, "id": "again"}]},
    ]
    bench = make(book(remedies=remedies, page={"when": "unhealed", "after": "1h"}))
    bench.machine.heals = False
    bench.fire()
    bench.run(100)
    bench.machine.heals = True
    bench.run(300)
    assert next(run.state for run in bench.runs()) is RunState.FAILED
    assert tried(bench)[:2] == [0, 1]
    assert bench.state() is IncidentState.RESOLVED


def test_what_an_earlier_remedy_left_in_force_is_taken_back(make: Callable[..., Bench]) -> None:
    wait = {"id": "wait", "wait": {"check": "flag"}, "within": "20s"}
    remedies = [
        {"id": "hold", "steps": [HOLD, wait, {"id": "release", "undo": "hold"}], "attempts": 1},
        {"id": "firm", "steps": [RESTART], "attempts": 1},
    ]
    bench = make(book(remedies=remedies))
    bench.machine.heals = False
    alert = bench.fire()
    bench.run(400)
    assert bench.state() is IncidentState.ESCALATED
    assert bench.hold.value == 3
    bench.machine.healthy = True
    bench.clear(alert)
    bench.run(400)
    assert bench.hold.value == 10
    assert bench.state() is IncidentState.RESOLVED


@pytest.mark.parametrize(
    ("attempts", "tried_before", "expected"),
    [
        ([2, 2, 2], [], 0),
        ([2, 2, 2], [0], 0),
        ([2, 2, 2], [0, 0], 1),
        ([2, 2, 2], [0, 1], 1),
        ([2, 2, 2], [0, 0, 1, 1, 2], 2),
        ([2, 2, 2], [0, 0, 1, 1, 2, 2], None),
        ([1], [0], None),
        ([], [], None),
        ([0, 0], [0], 1),
        ([2], [0, 0, 1], None),
    ],
)
def test_the_next_remedy(
    attempts: list[int], tried_before: list[int], expected: int | None
) -> None:
    assert next_remedy(attempts, tried_before) == expected


def test_a_playbook_without_remedies_is_pinned_as_earlier_versions_know_it() -> None:
    assert "remedies" not in playbook().body
    assert "remedies" in book().body
    assert Playbook.model_validate_json(book().body) == book()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"steps": [RESTART]}, "one of them only"),
        ({"remedies": [{"id": "a", "steps": [RESTART]}, {"id": "b", "steps": [RESTART]}]}, "twice"),
        ({"remedies": [{"id": "a", "steps": []}]}, "at least 1 item"),
        ({"remedies": [{"id": "a", "steps": [{**RESTART, "id": str(n)}]} for n in range(4)]}, "3 items"),
        ({"remedies": [{"id": "a", "steps": [{"id": "x", "undo": "restart"}]}]}, "no earlier step"),
        ({"remedies": [{"id": "a", "steps": [{"id": "x", "action": "nope"}]}]}, "no action"),
    ],
)  # fmt: skip
def test_a_wrong_list_of_remedies_is_refused(
    tmp_path: Path, change: dict[str, Any], complaint: str
) -> None:
    body = book().model_dump(mode="json", by_alias=True, exclude_defaults=True)
    (tmp_path / "one.yaml").write_text(yaml.safe_dump({**body, **change}))
    with pytest.raises(WrongInputError, match=complaint):
        load_playbooks(
            actions=["machine.restart", "number.hold", *actions()],
            checks=["sick", "well", *checks()],
            folder=tmp_path,
        )
