"""The `Commands` port: programs of this machine, by argument vector, with nothing of our environment."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from typing import IO

from airwarden.core.errors import RejectedError, UnknownOutcomeError
from airwarden.core.platform import Ended

#: Bytes of a program's output that are kept: its end.
_KEEP = 4096
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/"}


class LocalCommands:
    """Runs programs: no shell, no input, no variable of ours, a process group of their own."""

    def run(self, argv: Sequence[str], *, within: float) -> Ended:
        """Run a program to its end.

        Args:
            argv: An absolute path and its arguments.
            within: Seconds; then it and what it has started are killed.

        Raises:
            RejectedError: It cannot be run at all.
            UnknownOutcomeError: It had not ended in time.
        """
        try:
            child = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=_ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise RejectedError(f"{argv[0]} cannot be run: {reason}") from None
        tail = _Tail(child.stdout)
        try:
            code = child.wait(within)
        except subprocess.TimeoutExpired:
            raise UnknownOutcomeError(f"{argv[0]} had not ended after {within:g} s") from None
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            tail.join()
        return Ended(code, tail.text)


class _Tail:
    """Reads a program's output to its end and keeps the last of it, however much there is."""

    def __init__(self, pipe: IO[bytes] | None) -> None:
        self._pipe, self._kept = pipe, b""
        self._thread = threading.Thread(target=self._read, name="command-output", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        if self._pipe is None:
            return
        with self._pipe:
            while piece := self._pipe.read1(65_536):  # type: ignore[attr-defined]
                self._kept = (self._kept + piece)[-_KEEP:]

    def join(self) -> None:
        """Wait until all is read; the program and its children are gone by then."""
        self._thread.join(2.0)

    @property
    def text(self) -> str:
        """The end of the output."""
        return self._kept.decode("utf-8", "replace").replace("\0", "").strip()
