"""The documented exit codes, each by what leads to it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from airwarden.cli.commands import check
from airwarden.cli.failures import EXIT_CODES
from airwarden.cli.main import run
from support.repository import ROOT

SETTINGS = "remediator: {listen: '127.0.0.1:1', api_token_file: token}\n"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "airwarden.yaml").write_text(SETTINGS)
    (tmp_path / "token").write_text("t" * 32)
    monkeypatch.chdir(tmp_path)


def raising(error: BaseException) -> object:
    def raise_it(*_: object, **__: object) -> None:
        raise error

    return raise_it


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("--version", 0),
        ("windows list --help", 0),
        ("incidents", 1),
        ("status", 1),
        ("no-such-command", 2),
        ("incidents --no-such-option", 2),
        ("check --config absent.yaml", 2),
        ("incidents --state nothing", 2),
        ("incidents --output xml", 2),
    ],
)
def test_a_command_ends_with_what_is_documented(line: str, code: int) -> None:
    assert run(line.split()) == code


@pytest.mark.parametrize(
    ("error", "code"),
    [(KeyboardInterrupt(), 130), (RuntimeError("ours"), 70), (typer.Abort(), 1)],
)
def test_an_end_that_nobody_wanted_has_its_code_too(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "load_settings", raising(error))
    assert run(["check"]) == code
    assert code in EXIT_CODES


def test_the_reference_has_all_of_them_and_no_other() -> None:
    page = (ROOT / "docs/reference/commands.md").read_text()
    told = page.partition("## Exit codes")[2].partition("\n## ")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", told, re.MULTILINE)] == [*EXIT_CODES]
