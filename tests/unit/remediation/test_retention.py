"""What is old leaves the journal: archived first, a little at a time, never in the way of work."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from airwarden.remediation import upkeep as upkeep_module
from airwarden.remediation.auditing import examine_journal, examine_lines
from airwarden.remediation.journal import audit, checkpoints, pruning, tables
from support.engine import Bench
from support.keeping import DAY, counts, heal_one, keeper, lines, sweep

pytestmark = pytest.mark.thorough


@pytest.fixture
def bench(memory_path: Path) -> Iterator[Bench]:
    made = Bench(f"sqlite:///{memory_path / 'journal.db'}")
    yield made
    made.close()


def test_an_incident_that_ended_long_ago_is_archived_and_leaves_nothing_behind(
    bench: Bench, tmp_path: Path
) -> None:
    heal_one(bench, "old")
    told = bench.story()
    bench.clock.advance(89 * DAY)
    keep = keeper(bench, tmp_path)
    sweep(bench, keep)
    assert counts(bench)["incident"] == 1
    assert counts(bench)["outbox"] == 0
    bench.clock.advance(2 * DAY)
    sweep(bench, keep)
    assert set(counts(bench).values()) == {0}
    rows = [json.loads(line) for line in lines(tmp_path, "incidents-*")]
    kinds = [row["table"] for row in rows]
    assert kinds[0] == "incident"
    assert {"run", "attempt", "incident_alert", "alert_event"} <= set(kinds)
    assert rows[0]["row"]["state"] == "RESOLVED"
    archived = lines(tmp_path, "audit-*")
    assert [json.loads(line)["after"]["sentence"] for line in archived] == told
    assert keep.state.pruned["incident"] == 1


def test_what_is_open_young_or_still_fires_stays(bench: Bench, tmp_path: Path) -> None:
    heal_one(bench, "old")
    bench.clock.advance(91 * DAY)
    bench.machine.heals = False
    bench.fire(name="young")
    bench.run(30)
    with bench.journal.write() as tx:
        tx.connection.execute(tables.alert.update().values(status="firing"))
    keep = keeper(bench, tmp_path)
    sweep(bench, keep)
    assert counts(bench)["incident"] == 2
    assert {one.correlation_key.rpartition("=")[2] for one in bench.incidents()} == {"old", "young"}


def test_the_chain_goes_on_from_what_was_archived(bench: Bench, tmp_path: Path) -> None:
    heal_one(bench, "old")
    bench.clock.advance(91 * DAY)
    sweep(bench, keeper(bench, tmp_path))
    heal_one(bench, "new")
    with bench.journal.read() as tx:
        assert audit.entries(tx)[0].seq == checkpoints.floor(tx).seq + 1 > 1
        assert list(audit.broken_links(tx)) == []
    found = examine_journal(bench.journal, folder=tmp_path / "archive")
    assert (found.faults, found.notes) == ((), ())
    told = examine_lines(lines(tmp_path, "audit-*"))
    assert told.holds
    assert told.first == 1


def test_an_archive_that_was_changed_or_is_gone_shows(bench: Bench, tmp_path: Path) -> None:
    heal_one(bench, "old")
    bench.clock.advance(91 * DAY)
    sweep(bench, keeper(bench, tmp_path))
    (file,) = (tmp_path / "archive").glob("audit-*")
    file.write_text(file.read_text().replace("Confirmed", "Invented"))
    found = examine_journal(bench.journal, folder=tmp_path / "archive")
    assert "is not what was archived" in found.faults[0]
    file.unlink()
    found = examine_journal(bench.journal, folder=tmp_path / "archive")
    assert found.holds
    assert "No such file" in found.notes[0]


def test_nothing_is_pruned_that_could_not_be_archived(bench: Bench, tmp_path: Path) -> None:
    heal_one(bench, "old")
    bench.clock.advance(91 * DAY)
    (tmp_path / "archive").write_text("a file where the folder should be")
    before = counts(bench)
    keep = keeper(bench, tmp_path)
    bench.leadership.step()
    for _ in range(20):
        keep.step()
    assert counts(bench) == before
    assert "cannot be written" in keep.state.trouble
    assert keep.state.swept_at == 0


def test_an_audit_that_does_not_hold_is_not_archived(bench: Bench, tmp_path: Path) -> None:
    heal_one(bench, "old")
    bench.clock.advance(91 * DAY)
    with bench.journal.write() as tx:
        if tx.postgresql:
            tx.connection.exec_driver_sql("ALTER TABLE audit DISABLE TRIGGER ALL")
        else:
            tx.connection.exec_driver_sql("DROP TRIGGER audit_no_UPDATE")
        eve = tables.audit.update().where(tables.audit.c.seq == 2).values(actor="eve")
        tx.connection.execute(eve)
    keep = keeper(bench, tmp_path)
    bench.leadership.step()
    before = counts(bench)["audit"]
    for _ in range(200):
        keep.step()
    assert counts(bench)["audit"] == before
    assert "entry 2 was changed" in keep.state.trouble
    assert keep.state.audit.faults == ("entry 2 was changed",)
    assert examine_journal(bench.journal).faults[0].startswith("trigger")


def test_a_crash_between_archive_and_prune_loses_nothing(bench: Bench, tmp_path: Path) -> None:
    for name in ("a", "b"):
        heal_one(bench, name)
        bench.clock.advance(DAY)
    bench.clock.advance(91 * DAY)
    # Every possible place to stop: after one step, two, … of a sweep, each by a process of its own.
    for stop_after in range(1, 30):
        keep = keeper(bench, tmp_path)
        bench.leadership.step()
        for _ in range(stop_after):
            keep.step()
    sweep(bench, keeper(bench, tmp_path))
    assert set(counts(bench).values()) == {0}
    told = examine_lines(lines(tmp_path, "audit-*"))
    assert (told.first, told.holds) == (1, True)
    rows = [json.loads(line) for line in lines(tmp_path, "incidents-*")]
    numbers = {row["row"]["id"] for row in rows if row["table"] == "incident"}
    assert len(numbers) == 2


def test_a_page_of_an_open_incident_is_remembered(bench: Bench, tmp_path: Path) -> None:
    bench.machine.heals = False
    bench.fire()
    bench.run(1200)
    assert len(bench.paged()) == 1
    bench.clock.advance(30 * DAY)
    sweep(bench, keeper(bench, tmp_path))
    with bench.journal.read() as tx:
        channels = set(tx.connection.execute(select(tables.outbox.c.channel)).scalars())
    assert channels == {"pager"}


def test_a_standby_keeps_no_house(bench: Bench, tmp_path: Path) -> None:
    heal_one(bench, "old")
    bench.clock.advance(91 * DAY)
    before = counts(bench)
    keep = keeper(bench, tmp_path)
    for _ in range(5):
        assert keep.step() == 1.0
    assert counts(bench) == before


def test_it_rests_longer_than_it_works(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heal_one(bench, "old")
    bench.clock.advance(91 * DAY)
    bench.leadership.step()
    keep = keeper(bench, tmp_path)
    keep.step()
    monkeypatch.setattr(upkeep_module, "LOOK_EVERY", 1e9)
    drop = pruning.drop_leftovers

    def slow(*arguments: Any) -> int:
        bench.clock.advance(0.5)
        return drop(*arguments)

    monkeypatch.setattr(pruning, "drop_leftovers", slow)
    rests = [keep.step() for _ in range(200) if not keep.state.swept_at]
    assert 2.0 in rests


def test_the_file_of_a_new_sqlite_journal_shrinks(tmp_path: Path) -> None:
    bench = Bench(f"sqlite:///{tmp_path / 'journal.db'}")
    row = {"source": "s", "body": b"x" * 4000, "alerts": 1, "state": "done"}
    with bench.journal.write() as tx:
        old = tx.now - timedelta(days=30)
        rows = [
            {**row, "delivery_hash": str(n), "received_at": old, "next_at": old} for n in range(500)
        ]
        tx.connection.execute(insert(tables.inbox), rows)
    keep = keeper(bench, tmp_path, batch=100)
    steps = sweep(bench, keep)
    full = keep.state.size
    assert full > 2_000_000
    bench.clock.advance(60)
    bench.leadership.step()
    keep.step()
    assert keep.state.size < full / 4
    assert steps < 60, "pages are given back many at a time"
    bench.close()
