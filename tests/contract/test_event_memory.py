"""One suite for what events leave behind: SQLite's file and the fake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airwarden.adapters.event_memory import MAX_IDS, REMEMBER, SqliteEvents
from airwarden.adapters.fakes import FakeEvents
from airwarden.core.errors import UnavailableError
from airwarden.core.ports import EventMemory
from airwarden.core.reported import Reading


@pytest.fixture(params=["fake", "sqlite"])
def memory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventMemory]:
    if request.param == "fake":
        yield FakeEvents()
        return
    sqlite = SqliteEvents(tmp_path / "new" / "events.db")
    yield sqlite
    sqlite.close()


def reading(value: float, at: float, *labels: str) -> Reading:
    return Reading(
        "airwarden_quality_score_ratio", labels or ("o", "d"), value, at, "events/dbt", 9
    )


def test_ids_are_known_once_they_were_kept(memory: EventMemory) -> None:
    assert set(memory.known({"a", "b"})) == set()
    memory.keep(["a", "it's; DROP"], {})
    memory.keep(["a"], {})
    assert set(memory.known({"a", "b", "it's; DROP"})) == {"a", "it's; DROP"}
    assert set(memory.known(())) == set()


def test_the_last_reading_of_each_series_is_kept_by_cluster(memory: EventMemory) -> None:
    memory.keep(["a"], {"east": [reading(0.5, 10), reading(0.7, 30, "x", "y")]})
    memory.keep(["b"], {"east": [reading(0.6, 20), reading(0.1, 29, "x", "y")], "west": []})
    assert list(memory.readings("east")) == [reading(0.7, 30, "x", "y"), reading(0.6, 20)]
    assert list(memory.readings("west")) == []


def kept(path: Path, now: Callable[[], float] = lambda: 0.0) -> SqliteEvents:
    return SqliteEvents(path, now=now)


def test_the_file_outlives_the_program_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    first = kept(path)
    first.keep(["a"], {"east": [reading(0.5, 10)]})
    second = kept(path)  # as after a kill: the first was not closed
    assert set(second.known({"a"})) == {"a"}
    assert list(second.readings("east")) == [reading(0.5, 10)]
    assert path.stat().st_mode & 0o777 == 0o600
    for memory in (first, second):
        memory.close()


def test_old_ids_are_forgotten(tmp_path: Path) -> None:
    time = [0.0]
    memory = kept(tmp_path / "events.db", lambda: time[0])
    memory.keep(["old"], {})
    time[0] = REMEMBER + 1
    for number in range(100):
        memory.keep([f"n{number}"], {})
    assert set(memory.known({"old", "n0"})) == {"n0"}
    assert MAX_IDS >= 1_000_000
    memory.close()


def test_a_file_that_is_no_database_or_gone_is_an_error_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    path.write_text("not a database, and long enough to be looked at as one" * 50)
    with pytest.raises(UnavailableError, match=r"events\.db"):
        kept(path)
    with pytest.raises(UnavailableError):
        kept(path / "below" / "events.db")
    memory = kept(tmp_path / "closed.db")
    memory.close()
    for ask in (lambda: memory.known({"a"}), lambda: memory.keep(["a"], {})):
        with pytest.raises(UnavailableError):
            ask()
    with pytest.raises(UnavailableError):
        memory.readings("east")
