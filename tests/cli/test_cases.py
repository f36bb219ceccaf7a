"""Every file in `cases/` is one test of the command line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from airwarden.cli.main import run
from support.cases import Case, matches, read_case

CASES = sorted((Path(__file__).parent / "cases").glob("*.txt"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    case = read_case(path)
    _prepare(case, tmp_path, monkeypatch)
    code = run(case.arguments)
    out, err = capsys.readouterr()
    said = f"\n--- exit {code}\n--- stdout\n{out}--- stderr\n{err}"
    assert code == int(case.sections.get("exit", "0")), said
    for name, actual in (("stdout", out), ("stderr", err)):
        expected = case.sections.get(name, "")
        assert matches(actual.replace(str(tmp_path), "$WORK"), expected), name + said
    for name, expected in case.afterwards.items():
        assert matches((tmp_path / name).read_text().replace(str(tmp_path), "$WORK"), expected)


def _prepare(case: Case, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in case.files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(0o644 if f"open: {name}" in case.sections else 0o600)
    for variable in [name for name in os.environ if name.startswith("AIRWARDEN_")]:
        monkeypatch.delenv(variable)
    for variable, value in {"COLUMNS": "100", "NO_COLOR": "1", **case.environment}.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.chdir(folder)


def test_the_matcher_sees_a_difference() -> None:
    assert matches("a\nb\nc\n", "a\n...\nc\n")
    assert matches("", "")
    assert not matches("a\nb\n", "a\n")
    assert not matches("x\n", "")
    assert not matches("a\nb\n", "...\na\n")
