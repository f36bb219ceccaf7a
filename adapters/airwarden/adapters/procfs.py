"""What Linux's /proc says about a process of this machine; every function is None or False without it."""

from __future__ import annotations

import re
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
    """Return whether the process is stopped by a signal (T) or by a tracer (t)."""
    fields = _stat(pid)
    return fields is not None and fields[0] in ("T", "t")


def parent_pid(pid: int) -> int | None:
    """Return the parent's pid, None if there is no such process here."""
    fields = _stat(pid)
    return int(fields[1]) if fields else None


def celery_node_name(pid: int) -> str:
    """Return a Celery worker's node name from its title or its options, empty if neither tells."""
    try:
        text = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""
    found = _TITLE.search(text) or _OPTION.search(text)
    return found["node"] if found else ""
