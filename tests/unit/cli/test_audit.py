"""`airwarden audit`: what is exported can be gone on with and verified, with no remediator running."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from airwarden.adapters.clock import SystemClock
from airwarden.cli.main import run
from airwarden.remediation.journal import audit
from airwarden.remediation.journal.store import Journal, open_journal

Out = pytest.CaptureFixture[str]


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Journal]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "airwarden.yaml").write_text("remediator: {mode: shadow}\n")
    opened = open_journal(f"sqlite:///{tmp_path}/airwarden-journal.db", SystemClock())
    say(opened, 5)
    yield opened
    opened.close()


def say(journal: Journal, count: int) -> None:
    with journal.write() as tx:
        for number in range(count):
            audit.append(tx, actor="ada", action="note", object="x", sentence=f"line {number}")


def test_an_export_to_a_file_goes_on_where_it_ended(
    journal: Journal, tmp_path: Path, capsys: Out
) -> None:
    assert run(["audit", "export", "-o", "out.jsonl"]) == 0
    assert capsys.readouterr().err == "5 entries written to out.jsonl, up to 5\n"
    say(journal, 3)
    file = tmp_path / "out.jsonl"
    file.write_text(file.read_text() + '{"seq": 6, "at": "20')  # a line that a crash tore
    assert run(["audit", "export", "-o", "out.jsonl"]) == 0
    assert [json.loads(line)["seq"] for line in file.read_text().splitlines()] == [*range(1, 9)]
    assert run(["audit", "export", "-o", "out.jsonl"]) == 0
    assert "out.jsonl is complete" in capsys.readouterr().err
    assert run(["audit", "verify", "out.jsonl"]) == 0
    assert "entries 1–8 followed" in capsys.readouterr().out


def test_an_export_to_stdout_begins_where_it_is_told(journal: Journal, capsys: Out) -> None:
    assert run(["audit", "export", "--after", "3"]) == 0
    assert [json.loads(line)["seq"] for line in capsys.readouterr().out.splitlines()] == [4, 5]


def test_a_file_of_another_journal_is_not_gone_on_with(
    journal: Journal, tmp_path: Path, capsys: Out
) -> None:
    assert run(["audit", "export", "-o", "out.jsonl"]) == 0
    (tmp_path / "airwarden-journal.db").rename(tmp_path / "old.db")
    other = open_journal(f"sqlite:///{tmp_path}/airwarden-journal.db", SystemClock())
    say(other, 9)
    other.close()
    assert run(["audit", "export", "-o", "out.jsonl"]) == 2
    assert "does not follow the file's last one, 5" in capsys.readouterr().err


def test_verify_says_what_holds_and_what_does_not(
    journal: Journal, tmp_path: Path, capsys: Out
) -> None:
    assert run(["audit", "verify"]) == 0
    said = capsys.readouterr().out
    assert "the journal: entries 1–5 followed, through 0 checkpoint(s)" in said
    assert "a cut tail may not show" in said
    with journal.write() as tx:
        tx.connection.exec_driver_sql("DROP TRIGGER audit_no_UPDATE")
        tx.connection.exec_driver_sql("UPDATE audit SET actor = 'eve' WHERE seq = 2")
    assert run(["audit", "verify", "--output", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["holds"] is False
    assert found["faults"] == ["trigger audit_no_UPDATE is missing or off", "entry 2 was changed"]
    assert run(["audit", "verify"]) == 1
    assert "THE AUDIT DOES NOT HOLD" in capsys.readouterr().out


def test_exported_files_are_verified_without_settings(
    journal: Journal, tmp_path: Path, capsys: Out
) -> None:
    assert run(["audit", "export", "-o", "out.jsonl"]) == 0
    (tmp_path / "airwarden.yaml").unlink()
    assert run(["audit", "verify", "out.jsonl"]) == 0
    assert run(["audit", "verify", "nothing.jsonl"]) == 2
    assert "nothing.jsonl: cannot be read" in capsys.readouterr().err


def test_without_a_journal_it_says_where_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "airwarden.yaml").write_text("remediator: {mode: shadow}\n")
    assert run(["audit", "verify"]) == 2
    said = capsys.readouterr().err
    assert f"there is no journal at {tmp_path}/airwarden-journal.db" in said
    assert not (tmp_path / "airwarden-journal.db").exists()
