"""`airwarden top` on a terminal: it draws, leaves by a key, and leaves the terminal as it was."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.eventually import eventually

SETTINGS = "remediator: {listen: '127.0.0.1:1', api_token_file: token}\n"
LEAVES_THE_SCREEN = b"\x1b[?1049l"


class Terminal:
    """A program on a terminal of its own, and what it has drawn."""

    def __init__(self, folder: Path) -> None:
        self.master, slave = pty.openpty()
        self.slave = slave
        self.before = termios.tcgetattr(slave)
        self.program = subprocess.Popen(
            [sys.executable, "-m", "airwarden.cli", "top", "--every", "0.5"],
            cwd=folder,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "40"},
            start_new_session=True,
        )
        os.set_blocking(self.master, False)
        self.drawn = b""

    def shows(self, text: bytes) -> bool:
        while True:
            try:
                self.drawn += os.read(self.master, 65536)
            except BlockingIOError:
                return text in self.drawn

    def press(self, key: bytes) -> None:
        os.write(self.master, key)

    def ended(self) -> int | None:
        self.shows(b"")
        return self.program.poll()


@contextmanager
def terminal(folder: Path) -> Iterator[Terminal]:
    (folder / "airwarden.yaml").write_text(SETTINGS)
    (folder / "token").write_text("t" * 32)
    one = Terminal(folder)
    try:
        yield one
    finally:
        one.program.kill()
        one.program.wait()
        os.close(one.master)
        os.close(one.slave)


@pytest.mark.parametrize("way", ["q", "interrupt", "terminate"])
def test_it_draws_and_leaves_the_terminal_as_it_was(way: str, tmp_path: Path) -> None:
    with terminal(tmp_path) as one:
        eventually(lambda: one.shows(b"q leaves"), within=30, what="the first screen")
        if way == "q":
            one.press(b"q")
        else:
            number = {"interrupt": signal.SIGINT, "terminate": signal.SIGTERM}[way]
            one.program.send_signal(number)
        assert eventually(lambda: one.ended() is not None, within=10)
        assert one.program.returncode == 0
        assert LEAVES_THE_SCREEN in one.drawn
        assert b"Traceback" not in one.drawn
        assert termios.tcgetattr(one.slave) == one.before
