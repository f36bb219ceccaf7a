"""Every playbook under the rails' own numbers, only the modes set to auto, on fleets of 1, 2, 3, 12 and 500.

It shows that each acts where it should and refuses where it should. A cell says how many effects are
confirmed and, after a semicolon, why what is left is a person's; nothing after it: all is healed, or (for
those that wait for an outage to end) under way. The fleet's size is that of schedulers and workers, and
likewise of pools, DAGs and leaked sessions where those are what a playbook touches. A playbook that is for
people only does nothing on any of them; those are not in the table.

`make test` runs the cells with a star; `make reliability` all.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from airwarden.remediation.decide.states import IncidentState
from support.fleet_bench import LEFT, SITUATIONS, FleetBench

pytestmark = pytest.mark.thorough

SIZES = (1, 2, 3, 12, 500)

#: Words of a reason → the reason that the incident has to give.
REASONS = {
    "slow": "the metadata database took 2.50 s to answer",
    "all late": "every scheduler is late, none is proved dead",
    "huge": "guard fan-out",
    "busy": "not within 0:10:00: 1 task left",
    "floor": "guard healthy-floor",
    "pace": "guard pace",
    "storm": "held as a storm",
    "no leak": "no application that may be touched leaks",
    "person": "for a human only",
    "protects": "pool billing protects billing",
    "in turn": "1 tasks of queue default are queued for over 600 s",
    "flood": "600 tasks wait",
    "lone": "only one scheduler runs",
    "full": "sure: not within 0:00:30",
    "small": "of fewer than 5 none is taken away",
    "idle": "idle in a transaction for 400 s, and 0 wait for it",
}

TABLE = """
playbook           | situation                   |  1          |  2          |  3          | 12          | 500
scheduler-restart  | one gone                    |  1          |  1          |  1          |  1          |  1
scheduler-restart  | all gone                    |  1          |  2 *        |  3          | 12          |  0; huge
scheduler-restart  | all gone, database slow     |  0; slow    |  0; slow *  |  0; slow    |  0; slow    |  0; slow
scheduler-restart  | one late                    |  0; all late|  1          |  1          |  1          |  1
scheduler-restart  | one late, database slow     |  0; slow    |  0; slow    |  0; slow    |  0; slow    |  0; slow
scheduler-restart  | all late                    |  0; all late|  0; all late|  0; all late|  0; all late|  0; all late
component-restart  | triggerer frozen            |  1          |  1          |  1          |  1          |  1
component-restart  | dag-processor frozen        |  1          |  1          |  1          |  1          |  1
scheduler-stalled  | slots look taken            |  0; lone    |  1 *        |  1          |  1          |  1
scheduler-stalled  | cause elsewhere             |  0; full    |  0; full *  |  0; full    |  0; full    |  0; full
api-server-down    | api-server gone             |  1 *        |  1          |  1          |  1          |  1
component-restart  | one worker gone             |  1          |  1          |  1          |  1          |  1
component-restart  | a tenth of the workers gone |  1          |  1          |  1          |  1          | 50
component-restart  | all workers gone            |  1          |  2          |  3          | 12          |  0; huge
worker-silent      | one silent                  |  1 *        |  1          |  1          |  1          |  1
worker-silent      | one silent and busy         |  0; busy    |  0; busy    |  0; busy    |  0; busy    |  0; busy
worker-silent      | half silent                 |  1          |  1          |  1          |  0; pace    |  0; floor
worker-silent      | all silent                  |  1          |  0; floor * |  0; floor   |  0; floor   |  0; floor
worker-silent      | five silent                 |  1          |  0; floor   |  0; floor   |  5          |  5
worker-silent      | eight silent                |  1          |  0; floor   |  0; floor   |  0; storm   |  0; storm
queue-scale-up     | deep                        |  1          |  1 *        |  1          |  3          | 125
queue-scale-up     | deep, database slow         |  0; slow    |  0; slow    |  0; slow    |  0; slow    |  0; slow
workers-idle       | few slots taken             |  0; small   |  0; small   |  0; small   |  2 *        | 10
workers-idle       | and another incident        |  0; small   |  0; small   |  0; small   |  0; person *|  0; person
broker-out         | as many pools               |  1          |  2 *        |  3          | 12          |  0; huge
dependency-breaker | as many pools and DAGs      |  2          |  4          |  6          | 15          |  3; huge
database-session   | lock held                   |  1          |  1          |  1          |  1          |  1
database-session   | as many leaked              |  0; no leak |  0; no leak |  0; no leak |  1          |  1
pool-starving      | a pool                      |  1 *        |  1          |  1          |  1          |  1
pool-starving      | a pool, database slow       |  0; slow    |  0; slow    |  0; slow    |  0; slow    |  0; slow
pool-starving      | a pool that protects        |  0; protects|  0; protects|  0; protects|  0; protects|  0; protects
lost-tasks         | lost                        |  1 *        |  1          |  1          |  1          |  1
lost-tasks         | in turn                     |  0; in turn |  0; in turn |  0; in turn |  0; in turn |  0; in turn
killed-tasks       | may be repeated             |  1 *        |  1          |  1          |  1          |  1
killed-tasks       | may not                     |  0          |  0          |  0          |  0          |  0
dag-flood          | backfill                    |  2 *        |  2          |  2          |  2          |  2
dag-flood          | everybody                   |  0; flood   |  0; flood   |  0; flood   |  0; flood   |  0; flood
database-blocker   | blocks                      |  1 *        |  1          |  1          |  1          |  1
database-blocker   | blocks nobody               |  0; idle    |  0; idle    |  0; idle    |  0; idle    |  0; idle
"""

#: These wait for an outage to end, and the test does not end it.
UNDER_WAY = ("queue-scale-up", "broker-out", "dependency-breaker", "pool-starving", "dag-flood")


def _cells() -> Iterator[tuple[str, str, int, str]]:
    for line in TABLE.strip().splitlines()[1:]:
        playbook, situation, *cells = (one.strip() for one in line.split("|"))
        for size, cell in zip(SIZES, cells, strict=True):
            yield playbook, situation, size, cell
    for playbook, situations in SITUATIONS.items():
        if LEFT in situations:
            for size in SIZES:
                star = " *" if (playbook, size) == ("human-only", 1) else ""
                yield playbook, LEFT, size, f"0; person{star}"


def _parameters() -> Iterator[object]:
    for playbook, situation, size, cell in _cells():
        quick = cell.endswith("*")
        yield pytest.param(
            playbook,
            situation,
            size,
            cell.rstrip("* "),
            id=f"{playbook}, {situation}, {size}",
            marks=() if quick else (pytest.mark.reliability,),
        )


def test_no_playbook_and_no_situation_is_left_out() -> None:
    shipped = {
        file.name.removesuffix(".yaml")
        for file in (resources.files("airwarden.remediation") / "playbooks").iterdir()
    }
    listed = {(playbook, situation) for playbook, situation, _, _ in _cells()}
    assert {playbook for playbook, _ in listed} == shipped
    assert listed == {(book, one) for book, found in SITUATIONS.items() for one in found}


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("playbook", "situation", "size", "cell"), list(_parameters()))
def test_acts_where_it_should_and_refuses_where_it_should(
    playbook: str, situation: str, size: int, cell: str
) -> None:
    count, _, word = (part.strip() for part in cell.partition(";"))
    told = SITUATIONS[playbook][situation]
    with tempfile.TemporaryDirectory(dir=_memory()) as folder:
        bench = FleetBench(Path(folder), size)
        try:
            bench.run(150)
            told.breaks(bench)
            bench.run(told.minutes * 60)
            seen = bench.outcome()
            every = bench.incidents()
        finally:
            bench.close()
    effects, _, why = seen.partition("; ")
    assert effects == count, seen
    if word:
        assert REASONS[word] in why
        kept = (IncidentState.ESCALATED, IncidentState.STORM_HOLD)
        assert any(one.state in kept for one in every)
    else:
        assert not why
    if not word and playbook not in UNDER_WAY:
        assert {one.state for one in every} == {IncidentState.RESOLVED}


def _memory() -> Path | None:
    shared = Path("/dev/shm")
    return shared if os.access(shared, os.W_OK) else None
