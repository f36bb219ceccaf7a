"""The commands of README and tutorial that need a platform, in the order in which a reader types them."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from localplatform.layout import Platform
from stories.installation import Installation
from support.documented import commands
from support.eventually import eventually
from support.programs import airwarden


def told(begins: str) -> list[str]:
    """Return the words of the one documented command that begins so, after `airwarden`."""
    (line,) = {one.line for one in commands() if one.line.startswith(begins)}
    return line.split()[1:]


def ran(folder: Path, words: list[str], **environ: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "airwarden.cli", *words],
        cwd=folder,
        env={**os.environ, "COLUMNS": "100", **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done


def typed(folder: Path, words: list[str], answers: list[str]) -> str:
    """Run a command at a terminal and answer what it asks, one line a question."""
    child, master = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execv(sys.executable, [sys.executable, "-m", "airwarden.cli", *words])
    said, left, end = "", list(answers), time.monotonic() + 60
    seen = 0
    while time.monotonic() < end:
        if not select.select([master], [], [], 0.2)[0]:
            continue
        try:
            piece = os.read(master, 4096).decode(errors="replace")
        except OSError:
            break
        if not piece:
            break
        said += piece
        # With its space: what is typed before a hidden question has hidden itself is thrown away.
        if left and said[seen:].endswith(": "):
            os.write(master, (left.pop(0) + "\n").encode())
            seen = len(said)
    _, status = os.waitpid(child, 0)
    os.close(master)
    assert os.waitstatus_to_exitcode(status) == 0, said
    assert left == [], said
    return said


def components(folder: Path) -> list[dict[str, Any]]:
    """Return what `airwarden status` tells of the platform's components; nothing while it tells nothing."""
    told_of = json.loads(ran(folder, [*told("airwarden status"), "--output", "json"]).stdout)
    return [one for cluster in told_of["clusters"] for one in cluster["components"]]


@pytest.mark.timeout(300)
def test_the_readers_own_airflow(platform: Platform, tmp_path: Path) -> None:
    access = platform.airflow
    dsn = platform.postgres.observer_dsn_file.read_text().strip()
    password = access.password_file.read_text().strip()
    typed(tmp_path, told("airwarden init"), [access.url, access.user, password, dsn])
    assert len((tmp_path / "airwarden.yaml").read_text().splitlines()) < 20
    doctor = ran(tmp_path, told("airwarden doctor"))
    assert doctor.returncode == 0, doctor.stdout
    assert "read tables" in doctor.stdout
    replay = told("airwarden backtest")
    replay[replay.index("--dsn") + 1] = dsn
    assert ran(tmp_path, replay).returncode == 0
    assert "<html" in (tmp_path / "report.html").read_text()
    with airwarden(*told("airwarden up"), folder=tmp_path):
        found = eventually(
            lambda: components(tmp_path), within=120, every=2.0, what="status tells of the platform"
        )
        assert {one["component"] for one in found} >= {"scheduler"}
        screen = ran(tmp_path, told("airwarden status"))
        assert screen.returncode == 0, screen.stdout
        assert "scheduler" in screen.stdout


def test_the_demos_incidents(platform: Platform, installed: Installation, tmp_path: Path) -> None:
    words = told(".venv/bin/airwarden incidents")
    (config,) = (word for word in words if word.endswith(".yaml"))
    assert installed.config == platform.state_dir / Path(config).relative_to("var/platform")
    words[words.index(config)] = str(installed.config)
    done = ran(tmp_path, words)
    assert done.returncode == 0, done.stderr
    assert "incident" in done.stdout
