"""A remediator as a process of its own, with a world in files, so that it can be killed at any instant.

It writes its port to `FOLDER/port` and serves until it is killed or told to stop (SIGTERM). What it did
to the world is in `FOLDER/effects.log`.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
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
    """The remediator as a child process, forked from a server that has imported everything once."""

    def __init__(self, folder: Path, url: str, *, crash_at: str = "") -> None:
        self.folder = folder
        (folder / "port").unlink(missing_ok=True)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["support.crashing"])
        search = os.environ.get("PYTHONPATH")
        # The server that forks reads its search path when it starts.
        os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
        try:
            self.child = context.Process(target=serve, args=(folder, url, crash_at))
            self.child.start()
        finally:
            if search is None:
                del os.environ["PYTHONPATH"]
            else:
                os.environ["PYTHONPATH"] = search

    @property
    def port(self) -> int:
        """Its port, once it listens."""
        file = self.folder / "port"
        return int(eventually(lambda: file.exists() and file.read_text(), within=60, what="a port"))

    def wait_dead(self, within: float) -> int | None:
        """Return how it ended: minus the signal's number, or None where it still lives."""
        self.child.join(within)
        return self.child.exitcode

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it still lives."""
        if self.child.is_alive() and self.child.pid is not None:
            os.kill(self.child.pid, number)

    def stop(self) -> None:
        """End it cleanly, or at all."""
        self.signal(signal.SIGTERM)
        self.child.join(20)
        if self.child.is_alive():
            self.child.kill()
            self.child.join()
        self.child.close()


def serve(folder: Path, url: str, crash_at: str) -> None:
    """Serve until SIGTERM; everything printed goes to `FOLDER/out.log`."""
    os.environ["AIRWARDEN_CRASH_AT"] = crash_at
    log = os.open(folder / "out.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(log, stream.fileno())
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
