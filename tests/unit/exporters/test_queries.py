"""What our own queries cost is added up, that of failed ones too."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from airwarden.core.errors import UnavailableError
from airwarden.core.platform import DatabaseSession
from airwarden.core.turns import Turns
from airwarden.exporters.collectors.queries import QueriesCollector
from airwarden.exporters.families import Family
from airwarden.exporters.in_turn import TIMEOUT, InTurn
from airwarden.exporters.queries import CountedDatabase
from support.families import every


class Tables:
    """Gives two rows of everything but what is gone."""

    def rows(self, query: str, **parameters: object) -> Sequence[Mapping[str, Any]]:
        if query == "gone":
            raise UnavailableError(query)
        return [dict(parameters), {}]

    def probe(self) -> float:
        return 0.5

    def sessions(self) -> Sequence[DatabaseSession]:
        return ()


def test_time_and_rows_by_query() -> None:
    database = CountedDatabase(Tables())
    assert database.rows("pools", limit=1) == [{"limit": 1}, {}]
    database.rows("pools")
    assert database.sessions() == ()
    assert database.probe() == 0.5
    with pytest.raises(UnavailableError):
        database.rows("gone")
    families = QueriesCollector(database).collect()
    assert every(families, "db_query_rows_total") == {("pools",): 4, ("sessions",): 0, ("gone",): 0}
    seconds = every(families, "db_query_seconds_total")
    assert set(seconds) == {("pools",), ("sessions",), ("gone",)}
    assert seconds["pools",] >= 0


class Detail:
    """A collector that says when it is in, and waits to be let out."""

    interval, timeout = 15.0, 15.0

    def __init__(self, name: str) -> None:
        self.name = name
        self.entered, self.leave = threading.Event(), threading.Event()

    def collect(self) -> Sequence[Family]:
        self.entered.set()
        assert self.leave.wait(10)
        if self.name == "bad":
            raise UnavailableError("gone")
        return []


def test_details_take_turns_and_a_failed_one_gives_its_turn_back() -> None:
    turn = Turns(1)
    bad, good = Detail("bad"), Detail("good")
    first, second = InTurn(bad, turn), InTurn(good, turn)
    assert (second.name, second.interval, second.timeout) == ("good", 15.0, TIMEOUT)

    def fail() -> None:
        with pytest.raises(UnavailableError):
            first.collect()

    threads = [threading.Thread(target=fail), threading.Thread(target=second.collect)]
    threads[0].start()
    assert bad.entered.wait(5)
    threads[1].start()
    assert not good.entered.wait(0.2)
    with pytest.raises(UnavailableError, match="details"):
        InTurn(Detail("late"), turn, patience=0.1).collect()
    bad.leave.set()
    assert good.entered.wait(5)
    good.leave.set()
    for thread in threads:
        thread.join(5)
