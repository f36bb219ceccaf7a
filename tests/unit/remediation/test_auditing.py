"""The audit signed off while it grows, and followed by whoever wants to know."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airwarden.core.errors import WrongInputError
from airwarden.remediation.audit_patrol import Patrol
from airwarden.remediation.auditing import (
    AuditTerms,
    Notary,
    examine_journal,
    examine_lines,
    pages,
    read_checkpoints,
)
from airwarden.remediation.decide.chain import Checkpoint, Entry, Kind, canonical, read_line
from airwarden.remediation.journal import audit, checkpoints, tables
from airwarden.remediation.journal.store import Fence
from airwarden.remediation.upkeep import LOOK_EVERY, Upkeep
from support.engine import Bench

KEY = "a key that the journal's administrator does not have"


@pytest.fixture
def bench(memory_path: Path) -> Iterator[Bench]:
    made = Bench(f"sqlite:///{memory_path / 'journal.db'}")
    made.leadership.step()
    yield made
    made.close()


def say(bench: Bench, count: int) -> None:
    with bench.journal.write() as tx:
        for number in range(count):
            audit.append(tx, actor="ada", action="note", object="x", sentence=f"line {number}")


def notary(bench: Bench, folder: Path, *, entries: int = 10, key: str = "") -> Notary:
    terms = AuditTerms(timedelta(hours=1), entries, folder / "checkpoints", key)
    return Notary(bench.journal, terms)


def fence(bench: Bench) -> Fence:
    bench.leadership.step()
    return bench.leadership.fence


def tamper(bench: Bench, *statements: str) -> None:
    with bench.journal.write() as tx:
        for name in checkpoints.TRIGGERS["sqlite"]:
            tx.connection.exec_driver_sql(f"DROP TRIGGER {name}")
        for statement in statements:
            tx.connection.exec_driver_sql(statement)


def rewrite(bench: Bench, seq: int) -> None:
    """Do what one does who may write everything: change an entry and every hash after it."""
    tamper(bench)
    with bench.journal.write() as tx:
        previous = ""
        for entry in audit.entries(tx):
            if entry.seq < seq:
                previous = entry.hash
                continue
            forged = Entry(
                entry.seq, entry.at, "eve", entry.action, entry.object, entry.before, entry.after,
                previous, "",
            )  # fmt: skip
            previous = forged.digest()
            values = {"actor": "eve", "prev_hash": forged.prev_hash, "hash": previous}
            here = tables.audit.c.seq == entry.seq
            tx.connection.execute(tables.audit.update().where(here).values(values))
        tx.connection.execute(tables.audit_head.update().values(hash=previous))
        for mark in checkpoints.every(tx):
            (there,) = audit.page(tx, after=mark.seq - 1, limit=1)
            here = tables.audit_checkpoint.c.seq == mark.seq
            tx.connection.execute(
                tables.audit_checkpoint.update().where(here).values(hash=there.hash)
            )


def test_it_is_signed_off_after_so_many_entries_or_so_long(bench: Bench, tmp_path: Path) -> None:
    signer = notary(bench, tmp_path)
    assert signer.step(fence(bench)).signed_at is None
    say(bench, 3)
    assert signer.step(fence(bench)).signed_off == 3
    say(bench, 9)
    assert signer.step(fence(bench)).signed_off == 3
    say(bench, 1)
    assert signer.step(fence(bench)).signed_off == 13
    say(bench, 1)
    bench.clock.advance(3600)
    assert signer.step(fence(bench)).signed_off == 14
    bench.clock.advance(3600)
    state = signer.step(fence(bench))
    assert (state.signed_off, state.head) == (14, 14)
    outside, notes = read_checkpoints(tmp_path / "checkpoints")
    assert [one.seq for one in outside] == [3, 13, 14]
    assert notes == []
    with bench.journal.read() as tx:
        assert checkpoints.every(tx) == outside


def test_what_does_not_hold_is_not_signed_off(bench: Bench, tmp_path: Path) -> None:
    signer = notary(bench, tmp_path)
    say(bench, 5)
    signer.step(fence(bench))
    say(bench, 10)
    tamper(bench, "UPDATE audit SET actor = 'eve' WHERE seq = 12")
    state = signer.step(fence(bench))
    assert state.faults == ("entry 12 was changed",)
    assert state.signed_off == 5


def test_a_journal_that_was_cut_off_and_goes_on_is_noticed_by_the_leader(
    bench: Bench, tmp_path: Path
) -> None:
    signer = notary(bench, tmp_path)
    say(bench, 20)
    signer.step(fence(bench))
    tamper(
        bench,
        "DELETE FROM audit WHERE seq > 10",
        "DELETE FROM audit_checkpoint",
        "UPDATE audit_head SET seq = 10, hash = (SELECT hash FROM audit WHERE seq = 10)",
    )
    say(bench, 15)
    (fault,) = signer.step(fence(bench)).faults
    assert fault.startswith("entry 20, signed off at 2026-03-01 12:00 UTC")
    assert "cut off, rewritten, or begun anew" in fault


def test_what_is_changed_after_it_was_signed_off_shows_within_a_round(
    bench: Bench, tmp_path: Path
) -> None:
    say(bench, 35)
    assert notary(bench, tmp_path).step(fence(bench)).faults == ()
    patrol = Patrol(bench.journal, most=10)
    assert [patrol.step() for _ in range(8)] == [()] * 8
    tamper(bench, "UPDATE audit SET actor = 'eve' WHERE seq = 17")
    found = [patrol.step() for _ in range(4)]
    assert ("entry 17 was changed",) in found
    with bench.journal.write() as tx:
        tx.connection.exec_driver_sql("UPDATE audit SET actor = 'ada' WHERE seq = 17")
    # Mended from a backup: told until a whole round has held.
    assert [patrol.step() for _ in range(12)][-1] == ()
    with bench.journal.write() as tx:
        tx.connection.exec_driver_sql("DELETE FROM audit WHERE seq > 20")
    assert any("entries were cut off" in one for _ in range(4) for one in patrol.step())


def test_the_leaders_upkeep_tells_of_a_changed_past(bench: Bench, tmp_path: Path) -> None:
    say(bench, 20)
    terms = AuditTerms(timedelta(hours=1), 10, tmp_path / "checkpoints", "")
    upkeep = Upkeep(bench.journal, bench.leadership, bench.clock, terms, None)
    upkeep.step()
    assert upkeep.state.audit.signed_off == 20
    tamper(bench, "UPDATE audit SET actor = 'eve' WHERE seq = 7")
    bench.clock.advance(LOOK_EVERY)
    bench.leadership.step()
    upkeep.step()
    assert upkeep.state.audit.faults == ("entry 7 was changed",)


def test_a_cut_tail_shows_by_the_head_and_by_the_checkpoints(bench: Bench, tmp_path: Path) -> None:
    say(bench, 20)
    notary(bench, tmp_path).step(fence(bench))
    outside, _ = read_checkpoints(tmp_path / "checkpoints")
    tamper(bench, "DELETE FROM audit WHERE seq > 10", "DELETE FROM audit_checkpoint")
    found = examine_journal(bench.journal)
    assert "the chain ends at 10, its head says 20: entries were cut off" in found.faults
    with bench.journal.write() as tx:
        (last,) = audit.page(tx, after=9)
        tx.connection.execute(tables.audit_head.update().values(seq=10, hash=last.hash))
    assert not any("cut" in fault for fault in examine_journal(bench.journal).faults)
    found = examine_journal(bench.journal, outside=outside)
    assert "entry 20 was signed off, the chain ends at 10: entries were cut off" in found.faults


def test_a_chain_that_was_rewritten_throughout_shows_by_what_lies_outside(
    bench: Bench, tmp_path: Path
) -> None:
    say(bench, 20)
    notary(bench, tmp_path).step(fence(bench))
    rewrite(bench, 7)
    outside, _ = read_checkpoints(tmp_path / "checkpoints")
    alone = examine_journal(bench.journal)
    assert all(fault.startswith("trigger") for fault in alone.faults)
    found = examine_journal(bench.journal, outside=outside)
    assert "two checkpoints at 20 name different entries" in found.faults
    exported = [entry.line() for entry in pages(bench.journal, after=0)]
    assert examine_lines(exported).holds
    (fault,) = examine_lines(exported, outside=outside).faults
    assert fault == "entry 20 is not the one that was signed off at 2026-03-01 12:00 UTC"


def test_with_a_key_no_checkpoint_can_be_forged(bench: Bench, tmp_path: Path) -> None:
    say(bench, 20)
    notary(bench, tmp_path, key=KEY).step(fence(bench))
    outside, _ = read_checkpoints(tmp_path / "checkpoints")
    assert examine_journal(bench.journal, outside=outside, key=KEY).holds
    rewrite(bench, 7)
    found = examine_journal(bench.journal, key=KEY)
    assert "the checkpoint at 20 is not signed with the key" in found.faults


def test_exported_lines_are_followed_like_the_journal(bench: Bench, tmp_path: Path) -> None:
    say(bench, 30)
    notary(bench, tmp_path).step(fence(bench))
    say(bench, 5)
    outside, _ = read_checkpoints(tmp_path / "checkpoints")
    whole = [entry.line() for entry in pages(bench.journal, after=0, size=7)]
    found = examine_lines(whole, outside=outside)
    assert (found.first, found.last, found.passed, found.faults) == (1, 35, 1, ())
    part = examine_lines(whole[10:], outside=outside)
    assert part.holds
    assert "it begins with entry 11" in part.notes[0]
    assert examine_lines(whole[30:], outside=outside).notes == ()
    changed = [line.replace("line 12", "line 21") for line in whole]
    assert examine_lines(changed).faults == ("entry 13 was changed",)
    assert "entry 5 is missing" in examine_lines(whole[:4] + whole[5:]).faults
    assert "entries 5–7 are missing" in examine_lines(whole[:4] + whole[7:]).faults
    assert "line 2 is no line of an exported audit" in examine_lines([whole[0], "{}"]).faults[0]
    assert examine_lines([]).faults == ("there is no entry in it",)
    short = examine_lines(whole[:20], outside=outside)
    assert short.notes == ("checkpoints up to 30 are known, the lines end at 20",)


def test_the_file_of_checkpoints_survives_a_line_that_was_torn(
    bench: Bench, tmp_path: Path
) -> None:
    signer = notary(bench, tmp_path)
    say(bench, 20)
    signer.step(fence(bench))
    file = tmp_path / "checkpoints"
    file.write_text(file.read_text() + '{"seq": 21, "ki')
    say(bench, 20)
    signer.step(fence(bench))
    outside, notes = read_checkpoints(file)
    assert [one.seq for one in outside] == [20, 40]
    assert "checkpoints:2 is no checkpoint" in notes[0]


@given(
    st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.floats(), st.none())),
    st.text(),
    st.datetimes(timezones=st.just(UTC)),
)
def test_a_line_gives_back_the_entry_that_it_was_made_of(
    body: dict[str, object], text: str, at: datetime
) -> None:
    entry = Entry(1, at, text, "note", text, "{}", canonical(body), "0" * 64, "h")
    line = entry.line()
    again = read_line(line.encode("utf-8", "surrogatepass").decode("utf-8", "surrogatepass"))
    assert again.digest() == entry.digest()
    assert "\n" not in line


def test_what_is_no_line_is_refused() -> None:
    for line in ("", "[]", '{"seq": "x"}', "nonsense"):
        with pytest.raises(WrongInputError):
            read_line(line)


def test_a_signature_covers_everything() -> None:
    one = Checkpoint(5, Kind.ARCHIVED, datetime(2026, 1, 1, tzinfo=UTC), "h", "file", "digest")
    signatures = {
        one.signed("k"),
        one.signed("other"),
        Checkpoint(6, one.kind, one.at, "h", "file", "digest").signed("k"),
        Checkpoint(5, Kind.VERIFIED, one.at, "h", "file", "digest").signed("k"),
        Checkpoint(5, one.kind, one.at, "g", "file", "digest").signed("k"),
        Checkpoint(5, one.kind, one.at, "h", "elif", "digest").signed("k"),
        Checkpoint(5, one.kind, one.at, "h", "file", "tsegid").signed("k"),
    }
    assert len(signatures) == 7
    assert one.signed("") == ""
