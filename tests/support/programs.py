"""Our own programs as real processes, started and ended by tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from support.eventually import eventually


@dataclass
class Program:
    """A running `airwarden …`."""

    process: subprocess.Popen[bytes]
    log: Path

    def output(self) -> str:
        """What it has written so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def stop(self, number: signal.Signals = signal.SIGTERM, *, within: float = 60.0) -> int:
        """Ask it to stop and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=within)


@contextmanager
def airwarden(
    *arguments: str, folder: Path, environ: Mapping[str, str] | None = None
) -> Iterator[Program]:
    """Run a command in `folder` until the block ends."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("AIRWARDEN_")}
    log = folder / f"{arguments[0]}.out"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "airwarden.cli", *arguments],
            cwd=folder,
            env={**inherited, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Program(process, log)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_port() -> int:
    """Return a port that was free a moment ago."""
    import socket

    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def answers(url: str, *, within: float = 60.0) -> str:
    """Return a page once it answers with 200."""

    def ask() -> str:
        try:
            response = httpx.get(url, timeout=5.0, trust_env=False)
        except httpx.TransportError:
            return ""
        return response.text if response.status_code == 200 else ""

    return eventually(ask, within=within, every=0.1, what=url)


def value(page: str, series: str) -> float | None:
    """Return the value of the first sample whose line begins with `series`."""
    for line in page.splitlines():
        if line.startswith(series):
            return float(line.rsplit(" ", 1)[1])
    return None
