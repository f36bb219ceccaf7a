"""What our own queries cost is added up, that of failed ones too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from airwarden.core.errors import UnavailableError
from airwarden.core.platform import DatabaseSession
from airwarden.core.work import are_details
from airwarden.exporters.collectors.queries import QueriesCollector
from airwarden.exporters.details import TIMEOUT, Detail
from airwarden.exporters.families import Family
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


def test_a_collector_of_details_says_so_to_whom_it_asks_and_may_take_its_time() -> None:
    class Asking:
        name, interval, timeout = "parsing", 15.0, 10.0

        def collect(self) -> Sequence[Family]:
            asked.append(are_details())
            raise UnavailableError("gone")

    asked: list[bool] = []
    detail = Detail(Asking())
    assert (detail.name, detail.interval, detail.timeout) == ("parsing", 15.0, TIMEOUT)
    with pytest.raises(UnavailableError):
        detail.collect()
    assert asked == [True]
    assert not are_details(), "only while it collects"
