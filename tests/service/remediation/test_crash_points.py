"""Killed at every named point, with every action: one effect, healed where that can be told, and told.

`make test` tries a few of the pairs; the whole matrix runs in `make reliability`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

import airwarden.remediation.crash
from airwarden.remediation.actions.registry import actions
from airwarden.remediation.crash import CRASH_POINTS
from airwarden.remediation.decide.states import AttemptState
from airwarden.remediation.intake import delivery
from airwarden.remediation.journal import audit, runs
from airwarden.remediation.journal.inbox import InboxWriter
from airwarden.remediation.journal.store import Journal, open_journal
from airwarden.remediation.journal.tables import inbox as inbox_table
from support.crashing import Order, Process
from support.eventually import eventually
from support.faulted import FAULTED
from support.outside import Outside
from support.remediator import RealClock


class Stage:
    """One world, one SQLite journal, and the remediators that work on them one after the other."""

    def __init__(self, folder: Path, action: str) -> None:
        self.folder = folder
        self.action = action
        self.outside = Outside()
        self.url = f"sqlite:///{folder / 'journal.db'}"
        self._started: list[Process] = []

    def prepare(self, *, migrated: bool = True) -> None:
        """Break the world; the journal is left for the first process to make if asked."""
        if migrated:
            with self.journal() as journal:
                FAULTED[self.action].prepare(self.outside, journal)
        else:
            assert FAULTED[self.action].breaker is None
            FAULTED[self.action].arrange(self.outside)

    def journal(self) -> Opened:
        return Opened(self.url)

    def start(self, crash_at: str = "") -> Process:
        process = Process(Order(self.folder, self.url, self.outside.address, self.action, crash_at))
        self._started.append(process)
        return process

    def effects(self) -> int:
        with self.journal() as journal:
            return FAULTED[self.action].effects(self.outside, journal)

    def close(self) -> None:
        for process in self._started:
            process.stop()
        self.outside.close()


class Opened:
    """A journal open as long as the block lasts."""

    def __init__(self, url: str) -> None:
        self._journal = open_journal(url, RealClock())

    def __enter__(self) -> Journal:
        return self._journal

    def __exit__(self, *_: object) -> None:
        self._journal.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def stage(request: pytest.FixtureRequest, folder: Path) -> Iterator[Stage]:
    action = request.node.callspec.params.get("action", "process.restart")
    made = Stage(folder, action)
    yield made
    made.close()


def test_every_named_point_is_in_the_code_and_no_other() -> None:
    root = Path(airwarden.remediation.crash.__file__).parent
    used = {
        name
        for file in root.rglob("*.py")
        for name in re.findall(r'crash_at\("([a-z-]+)"\)', file.read_text())
    }
    assert used == set(CRASH_POINTS)


def test_every_action_has_its_fault() -> None:
    of = {name: actions()[name.partition("/")[0]] for name in FAULTED}
    assert {one.name for one in of.values()} == set(actions())
    assert {name for name, one in of.items() if one.undecidable} == {
        name for name, fault in FAULTED.items() if fault.disturb
    }


#: Tried on every run: each point of an effect's way once, over different kinds of target.
ALWAYS = {
    ("mid-group-commit", "process.restart"),
    ("after-intent", "pool.hold"),
    ("after-effect", "tasks.requeue"),
    ("after-result", "workers.scale"),
    ("after-effect", "workload.restart"),
    ("before-read-back", "process.restart"),
}
#: Before the first of these the point is passed without anything to be done in the world.
MIGRATING = "mid-migration"


def matrix() -> list[object]:
    return [
        pytest.param(
            point,
            action,
            marks=[] if (point, action) in ALWAYS else pytest.mark.reliability,
            id=f"{point}-{action}",
        )
        for point in CRASH_POINTS
        for action in sorted(FAULTED)
        # A breaker's row cannot be there before the journal is.
        if point != MIGRATING or FAULTED[action].breaker is None
    ]


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("point", "action"), matrix())
def test_killed_at_a_point_it_ends_healed_with_one_effect(
    stage: Stage, point: str, action: str
) -> None:
    stage.prepare(migrated=point != MIGRATING)
    if point == "before-read-back":
        # A reply that is lost is the one way to the read-back without another crash.
        _crash(stage, "after-effect")
    _crash(stage, point)
    heir = stage.start()
    assert heir.fire() == 200
    eventually(
        lambda: heir.states() == ["RESOLVED"], within=60, every=0.1, what="the incident is resolved"
    )
    assert stage.effects() == 1
    told = stage.outside.told
    eventually(
        lambda: {"trigger", "resolve"} <= set(told.actions()), within=30, what="people are told"
    )
    assert len({event.dedup_key for event in told.events}) == 1
    with stage.journal() as journal, journal.read() as tx:
        states = {one.state for one in runs.attempts_of_incident(tx, 1)}
        assert states <= {AttemptState.CONFIRMED, AttemptState.NOT_DONE}
        assert list(audit.broken_links(tx)) == []


def _crash(stage: Stage, point: str) -> None:
    """Let a remediator run until it dies at the point; what it did not acknowledge comes again."""
    process = stage.start(point)
    if process.port:
        process.fire()
    assert process.wait_dead(within=60) == -9


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "action",
    [
        pytest.param(name, marks=[] if name == "pool.hold" else pytest.mark.reliability)
        for name, fault in sorted(FAULTED.items())
        if fault.disturb
    ],
)
def test_what_no_read_back_can_tell_is_a_persons_and_is_not_repeated(
    stage: Stage, action: str
) -> None:
    stage.prepare()
    _crash(stage, "after-effect")
    disturb = FAULTED[action].disturb
    assert disturb is not None
    done = len(stage.outside.effects())
    disturb(stage.outside)
    heir = stage.start()
    eventually(
        lambda: heir.states() == ["ESCALATED"], within=60, every=0.1, what="a person is asked"
    )
    assert "cannot be decided" in heir.get("/api/v1/incidents")["incidents"][0]["reason"]
    eventually(lambda: "trigger" in stage.outside.told.actions(), within=30, what="a page")
    assert done == 1
    assert len(stage.outside.effects()) == done


def power_cut(folder: Path, place: Path, wal: int | None) -> str:
    """Copy the database and its log as they lie on the disk, the log cut off after `wal` bytes."""
    place.mkdir()
    shutil.copy(folder / "journal.db", place)
    log = folder / "journal.db-wal"
    if log.exists():
        (place / log.name).write_bytes(log.read_bytes()[:wal])
    return f"sqlite:///{place / 'journal.db'}"


@pytest.mark.timeout(120)
@pytest.mark.parametrize("point", ["mid-migration", "mid-group-commit", "after-inbox-commit"])
def test_what_a_power_cut_leaves_is_a_whole_journal(folder: Path, point: str) -> None:
    stage = Stage(folder, "process.restart")
    acknowledged = delivery(b"acknowledged before the cut", 1)
    journal = open_journal(stage.url, RealClock()) if point != MIGRATING else None
    try:
        if journal is not None:
            InboxWriter(journal).put(acknowledged)
        before = _size(folder / "journal.db-wal")
        _crash(stage, point)
        log = _size(folder / "journal.db-wal")
        # Whole, torn anywhere in what was written last, and without any of it.
        cuts = {None, *range(before, log, max(1, (log - before) // 7))}
        for number, cut in enumerate(cuts):
            with Opened(power_cut(folder, folder / f"cut-{number}", cut)) as copy:
                with copy.read() as tx:
                    assert list(audit.broken_links(tx)) == []
                    query = select(inbox_table.c.delivery_hash)
                    stored = list(tx.connection.execute(query).scalars())
                assert stored.count(acknowledged.digest) == (journal is not None)
                if cut is None:
                    assert len(stored) == STORED[point]
                assert InboxWriter(copy).put(delivery(b"after the cut", 1))
    finally:
        if journal is not None:
            journal.close()
        stage.close()


#: Deliveries that are there after a cut that tore nothing, the acknowledged one included.
STORED = {MIGRATING: 0, "mid-group-commit": 1, "after-inbox-commit": 2}


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
