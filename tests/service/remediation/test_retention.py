"""Archiving and pruning on SQLite and PostgreSQL alike; the fine points are in the unit tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import IntegrityError

from airwarden.core.errors import UnavailableError
from airwarden.remediation.auditing import examine_journal, examine_lines
from airwarden.remediation.journal import checkpoints, tables
from support.engine import Bench
from support.keeping import DAY, counts, heal_one, keeper, lines, sweep


@pytest.fixture
def bench(journal_url: str) -> Iterator[Bench]:
    made = Bench(journal_url)
    yield made
    made.close()


def test_old_incidents_and_audit_are_archived_and_the_chain_goes_on(
    bench: Bench, tmp_path: Path
) -> None:
    heal_one(bench, "old")
    bench.clock.advance(91 * DAY)
    keep = keeper(bench, tmp_path)
    sweep(bench, keep)
    assert set(counts(bench).values()) == {0}
    assert examine_lines(lines(tmp_path, "audit-*")).holds
    heal_one(bench, "new")
    assert examine_journal(bench.journal, folder=tmp_path / "archive").faults == ()
    assert keep.state.size > 0


def test_the_database_lets_only_what_is_archived_go(bench: Bench, tmp_path: Path) -> None:
    heal_one(bench, "old")
    bench.clock.advance(91 * DAY)
    sweep(bench, keeper(bench, tmp_path))
    heal_one(bench, "new")
    with bench.journal.read() as tx:
        floor = checkpoints.floor(tx).seq
        assert checkpoints.missing_triggers(tx) == []
    mark = {"kind": "archived", "at": bench.clock.now(), "seq": floor + 2, "hash": "0" * 64}
    for statement, why in (
        (delete(tables.audit).where(tables.audit.c.seq == floor + 1), "not archived"),
        (update(tables.audit).values(actor="eve"), "append-only"),
        (update(tables.audit_checkpoint).values(seq=floor + 2), "append-only"),
        (delete(tables.audit_checkpoint), "append-only"),
        (insert(tables.audit_checkpoint).values(mark), "must name an entry"),
    ):
        with (
            pytest.raises((UnavailableError, IntegrityError), match=why),
            bench.journal.write() as tx,
        ):
            tx.connection.execute(statement)
