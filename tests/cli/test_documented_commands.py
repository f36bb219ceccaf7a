"""Every command of README and tutorial has somebody who runs it; those that need nothing are run here."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from support.documented import commands
from support.repository import ROOT

#: Run here, as they stand: what they must print.
ALONE = {
    ".venv/bin/airwarden --help": "Usage: airwarden",
    "PYTHONPATH=deploy/local .venv/bin/python -m localplatform fault --help": "freeze",
    "make down": "",
}
#: Run in `tests/acceptance/test_documented_commands.py`, on the platform that runs there.
ON_A_PLATFORM = (
    "airwarden init",
    "airwarden doctor",
    "airwarden backtest --dsn postgresql://reader:…@db.example.com/airflow --days 30 --html report.html",
    "airwarden up",
    "airwarden status",
    ".venv/bin/airwarden incidents --config var/platform/airwarden/airwarden.yaml",
)


def test_every_command_is_run_by_somebody() -> None:
    told = {one.line for one in commands() if not one.long}
    assert told == {*ALONE, *ON_A_PLATFORM}
    assert {one.line for one in commands() if one.long} >= {"KEEP=1 make demo", "make test"}


@pytest.mark.parametrize("line", sorted(ALONE))
def test_it_does_what_it_says(line: str, tmp_path: Path) -> None:
    # A platform that a person has running is none of a test's.
    environ = {**os.environ, "AIRWARDEN_PLATFORM_STATE": str(tmp_path), "COLUMNS": "100"}
    done = subprocess.run(
        ["sh", "-c", line],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ALONE[line] in done.stdout
