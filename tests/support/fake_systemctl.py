"""A `systemctl` for machines without systemd: it takes what the real one takes and refuses what it refuses.

Run as `python fake_systemctl.py FOLDER OPTIONS VERB …`. Each unit is a file `NAME.json` in the folder:
`{"argv": [...], "restart": true}`. A supervisor process (`supervise FOLDER`) runs the units and carries
out the jobs, as PID 1 does: what was ordered goes on though whoever ordered it is gone.
"""

from __future__ import annotations

import contextlib
import fnmatch
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_KNOWN = ("Id", "LoadState", "ActiveState", "SubState", "MainPID", "ExecMainStartTimestamp")
_VERBS = ("show", "restart", "start", "stop", "kill", "reset-failed")


def _fail(code: int, message: str) -> int:
    print(message, file=sys.stderr)
    return code


def _units(folder: Path) -> list[str]:
    return sorted(path.name.removesuffix(".json") for path in folder.glob("*.json"))


def _state(folder: Path, unit: str) -> dict[str, Any]:
    try:
        state: dict[str, Any] = json.loads((folder / f"{unit}.state").read_text())
    except (OSError, ValueError):
        return {"active": "inactive", "sub": "dead", "pid": 0, "started": ""}
    return state


def _show(folder: Path, options: list[str], names: list[str]) -> int:
    wanted = list(_KNOWN)
    for option in options:
        key, _, value = option.partition("=")
        if key not in ("--property", "-p"):
            return _fail(1, f"systemctl: unrecognized option '{key}'")
        wanted = value.split(",")
    blocks: list[str] = []
    for name in names:
        if "." not in name.rpartition("/")[2] and "*" not in name:
            name += ".service"
        found = fnmatch.filter(_units(folder), name) if "*" in name else [name]
        for unit in found:
            loaded = (folder / f"{unit}.json").exists()
            state = _state(folder, unit)
            told = {
                "Id": unit,
                "LoadState": "loaded" if loaded else "not-found",
                "ActiveState": state["active"] if loaded else "inactive",
                "SubState": state["sub"] if loaded else "dead",
                "MainPID": str(state["pid"]) if loaded else "0",
                "ExecMainStartTimestamp": state["started"] if loaded else "",
            }
            blocks.append("\n".join(f"{key}={told[key]}" for key in wanted if key in told))
    print("\n\n".join(blocks))
    return 0


def _order(folder: Path, verb: str, options: list[str], names: list[str]) -> int:
    allowed = {
        "kill": ("--kill-whom=all", "--signal=SIGKILL", "--signal=SIGTERM"),
        "reset-failed": (),
    }.get(verb, ("--no-block",))
    for option in options:
        if option not in allowed:
            return _fail(1, f"systemctl: unrecognized option '{option}'")
    if (folder / "deny").exists():
        return _fail(1, f"Failed to {verb} {names[0]}: Access denied")
    for unit in names:
        if not (folder / f"{unit}.json").exists():
            return _fail(5, f"Failed to {verb} {unit}: Unit {unit} not loaded.")
        if verb == "kill":
            pid = int(_state(folder, unit)["pid"])
            if not pid:
                return _fail(1, f"Failed to kill unit {unit}: No main process to kill")
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        else:
            job = folder / f"{time.monotonic_ns()}-{os.getpid()}.job"
            job.with_suffix(".tmp").write_text(json.dumps([verb, unit]))
            job.with_suffix(".tmp").rename(job)
    return 0


def main(arguments: list[str]) -> int:
    """Take one command line, as systemctl does."""
    folder, words = Path(arguments[0]), arguments[1:]
    general: list[str] = []
    options: list[str] = []
    names: list[str] = []
    verb = ""
    literal = False
    for word in words:
        if literal or not word.startswith("-"):
            if verb:
                names.append(word)
            else:
                verb = word
        elif word == "--":
            literal = True
        else:
            (options if verb else general).append(word)
    if set(general) - {"--no-pager", "--no-ask-password"}:
        return _fail(1, f"systemctl: unrecognized option {general}")
    if verb not in _VERBS:
        return _fail(1, f"Unknown command verb {verb}.")
    if not names:
        return _fail(1, "Too few arguments.")
    if (folder / "hang").exists():
        time.sleep(60)
    if verb == "show":
        return _show(folder, options, names)
    return _order(folder, verb, options, names)


class _Supervisor:
    """Runs the units and carries out jobs, one after the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._killed_at: dict[str, float] = {}

    def run(self) -> None:
        while not (self._folder / "end").exists():
            for job in sorted(self._folder.glob("*.job")):
                verb, unit = json.loads(job.read_text())
                job.unlink()
                self._do(verb, unit)
            for unit in list(self._running):
                self._look(unit)
            time.sleep(0.02)
        for unit in list(self._running):
            self._stop(unit)

    def _do(self, verb: str, unit: str) -> None:
        if verb in ("stop", "restart"):
            self._stop(unit)
        if verb in ("start", "restart") and unit not in self._running:
            self._start(unit)
        if verb == "reset-failed" and unit not in self._running:
            self._write(unit, "inactive", "dead")

    def _start(self, unit: str) -> None:
        spec = json.loads((self._folder / f"{unit}.json").read_text())
        child = subprocess.Popen(spec["argv"], start_new_session=True, stdin=subprocess.DEVNULL)
        self._running[unit] = child
        self._write(unit, "active", "running", child.pid)

    def _stop(self, unit: str) -> None:
        child = self._running.pop(unit, None)
        if child is None:
            self._write(unit, "inactive", "dead")
            return
        self._write(unit, "deactivating", "stop-sigterm", child.pid)
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(1.5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        self._write(unit, "inactive", "dead")

    def _look(self, unit: str) -> None:
        child = self._running[unit]
        if child.poll() is None:
            return
        del self._running[unit]
        spec = json.loads((self._folder / f"{unit}.json").read_text())
        if spec.get("restart"):
            self._start(unit)
        else:
            self._write(unit, "failed" if child.returncode else "inactive", "failed")

    def _write(self, unit: str, active: str, sub: str, pid: int = 0) -> None:
        started = datetime.now(UTC).strftime("%a %Y-%m-%d %H:%M:%S UTC") if pid else ""
        if active == "deactivating":
            started = _state(self._folder, unit)["started"]
        path = self._folder / f"{unit}.state"
        text = json.dumps({"active": active, "sub": sub, "pid": pid, "started": started})
        path.with_suffix(".new").write_text(text)
        path.with_suffix(".new").rename(path)


if __name__ == "__main__":
    if sys.argv[1] == "supervise":
        _Supervisor(Path(sys.argv[2])).run()
    else:
        sys.exit(main(sys.argv[1:]))
