"""`explain`: the story with its evidence, for whoever is woken by it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from airwarden.core.errors import NotFoundError
from airwarden.remediation.decide.states import Mode
from airwarden.remediation.explain import explain
from airwarden.remediation.journal import incidents
from airwarden.remediation.journal.incidents import Wanted
from airwarden.remediation.storytelling import lasted
from airwarden.remediation.switches import stop_everything
from support.engine import Bench
from support.keeping import DAY, heal_one, keeper, sweep


@pytest.fixture
def bench(memory_path: Path) -> Iterator[Bench]:
    made = Bench(f"sqlite:///{memory_path / 'journal.db'}")
    yield made
    made.close()


def told(bench: Bench) -> str:
    return explain(bench.journal, bench.incident.id).text()


def section(text: str, title: str) -> list[str]:
    """Return the lines below a heading."""
    found = re.search(rf"^{re.escape(title)}\n((?:  .*\n?)*)", text, flags=re.MULTILINE)
    return [line.strip() for line in found[1].splitlines()] if found else []


def test_a_healed_incident_says_what_fired_was_read_was_done_and_was_verified(
    bench: Bench,
) -> None:
    heal_one(bench, "one")
    text = told(bench)
    assert "\n  It healed after 50 s, by what was done: well is True.\n" in text
    assert section(text, "What fired") == [
        "MachineDown (critical, firing since 12:00:00, ended by now) name=one",
        "MachineDown fires",
    ]
    assert section(text, "What was read") == [
        "12:00:10  Confirmed twice: sick is True.",
        "12:00:30  Healthy: well is True; watching it.",
        "12:00:50  Healed: well is True",
    ]
    assert section(text, "What was done") == [
        "12:00:15  restart lab/machine/one: done",
        "before: generation=1",
        "set: state=restarted",
        "answer: generation=2",
    ]
    assert not section(text, "What was held back, and by which guard")
    assert not section(text, "What you can do")
    story = section(text, "The whole story")
    done = next(
        i for i, line in enumerate(story) if line.endswith("restart: restart lab/machine/one.")
    )
    assert story[done + 1].endswith("Done.")
    assert not any("Intent: " in line for line in story)
    assert any(line.sentence.startswith("Intent: ") for line in explain(bench.journal, 1).lines)


def test_what_a_guard_held_back_is_named_with_its_reason(bench: Bench) -> None:
    with bench.journal.write() as tx:
        stop_everything(tx, set_by="ada", reason="deploy")
    bench.fire()
    bench.run(60)
    text = told(bench)
    assert "It is open and held back. Not done: restart lab/machine/one. Guard kill-switch" in text
    (line,) = section(text, "What was held back, and by which guard")
    assert "Guard kill-switch: stopped by ada: deploy." in line
    assert section(text, "What was done") == ["Nothing."]
    assert any("airwarden resume" in line for line in section(text, "What you can do"))
    (refused,) = explain(bench.journal, 1).refusals
    assert (refused.guard, refused.times) == ("kill-switch", 1)


def test_one_that_waits_for_a_yes_says_until_when_and_how(bench: Bench) -> None:
    bench.set_mode(Mode.APPROVE)
    bench.fire()
    bench.run(60)
    text = told(bench)
    assert "a plan waits for a person's yes until 12:15:" in text
    assert any("airwarden approve 1" in line for line in section(text, "What you can do"))


def test_shadow_says_that_nothing_was_done(bench: Bench) -> None:
    bench.set_mode(Mode.SHADOW)
    bench.fire()
    bench.run(60)
    heading = "What would have been done (shadow mode: nothing was)"
    assert section(told(bench), heading) == ["12:00:15  restart lab/machine/one: planned"]


def test_what_failed_says_why_and_who_is_needed(bench: Bench) -> None:
    bench.machine.heals = False
    bench.fire()
    bench.run(900)
    text = told(bench)
    assert "It is open and waits for a person: not healthy: well is False" in text
    assert "a person was paged" in text
    assert len(section(text, "What was done")) == 8


def test_the_beginning_that_was_archived_is_pointed_to(bench: Bench, tmp_path: Path) -> None:
    bench.machine.refuse = "not this one"
    bench.fire()
    bench.run(60)
    bench.clock.advance(91 * DAY)
    sweep(bench, keeper(bench, tmp_path))
    (first, *_) = section(told(bench), "The whole story")
    assert first == "(its beginning is in the archive: audit-000000000001-000000000007.jsonl)"


def test_an_incident_that_is_not_there_may_be_archived(bench: Bench) -> None:
    with pytest.raises(NotFoundError, match="it never was, or it is archived"):
        explain(bench.journal, 7)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (365, "6 min 5 s"),
        (3600, "1 h"),
        (12_000, "3 h 20 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_length_of_time_is_said_as_people_do(seconds: float, said: str) -> None:
    assert lasted(seconds) == said


def _found(bench: Bench, wanted: Wanted) -> list[int]:
    with bench.journal.read() as tx:
        return [one.id for one in incidents.search(tx, wanted)]


def test_incidents_are_found_by_state_cluster_playbook_and_time(bench: Bench) -> None:
    heal_one(bench, "one")
    bench.clock.advance(3600)
    bench.machine.refuse = "not this one"
    bench.fire(name="two")
    bench.run(60)
    states = {one.id: one.state for one in bench.incidents()}
    an_hour_ago = bench.clock.now() - timedelta(hours=1)
    cases: list[tuple[Callable[[], Wanted], list[int]]] = [
        (Wanted, [2, 1]),
        (lambda: Wanted(states=(states[1],)), [1]),
        (lambda: Wanted(open_only=True), [2]),
        (lambda: Wanted(since=an_hour_ago), [2]),
        (lambda: Wanted(cluster="other"), []),
        (lambda: Wanted(playbook="machine-restart", limit=1), [2]),
        (lambda: Wanted(playbook="another"), []),
        (lambda: Wanted(before=2), [1]),
    ]
    for wanted, expected in cases:
        assert _found(bench, wanted()) == expected, wanted()
