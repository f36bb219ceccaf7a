"""A fault under a silence: a person said "not now", so nothing is done and nobody is paged."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import httpx

from localplatform import faults
from localplatform.supervisord import Supervisor
from stories import looks
from stories.outcome import Ending
from stories.scene import CLUSTER, Scene, Sighting
from stories.story import Story
from stories.timeline import Mark

QUIET_SECONDS = 25.0


class Silenced(Story):
    """Freeze the scheduler while its alerts are silenced, as during planned work."""

    name: ClassVar[str] = "silenced"
    title: ClassVar[str] = "The scheduler is frozen on purpose, under a silence"
    expected: ClassVar[Ending] = Ending.LEFT_ALONE
    within: ClassVar[float] = 90.0

    def prepare(self, scene: Scene) -> None:
        """Silence the scheduler's alerts for the length of the story."""
        now = datetime.now(UTC)
        answer = httpx.post(
            f"{scene.platform.monitoring.alertmanager_url}/api/v2/silences",
            json={
                "matchers": [
                    {"name": "alertname", "value": "AirflowScheduler.+", "isRegex": True},
                    {"name": "cluster", "value": CLUSTER, "isRegex": False},
                ],
                "startsAt": now.isoformat(),
                "endsAt": (now + timedelta(minutes=5)).isoformat(),
                "createdBy": "demo",
                "comment": "planned work on the scheduler",
            },
            timeout=5,
        ).raise_for_status()
        self._silence = answer.json()["silenceID"]
        self._pid = Supervisor(scene.platform).process("scheduler").pid

    @contextlib.contextmanager
    def fault(self, scene: Scene) -> Iterator[str]:
        """Thawed before the silence ends, as planned work is."""
        text = f"SIGSTOP to the scheduler (pid {self._pid}), its alerts silenced"
        scene.timeline.start(text)
        url = f"{scene.platform.monitoring.alertmanager_url}/api/v2/silence/{self._silence}"
        try:
            with faults.frozen(scene.platform, "scheduler"):
                yield text
            self._wait_until_quiet(scene)
        finally:
            httpx.delete(url, timeout=5)

    def sightings(self, scene: Scene) -> Sequence[Sighting]:
        """The alert fires, and then nothing happens for long enough to have happened."""
        return (
            looks.metric(
                scene,
                'airwarden_host_process_up{process="scheduler"} == 0',
                "its host says: the process is stopped",
            ),
            looks.alert(scene, "AirflowSchedulerProcessDown"),
            looks.seen(
                Mark.REFUSED,
                f"nothing was done in {QUIET_SECONDS:g} s",
                lambda: scene.timeline.seconds > QUIET_SECONDS,
            ),
        )

    def well(self, scene: Scene) -> bool:
        """It is the same process that runs."""
        return Supervisor(scene.platform).process("scheduler").pid == self._pid

    def action(self, scene: Scene) -> str:
        """Nothing."""
        return "none: silenced"

    def complaint(self, scene: Scene) -> str:
        """No effect, no page, the same process."""
        wrong = [
            f"acted: {[e['summary'] for e in scene.effects()]}" if scene.effects() else "",
            f"{len(scene.pages())} pages" if scene.pages() else "",
            "the scheduler was replaced" if not self.well(scene) else "",
        ]
        return "; ".join(filter(None, wrong))

    def _wait_until_quiet(self, scene: Scene) -> None:
        """The silence may only end when the alert has, or the page would come after all."""
        scene.await_all(
            [
                looks.seen(
                    Mark.NOTE,
                    "thawed; the alert is over",
                    lambda: (
                        not scene.firing(
                            "AirflowSchedulerProcessDown", "AirflowSchedulerHeartbeatLost"
                        )
                    ),
                )
            ],
            within=60,
        )
