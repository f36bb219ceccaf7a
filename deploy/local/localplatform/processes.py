"""Process trees of the platform: finding them, signalling them, and proving they are gone."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from pathlib import Path

import psutil

STATE_VARIABLE = "AIRWARDEN_PLATFORM_STATE_DIR"
"""Set for supervisord and inherited by everything it starts, orphans included.

It is what tells a process of this platform from any other process of the machine.
"""


def tree(pid: int) -> list[psutil.Process]:
    """Return the process and all its descendants, the root first; empty if it is gone."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def signal_all(processes: Iterable[psutil.Process], number: signal.Signals) -> list[int]:
    """Send a signal to each process that still exists; return the ids reached."""
    reached: list[int] = []
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue
        reached.append(process.pid)
    return reached


def of_platform(state_dir: Path) -> list[psutil.Process]:
    """Return every live process that was started under this state folder."""
    wanted = str(state_dir)
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            if (
                process.environ().get(STATE_VARIABLE) == wanted
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def is_alive(pid: int) -> bool:
    """Whether a process of that id exists and is not a zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def read_pid(path: Path) -> int | None:
    """Return the process id written in a pid file, or None when there is none."""
    try:
        return int(path.read_text().strip())
    except (FileNotFoundError, ValueError):
        return None


def end(processes: Iterable[psutil.Process], *, seconds: float) -> list[psutil.Process]:
    """Wake, terminate, and after ``seconds`` kill; return what is left, which should be nothing."""
    listed = list(processes)
    signal_all(listed, signal.SIGCONT)
    signal_all(listed, signal.SIGTERM)
    _, alive = psutil.wait_procs(listed, timeout=seconds)
    signal_all(alive, signal.SIGKILL)
    _, left = psutil.wait_procs(alive, timeout=5)
    return list(left)
