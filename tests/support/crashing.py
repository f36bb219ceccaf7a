"""A remediator as a process of its own, with a world in files, so that it can be killed at any instant.

Run as `python -m support.crashing FOLDER JOURNAL_URL`; it writes its port to `FOLDER/port` and serves
until it is killed or told to stop (SIGTERM). What it did to the world is in `FOLDER/effects.log`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from airwarden.core.platform import ChatMessage, PagerEvent
from support.engine import Machine, Recorder
from support.eventually import eventually
from support.remediator import Running, quick_playbook


class FileMachine(Machine):
    """The machine in a file: what was done to it survives who did it."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        # From here on the shared part of the state is the file's.
        self._folder = folder

    def __getattribute__(self, name: str) -> Any:
        folder: Path | None = object.__getattribute__(self, "__dict__").get("_folder")
        if folder is not None and name in ("healthy", "generation", "restarts", "lose_reply"):
            return read_world(folder)[name]
        return object.__getattribute__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        shared = name in ("healthy", "generation", "restarts", "lose_reply")
        if shared and "_folder" in self.__dict__:
            if name == "restarts":
                with (self._folder / "effects.log").open("a") as log:
                    log.write("restart\n")
            write_world(self._folder, {**read_world(self._folder), name: value})
            return
        object.__setattr__(self, name, value)


class FileRecorder(Recorder):
    """Remembers in files what was sent."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def _note(self, kind: str, text: str) -> None:
        with (self._folder / "sent.log").open("a") as log:
            log.write(f"{kind} {text}\n")

    def send(self, event: PagerEvent) -> None:
        self._note(event.action, event.dedup_key)

    def post(self, message: ChatMessage) -> str:
        self._note("post", message.channel)
        return "ts"

    def update(self, reference: str, message: ChatMessage) -> None:
        self._note("update", reference)


def read_world(folder: Path) -> dict[str, Any]:
    """Return the machine's state."""
    found: dict[str, Any] = json.loads((folder / "world.json").read_text())
    return found


def write_world(folder: Path, world: dict[str, Any]) -> None:
    """Replace the machine's state at once."""
    fresh = folder / "world.new"
    fresh.write_text(json.dumps(world))
    fresh.replace(folder / "world.json")


def make_world(folder: Path, **changes: Any) -> None:
    """Begin with a sick machine."""
    state = {"healthy": False, "generation": 1, "restarts": 0, "lose_reply": False}
    write_world(folder, {**state, **changes})
    for name in ("effects.log", "sent.log"):
        (folder / name).touch()


class Process:
    """The remediator as a child process."""

    def __init__(self, folder: Path, url: str, *, crash_at: str = "") -> None:
        self.folder = folder
        (folder / "port").unlink(missing_ok=True)
        environment = {**os.environ, "AIRWARDEN_CRASH_AT": crash_at}
        environment["PYTHONPATH"] = str(Path(__file__).parents[1])
        with (folder / "out.log").open("a") as out:
            self.child = subprocess.Popen(
                [sys.executable, "-m", "support.crashing", str(folder), url],
                env=environment,
                stdout=out,
                stderr=out,
            )

    @property
    def port(self) -> int:
        """Its port, once it listens."""
        file = self.folder / "port"
        return int(eventually(lambda: file.exists() and file.read_text(), within=60, what="a port"))

    def wait_dead(self, within: float) -> int:
        """Return how it ended."""
        return self.child.wait(timeout=within)

    def stop(self) -> None:
        """End it cleanly, or at all."""
        self.child.terminate()
        try:
            self.child.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def main() -> None:
    """Serve until SIGTERM."""
    folder, url = Path(sys.argv[1]), sys.argv[2]
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    running = Running(
        url,
        book=quick_playbook(page={"when": "at-once"}),
        machine=FileMachine(folder),
        recorder=FileRecorder(folder),
        with_alertmanager=False,
    )
    fresh = folder / "port.new"
    fresh.write_text(str(running.remediator.port))
    fresh.replace(folder / "port")
    stopped.wait()
    running.stop()


if __name__ == "__main__":
    main()
