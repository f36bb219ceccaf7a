"""Process trees of the platform: finding them, signalling them, and proving they are gone."""

from __future__ import annotations

import os
import signal
import time
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
    """Return every live process that was started under this state folder.

    Most carry :data:`STATE_VARIABLE`. Those that rewrite their title (Celery, PostgreSQL's
    sessions) lose their visible environment; they are known by supervisord's session, which
    their orphans keep, and after its death also by where they work.
    """
    marked: dict[int, psutil.Process] = {}
    unmarked: list[psutil.Process] = []
    for process in psutil.process_iter():
        if _is_marked(process, state_dir):
            marked[process.pid] = process
        else:
            unmarked.append(process)
    supervisord = read_pid(state_dir / "run" / "supervisord.pid")
    for process in unmarked:
        session = _session(process.pid)
        if session in marked or (session == supervisord and _works_in(process, state_dir)):
            marked[process.pid] = process
    return [process for process in marked.values() if is_alive(process.pid)]


def _is_marked(process: psutil.Process, state_dir: Path) -> bool:
    try:
        return process.environ().get(STATE_VARIABLE) == str(state_dir)
    except psutil.Error:
        return False


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return Path(process.cwd()).is_relative_to(folder)
    except psutil.Error:
        return False


def listening(processes: Iterable[psutil.Process]) -> set[tuple[str, int]]:
    """Return the addresses and ports on which these processes listen; one that has ended does nowhere."""
    found: set[tuple[str, int]] = set()
    for process in processes:
        try:
            sockets = process.net_connections("tcp")
        except psutil.NoSuchProcess:
            continue
        found |= {(s.laddr.ip, s.laddr.port) for s in sockets if s.status == psutil.CONN_LISTEN}
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
    alive = _alive_after(listed, seconds)
    signal_all(alive, signal.SIGKILL)
    return _alive_after(alive, 5)


def _alive_after(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Return which of them are there when all have ended, or when that time is up.

    A zombie has ended: in a container whose first process collects none, it stays for ever.
    """
    until = time.monotonic() + seconds
    while alive := [one for one in processes if one.is_running() and is_alive(one.pid)]:
        if time.monotonic() >= until:
            break
        time.sleep(0.05)
    return alive
