"""A file that a tool silently skips is a file that nobody checks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import mypy.main
import pytest

from support.repository import ROOT, committed

#: Run by Airflow's interpreter: its packages are not in this environment.
AIRFLOWS_OWN = ("deploy/local/dags/", "deploy/local/bench_dags/")


def test_mypy_checks_every_python_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    sources, options = mypy.main.process_options([])
    assert options.strict_equality, "pyproject.toml was not read"
    expected = {path for path in committed("*.py") if not path.startswith(AIRFLOWS_OWN)}
    assert {source.path for source in sources} == expected


def test_ruff_checks_every_python_file() -> None:
    listing = subprocess.run(
        [Path(sys.executable).with_name("ruff"), "check", "--show-files"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    seen = {str(Path(line).relative_to(ROOT)) for line in listing.stdout.splitlines()}
    assert set(committed("*.py")) - seen == set()


def test_each_file_is_about_one_thing() -> None:
    too_long = {
        path: lines
        for path in committed("*.py")
        if (lines := len((ROOT / path).read_text(encoding="utf-8").splitlines()))
        # Cases of one subject read well together.
        > (700 if path.startswith("tests/") else 500)
    }
    assert too_long == {}, "split it by subject: files stay around 400 lines"
