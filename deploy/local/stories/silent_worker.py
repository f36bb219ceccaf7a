"""A worker that answers pings and takes no task: restarted once it is idle."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import ClassVar

from localplatform import celery_control, faults
from stories import looks
from stories.outcome import Ending
from stories.scene import Scene, Sighting
from stories.story import Story
from stories.timeline import Mark

PLAYBOOK = "worker-silent"
WORKER = "workers:worker_1"
TASKS = 20


class SilentWorker(Story):
    """Make one of two workers deaf while tasks wait for it."""

    name: ClassVar[str] = "silent-worker"
    title: ClassVar[str] = "A worker answers pings and consumes nothing"
    expected: ClassVar[Ending] = Ending.HEALED
    within: ClassVar[float] = 150.0

    @contextlib.contextmanager
    def fault(self, scene: Scene) -> Iterator[str]:
        """It hears again at the end, whatever came of it."""
        text = f"{WORKER} stops consuming; {TASKS} tasks wait"
        faults.deafen(scene.platform, WORKER)
        scene.timeline.start(text)
        faults.flood(scene.platform, tasks=TASKS, seconds=5)
        try:
            yield text
        finally:
            if not self.well(scene):
                faults.hear_again(scene.platform, WORKER)

    def sightings(self, scene: Scene) -> Sequence[Sighting]:
        """The whole chain."""
        return (
            looks.metric(
                scene, "airwarden_celery_worker_queues == 0", "a worker consumes from no queue"
            ),
            looks.alert(scene, "AirflowWorkerSilent"),
            looks.effect(scene, PLAYBOOK, "worker.restart"),
            looks.seen_after(
                scene, Mark.ACTION, Mark.VERIFIED, "it consumes again", lambda: self.well(scene)
            ),
            looks.resolved(scene, PLAYBOOK),
        )

    def well(self, scene: Scene) -> bool:
        """Every worker consumes from a queue."""
        answers = celery_control.consuming(scene.platform, seconds=2)
        node = celery_control.node_name(scene.platform, WORKER)
        return bool(answers.get(node))

    def action(self, scene: Scene) -> str:
        """The restart."""
        return f"restarted {len(scene.effects(PLAYBOOK, action='worker.restart'))} idle worker"

    def complaint(self, scene: Scene) -> str:
        """One restart."""
        done = len(scene.effects(PLAYBOOK, action="worker.restart"))
        return f"{done} restarts instead of one" if done != 1 else ""
