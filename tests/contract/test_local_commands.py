"""The `Commands` port on real programs: no shell, nothing of our environment, an end in time."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from airwarden.adapters.local_commands import LocalCommands
from airwarden.core.errors import RejectedError, UnknownOutcomeError
from support.eventually import eventually

COMMANDS = LocalCommands()


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def test_arguments_arrive_as_they_are_and_the_exit_code_comes_back() -> None:
    said = COMMANDS.run(
        python("import sys; print(sys.argv[1:]); sys.exit(7)", "$HOME; `id` *", ""), within=20
    )
    assert said.code == 7
    assert said.output == "['$HOME; `id` *', '']"


def test_it_gets_no_input_and_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRWARDEN_SECRET", "hush")
    code = "import os, sys; print(sys.stdin.read() == '', sorted(os.environ))"
    assert "AIRWARDEN_SECRET" not in (said := COMMANDS.run(python(code), within=20).output)
    assert said.startswith("True")


def test_only_the_end_of_what_it_writes_is_kept() -> None:
    code = "print('x' * 3_000_000); print('the end')"
    said = COMMANDS.run(python(code), within=20).output
    assert said.endswith("the end")
    assert len(said) <= 4096


def test_what_does_not_end_in_time_is_killed_with_its_children(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time; c = subprocess.Popen(['/bin/sleep', '300']);"
        "open(sys.argv[1], 'w').write(str(c.pid)); time.sleep(300)"
    )
    with pytest.raises(UnknownOutcomeError, match="had not ended after 3 s"):
        COMMANDS.run(python(code, str(tmp_path / "pid")), within=3)
    child = int((tmp_path / "pid").read_text())

    def gone() -> bool:
        try:
            state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        return state == "Z"

    eventually(gone, within=10)


@pytest.mark.parametrize("path", ["/nowhere/at/all", os.devnull])
def test_what_cannot_be_run_is_refused(path: str) -> None:
    with pytest.raises(RejectedError, match="cannot be run"):
        COMMANDS.run([path], within=5)
