"""What a rolling upgrade is tried from is the version right before the newest schema."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from airwarden.remediation.journal.migrate import newest_revision
from airwarden.remediation.journal.migrations import versions
from service.remediation.test_rolling_upgrade import OLD
from support.repository import ROOT

FOLDER = Path(str(versions.__file__)).parent


def git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)


def test_the_old_version_has_every_revision_but_the_newest() -> None:
    if git("cat-file", "-e", "HEAD^{commit}").returncode:
        pytest.skip("no repository: a copy without its history")
    if git("rev-parse", "--is-shallow-repository").stdout.strip() == "true":
        pytest.skip("a clone without its history")
    listed = git("ls-tree", "--name-only", f"{OLD}:{FOLDER.relative_to(ROOT).as_posix()}")
    assert listed.returncode == 0, listed.stderr
    now = {one.name for one in FOLDER.glob("r*.py")}
    assert now - set(listed.stdout.split()) == {
        one for one in now if one.startswith(f"r{newest_revision()}_")
    }, "move OLD on to the last commit before the newest revision"
