"""Tier, team and type of a DAG are bounded, and tags win over rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from airwarden.adapters.fakes import FakeClock
from airwarden.core.errors import AirwardenError, UnavailableError
from airwarden.core.platform import DatabaseSession
from airwarden.exporters.families import OVERFLOW
from airwarden.exporters.labels import MAX_TEAMS, UNSET, DagLabels, DagRegistry, labels_of
from airwarden.exporters.sources import DagRule

RULES = (
    DagRule("etl_*", tier="high", team="data"),
    DagRule("*", team="platform", type="analytics"),
)


class Table:
    """A `MetadataDatabase` that knows one query's rows."""

    def __init__(self, *dags: tuple[str, Sequence[str]]) -> None:
        self.dags = list(dags)
        self.error: AirwardenError | None = None
        self.reads = self.refused = self.looks = 0

    def rows(self, query: str, **parameters: object) -> Sequence[Mapping[str, Any]]:
        if self.error:
            self.refused += 1
            raise self.error
        if query == "dags_digest":
            self.looks += 1
            return [{"digest": repr(self.dags)}]
        assert (query, parameters) == ("dags", {})
        self.reads += 1
        flags = {"is_paused": False, "is_stale": False, "has_import_errors": False}
        return [{"dag_id": dag_id, "tags": list(tags), **flags} for dag_id, tags in self.dags]

    def probe(self) -> float:
        return 0.0

    def sessions(self) -> Sequence[DatabaseSession]:
        return ()


def test_tags_win_over_rules_and_rules_in_their_order() -> None:
    tags = ["tier:critical", "type:etl", "example"]
    assert labels_of("etl_orders", tags, RULES) == DagLabels("critical", "data", "etl")
    assert labels_of("other", [], RULES) == DagLabels(UNSET, "platform", "analytics")
    assert labels_of("other", [], ()) == DagLabels(UNSET, UNSET, UNSET)


def test_a_tag_that_is_none_of_the_known_values_is_unset() -> None:
    assert labels_of("d", ["tier:urgent", "type:misc"], ()) == DagLabels()


def test_labels_are_read_again_after_a_while_and_for_an_unknown_dag() -> None:
    clock, table = FakeClock(), Table(("a", ["tier:low"]))
    registry = DagRegistry(table, (), clock)
    assert registry.of(["a"])["a"].tier == "low"
    registry.of(["a"])
    assert table.reads == 1

    table.dags.append(("b", ["tier:high"]))
    assert registry.of(["b"])["b"] == DagLabels()
    clock.advance(6)
    assert registry.of(["b"])["b"].tier == "high"
    assert table.reads == 2
    clock.advance(61)
    table.dags.append(("c", ["tier:low"]))
    registry.of(["a"])
    assert table.reads == 3


def test_a_dag_that_is_not_there_is_looked_for_once() -> None:
    clock, table = FakeClock(), Table(("a", ["tier:low"]))
    registry = DagRegistry(table, (), clock, keep=60)
    registry.all()
    for _ in range(5):
        clock.advance(6)
        assert registry.of(["a", "stale"])["stale"] == DagLabels()
    assert table.looks == 2
    table.dags.append(("stale", ["tier:high"]))
    clock.advance(61)
    assert registry.of(["stale"])["stale"].tier == "high"
    table.dags.pop()
    clock.advance(61)
    registry.all()
    clock.advance(6)
    registry.of(["stale"])
    assert table.looks == 5, "what is gone is looked for again"


def test_old_labels_are_used_while_the_database_is_gone_and_none_never() -> None:
    clock, table = FakeClock(), Table(("a", ["tier:low"]))
    registry = DagRegistry(table, (), clock)
    table.error = UnavailableError("gone")
    with pytest.raises(UnavailableError):
        registry.of(["a"])
    table.error = None
    registry.of(["a"])
    table.error = UnavailableError("gone")
    clock.advance(1000)
    assert registry.of(["a"])["a"].tier == "low"


def test_a_table_that_cannot_be_read_holds_up_one_collector_and_not_each() -> None:
    clock, table = FakeClock(), Table(("a", ["tier:low"]))
    registry = DagRegistry(table, (), clock)
    registry.all()
    table.error = UnavailableError("locked")
    clock.advance(1000)
    for _ in range(3):
        assert registry.of(["a"])["a"].tier == "low"
        with pytest.raises(UnavailableError, match="locked"):
            registry.rows()
    assert table.refused == 1
    table.error = None
    clock.advance(6)
    assert len(registry.rows()) == 1


def test_dags_that_are_counted_are_not_old_ones() -> None:
    clock, table = FakeClock(), Table(("a", []))
    registry = DagRegistry(table, (), clock, keep=60)
    assert len(registry.rows()) == 1
    table.error = UnavailableError("gone")
    clock.advance(61)
    assert registry.all(), "labels may be"
    with pytest.raises(UnavailableError):
        registry.rows()


def test_the_number_of_teams_is_bounded() -> None:
    dags = [(f"d{n:04}", [f"team:t{n}"]) for n in range(MAX_TEAMS + 50)]
    registry = DagRegistry(Table(*dags), (), FakeClock())
    teams = {labels.team for labels in registry.all().values()}
    assert len(teams) == MAX_TEAMS + 1
    assert OVERFLOW in teams


def test_the_fleet_is_read_again_only_when_it_has_changed() -> None:
    clock = FakeClock()
    table = Table(("a", ["team:one"]))
    registry = DagRegistry(table, (), clock, keep=60)
    registry.all()
    clock.advance(61)
    registry.all()
    assert table.reads == 1
    table.dags = [("a", ["team:two"])]
    assert registry.all()["a"].team == "one", "not yet looked at"
    clock.advance(61)
    assert registry.all()["a"].team == "two"
    assert table.reads == 2
