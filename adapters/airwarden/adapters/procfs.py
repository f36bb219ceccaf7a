"""What Linux's /proc says about a process of this machine; every function is None or False without it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

#: What Celery writes as its process title with setproctitle: `[celeryd: NODE:MainProcess] ...`.
_TITLE = re.compile(r"celeryd: (?P<node>\S+?@\S+?)(?::|\])")
_OPTION = re.compile(r"(?:^|\0)(?:--celery-hostname|--hostname|-H|-n)(?:\0|=)(?P<node>[^\0]+)")


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat after the command's name (state first)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (OSError, UnicodeDecodeError):
        return None
    return text.rpartition(")")[2].split()


def is_frozen(pid: int) -> bool:
    """Return whether the process is stopped by a signal (T).

    One that a tracer holds (t: gdb, strace, py-spy) is being looked at, most often for a moment.
    """
    fields = _stat(pid)
    return fields is not None and fields[0] == "T"


def parent_pid(pid: int) -> int | None:
    """Return the parent's pid, None if there is no such process here."""
    fields = _stat(pid)
    return int(fields[1]) if fields else None


@dataclass(frozen=True, slots=True)
class Incarnation:
    """One process for as long as it lives: its pid may be given to another one later."""

    pid: int
    start_ticks: str


def descendants(pid: int) -> list[Incarnation]:
    """Return the processes that a process has started, and those that these have started."""
    parents: dict[int, int] = {}
    starts: dict[int, str] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        fields = _stat(int(entry.name))
        if fields is not None:
            parents[int(entry.name)] = int(fields[1])
            starts[int(entry.name)] = fields[19]
    family = [pid]
    for known in family:
        family += [child for child, parent in parents.items() if parent == known]
    return [Incarnation(child, starts[child]) for child in family[1:]]


def is_alive(process: Incarnation) -> bool:
    """Return whether this very process still runs; one that nobody has waited for does not."""
    fields = _stat(process.pid)
    return fields is not None and fields[19] == process.start_ticks and fields[0] != "Z"


def end_frozen(processes: Iterable[Incarnation]) -> None:
    """Kill those that are still there and frozen; what we may not kill stays."""
    for process in processes:
        if is_alive(process) and is_frozen(process.pid):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process.pid, signal.SIGKILL)


def celery_node_name(pid: int) -> str:
    """Return a Celery worker's node name from its title or its options, empty if neither tells."""
    try:
        text = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""
    found = _TITLE.search(text) or _OPTION.search(text)
    return found["node"] if found else ""
