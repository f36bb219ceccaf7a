"""An API server frozen by SIGSTOP: its port still takes connections, and nobody gets an answer."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import ClassVar

import httpx

from localplatform import faults
from localplatform.supervisord import Supervisor
from stories import looks
from stories.outcome import Ending
from stories.scene import Scene, Sighting
from stories.story import Story, announced
from stories.timeline import Mark

PLAYBOOK = "api-server-down"
PROGRAM = "api_server"


class FrozenApiServer(Story):
    """SIGSTOP the API server, which the workers report to."""

    name: ClassVar[str] = "frozen-api-server"
    title: ClassVar[str] = "The API server freezes; its port still takes connections"
    expected: ClassVar[Ending] = Ending.HEALED
    within: ClassVar[float] = 150.0

    def prepare(self, scene: Scene) -> None:
        """Remember its process."""
        self._pid = Supervisor(scene.platform).process(PROGRAM).pid

    def fault(self, scene: Scene) -> contextlib.AbstractContextManager[str]:
        """Freeze it; whatever of it is left at the end is thawed."""
        return announced(
            scene,
            f"SIGSTOP to the API server (pid {self._pid})",
            lambda: faults.frozen(scene.platform, PROGRAM),
        )

    def sightings(self, scene: Scene) -> Sequence[Sighting]:
        """The whole chain, up to the resolved incident."""
        return (
            looks.metric(
                scene,
                f'airwarden_host_process_up{{process="{PROGRAM}"}} == 0',
                "its host says: the process is stopped",
            ),
            looks.seen(
                Mark.ALERT,
                "AirflowApiServerDown firing",
                lambda: bool(scene.firing("AirflowApiServerDown")),
            ),
            looks.effect(scene, PLAYBOOK, "process.restart"),
            looks.seen_after(
                scene, Mark.ACTION, Mark.VERIFIED, "it answers again", lambda: self.well(scene)
            ),
            looks.resolved(scene, PLAYBOOK),
        )

    def well(self, scene: Scene) -> bool:
        """It answers."""
        try:
            return httpx.get(f"{scene.platform.airflow.url}/api/v2/version", timeout=3).is_success
        except httpx.HTTPError:
            return False

    def action(self, scene: Scene) -> str:
        """The restart."""
        return f"restarted {len(scene.effects(PLAYBOOK, action='process.restart'))} API server"

    def complaint(self, scene: Scene) -> str:
        """One restart, and nobody paged for what was healed."""
        restarts = len(scene.effects(PLAYBOOK, action="process.restart"))
        wrong = [
            f"{restarts} restarts instead of one" if restarts != 1 else "",
            f"{len(scene.pages())} pages for what was healed" if scene.pages() else "",
        ]
        return "; ".join(filter(None, wrong))
