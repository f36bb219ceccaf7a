"""A command as a process of its own: what it printed, and what it alone took."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command took.

    Attributes:
        seconds: On the clock.
        processor: Seconds of a processor, in the process and in the kernel for it.
        memory: The most that it held at once, MB.
    """

    printed: str
    seconds: float
    processor: float
    memory: float


def run(command: Sequence[str | Path], cwd: Path, environ: Mapping[str, str]) -> Ended:
    """Run a command to its end.

    Raises:
        RuntimeError: It failed; with all that it said.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begun = time.monotonic()
        process = subprocess.Popen(command, cwd=cwd, env=environ, stdout=out, stderr=err)
        # Of this child alone: what all children took together has the largest of them as its memory.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        printed = out.read().decode()
        if process.returncode:
            raise RuntimeError(f"{command}\n{printed}\n{err.read().decode()}")
    return Ended(printed, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
