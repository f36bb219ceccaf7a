"""The broker is out for a minute under load: one page, new starts held, nothing burned by us."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import ClassVar

from localplatform import faults
from localplatform.supervisord import Supervisor
from stories import looks
from stories.outcome import Ending
from stories.scene import Scene, Sighting
from stories.story import Story
from stories.timeline import Mark

PLAYBOOK = "broker-out"
OUT_SECONDS = 60.0
TASKS = 30


class RedisOut(Story):
    """Stop Redis while tasks are queued, and start it again after a minute."""

    name: ClassVar[str] = "redis-out"
    title: ClassVar[str] = "Redis is out for 60 s while tasks are queued"
    expected: ClassVar[Ending] = Ending.HEALED
    within: ClassVar[float] = 240.0

    @contextlib.contextmanager
    def fault(self, scene: Scene) -> Iterator[str]:
        """Down for a minute, then up again by itself, with an empty memory."""
        text = f"Redis stopped for {OUT_SECONDS:g} s, {TASKS} tasks under way"
        self._run_id = faults.flood(scene.platform, tasks=TASKS, seconds=5)
        scene.timeline.start(text)
        supervisor = Supervisor(scene.platform)
        supervisor.stop("redis")

        def back() -> None:
            Supervisor(scene.platform).start("redis")
            scene.timeline.add(Mark.NOTE, "Redis is back")

        timer = threading.Timer(OUT_SECONDS, back)
        timer.start()
        try:
            yield text
        finally:
            timer.cancel()
            supervisor.start("redis", wait=True)

    def sightings(self, scene: Scene) -> Sequence[Sighting]:
        """Paged while every light is green, held, and going again afterwards."""
        return (
            looks.metric(scene, "airwarden_broker_up == 0", "the broker does not answer"),
            looks.alert(scene, "AirflowBrokerDown"),
            looks.seen(Mark.PAGED, "one page names the broker", lambda: len(scene.pages()) > 0),
            looks.effect(scene, PLAYBOOK, "pool.hold"),
            looks.seen_after(
                scene, Mark.ACTION, Mark.VERIFIED, "tasks start again", lambda: self.well(scene)
            ),
            looks.resolved(scene, PLAYBOOK),
        )

    def well(self, scene: Scene) -> bool:
        """Redis answers and a task has started since."""
        rows = scene.rows(
            "SELECT max(start_date) > now() - interval '10 seconds' AS starting FROM task_instance"
        )
        up = Supervisor(scene.platform).process("redis").state == "RUNNING"
        return bool(up and rows[0]["starting"] and scene.timeline.seconds > OUT_SECONDS)

    def action(self, scene: Scene) -> str:
        """What was held, and what was burned all the same."""
        return f"paged, held new starts, released; {self.harm(scene)}"

    def harm(self, scene: Scene) -> str:
        """Tries that a send to the dead broker burned."""
        rows = scene.rows(
            "SELECT count(*) AS burned FROM log WHERE event = 'state mismatch' AND dttm > %(since)s",
            since=scene.began,
        )
        return f"{rows[0]['burned']} tries burned"

    def complaint(self, scene: Scene) -> str:
        """One page."""
        pages = [page["payload"]["summary"] for page in scene.pages()]
        return f"{len(pages)} pages instead of one: {pages}" if len(pages) != 1 else ""
