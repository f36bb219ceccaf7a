"""Airwarden itself is killed in the middle of a remedy: one effect all the same."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from typing import ClassVar

import httpx

from localplatform.supervisord import Supervisor
from stories import looks
from stories.frozen_scheduler import PLAYBOOK, FrozenScheduler
from stories.scene import Scene, Sighting
from stories.timeline import Mark

REMEDIATOR = "airwarden_remediator"


class KilledRemediator(FrozenScheduler):
    """SIGKILL the remediator as soon as it has begun to repair a frozen scheduler."""

    name: ClassVar[str] = "killed-remediator"
    title: ClassVar[str] = "The remediator is killed in the middle of a remedy"
    within: ClassVar[float] = 120.0

    @contextlib.contextmanager
    def fault(self, scene: Scene) -> Iterator[str]:
        """Freeze the scheduler, and watch for the remedy's beginning."""
        self._killed = threading.Event()
        over = threading.Event()
        watcher = threading.Thread(target=self._kill_once, args=(scene, over), daemon=True)
        try:
            with super().fault(scene) as text:
                watcher.start()
                yield text
        finally:
            over.set()
            watcher.join(timeout=5)

    def sightings(self, scene: Scene) -> Sequence[Sighting]:
        """The same as without the kill, and the kill itself."""
        return (
            *super().sightings(scene),
            looks.seen(Mark.NOTE, "supervisord has restarted the remediator", self._killed.is_set),
        )

    def _kill_once(self, scene: Scene, over: threading.Event) -> None:
        while not over.is_set():
            with contextlib.suppress(httpx.HTTPError):
                if any(v["state"] == "REMEDIATING" for v in scene.incidents(PLAYBOOK)):
                    supervisor = Supervisor(scene.platform)
                    killed = supervisor.process(REMEDIATOR).pid
                    os.kill(killed, signal.SIGKILL)
                    scene.timeline.add(Mark.NOTE, f"SIGKILL to the remediator (pid {killed})")
                    while supervisor.process(REMEDIATOR).pid in (0, killed):
                        if over.wait(0.1):
                            return
                    self._killed.set()
                    return
            over.wait(0.1)
