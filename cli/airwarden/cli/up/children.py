"""Child processes: started, watched, started again when they end, and stopped for good."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from airwarden.core.errors import AirwardenError

_PR_SET_PDEATHSIG = 1
_LARGEST_LOG = 20 * 1024 * 1024
_LONGEST_PAUSE = 30.0
_STABLE = 60.0
_libc = ctypes.CDLL(None)


class ChildEndedError(AirwardenError):
    """A child process ended while it was being started."""


@dataclass(slots=True)
class Child:
    """One program of the stack.

    Attributes:
        name: For messages, and the name of its log.
        command: Argument vector.
        environment: Its whole environment.
        ready_url: Answers 200 when it works.
        log: File that takes its output.
        reload: Signal that makes it read its configuration again.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    ready_url: str
    log: Path
    reload: signal.Signals = signal.SIGHUP
    _process: subprocess.Popen[bytes] | None = None
    _started_at: float = 0.0
    _pause: float = 1.0
    _restart_at: float | None = field(default=None)

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start it; its end is bound to ours, even if we are killed.

        Raises:
            ChildEndedError: It cannot be started.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > _LARGEST_LOG:
            self.log.replace(self.log.with_suffix(".log.1"))
        try:
            with self.log.open("ab") as output:
                self._process = subprocess.Popen(
                    self.command,
                    env=dict(self.environment),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=_end_with_parent,
                )
        except OSError as error:
            raise ChildEndedError(f"{self.name} cannot be started: {error}") from None
        self._started_at = time.monotonic()
        self._restart_at = None

    def tend(self, say: Callable[[str], None]) -> None:
        """Start it again if it has ended, after a pause that doubles up to 30 s."""
        if self._process is None or (code := self._process.poll()) is None:
            return
        now = time.monotonic()
        if self._restart_at is None:
            self._pause = 1.0 if now - self._started_at > _STABLE else self._pause
            self._restart_at = now + self._pause
            say(f"{self.name} ended with {code}; starting it again in {self._pause:.0f} s")
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        elif now >= self._restart_at:
            self.start()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def wait(self, seconds: float) -> bool:
        """Wait for its end; return whether it has ended."""
        if self._process is None:
            return True
        try:
            self._process.wait(timeout=max(0.0, seconds))
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """End it and what it started, at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def last_words(self, lines: int = 5) -> str:
        """Return the end of its log."""
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])


def _end_with_parent() -> None:
    """Runs in the child before exec: the kernel sends it SIGTERM when its parent dies."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def stop_all(children: list[Child], *, grace: float) -> None:
    """Stop children in reverse order of start: SIGTERM to all, SIGKILL to what stays."""
    for child in reversed(children):
        child.signal(signal.SIGTERM)
    deadline = time.monotonic() + grace
    for child in reversed(children):
        if not child.wait(deadline - time.monotonic()):
            child.kill()
