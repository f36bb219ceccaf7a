"""Messages that the broker lost: their tasks are queued for ever, and every light is green."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import ClassVar

from localplatform import faults
from localplatform.waiting import wait_until
from stories import looks
from stories.outcome import Ending
from stories.scene import Scene, Sighting
from stories.story import Story, announced
from stories.timeline import Mark

PLAYBOOK = "lost-tasks"
#: Twice what the workers take at once: the rest waits in the broker.
TASKS, SECONDS = 24, 5.0


class LostTasks(Story):
    """Delete the messages of queued tasks, as a failover to an empty replica does."""

    name: ClassVar[str] = "lost-tasks"
    title: ClassVar[str] = "The broker loses the messages of queued tasks"
    expected: ClassVar[Ending] = Ending.HEALED
    within: ClassVar[float] = 180.0

    def prepare(self, scene: Scene) -> None:
        """Queue more than the workers take at once."""
        self._run_id = faults.flood(scene.platform, tasks=TASKS, seconds=SECONDS)
        wait_until(
            lambda: self._count(scene, "queued") + self._count(scene, "running") == TASKS,
            seconds=60,
            what="every task has reached the broker",
            every=0.2,
        )

    def fault(self, scene: Scene) -> contextlib.AbstractContextManager[str]:
        """Nothing is left to undo: lost is lost."""
        return announced(scene, "the broker's queue is deleted", lambda: self._emptied(scene))

    @contextlib.contextmanager
    def _emptied(self, scene: Scene) -> Iterator[None]:
        lost = faults.lose_messages(scene.platform)
        scene.timeline.add(Mark.NOTE, f"{lost} messages lost")
        yield

    def sightings(self, scene: Scene) -> Sequence[Sighting]:
        """Noticed by their age alone, re-queued, done."""
        return (
            looks.metric(
                scene,
                'max(airwarden_task_oldest_age_seconds{state="queued"}) > 20',
                "a task has been queued for {value} s",
            ),
            looks.alert(scene, "AirflowOldestQueuedTask"),
            looks.effect(scene, PLAYBOOK, "tasks.requeue"),
            looks.seen_after(
                scene, Mark.ACTION, Mark.VERIFIED, "every task has succeeded",
                lambda: self.well(scene),
            ),
            looks.resolved(scene, PLAYBOOK),
        )  # fmt: skip

    def well(self, scene: Scene) -> bool:
        """Every task of the run has succeeded."""
        return self._count(scene, "success") == TASKS

    def action(self, scene: Scene) -> str:
        """The clears."""
        done = scene.effects(PLAYBOOK, action="tasks.requeue")
        return "; ".join(str(effect["summary"]) for effect in done)

    def complaint(self, scene: Scene) -> str:
        """No task's work was done twice, and nobody was paged."""
        twice = scene.rows(
            "SELECT count(*) AS twice FROM task_instance_history WHERE dag_id = 'flood'"
            " AND run_id = %(run)s AND state = 'success'",
            run=self._run_id,
        )[0]["twice"]
        wrong = [
            f"{twice} tasks were done twice" if twice else "",
            f"{len(scene.pages())} pages for what was healed" if scene.pages() else "",
        ]
        return "; ".join(filter(None, wrong))

    def harm(self, scene: Scene) -> str:
        """What never ran."""
        lost = TASKS - self._count(scene, "success")
        return f"{lost} tasks lost" if lost else ""

    def _count(self, scene: Scene, state: str) -> int:
        return scene.mapped_tasks("flood", self._run_id, "work", state)
