"""A flood of queued tasks: more workers while it lasts, and none of them lost afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import ClassVar

from localplatform import faults
from localplatform.supervisord import Supervisor
from stories import looks
from stories.outcome import Ending
from stories.scene import Scene, Sighting
from stories.story import Story, announced
from stories.timeline import Mark

PLAYBOOK = "queue-scale-up"
TASKS = 60
SECONDS = 7.0


class Flood(Story):
    """Queue many tasks at once, more than the running workers have slots for."""

    name: ClassVar[str] = "flood"
    title: ClassVar[str] = f"A backfill queues {TASKS} tasks at once"
    expected: ClassVar[Ending] = Ending.HEALED
    within: ClassVar[float] = 180.0

    def prepare(self, scene: Scene) -> None:
        """Remember who works before."""
        self._before = self._working(scene)

    def fault(self, scene: Scene) -> contextlib.AbstractContextManager[str]:
        """The flood drains by itself; nothing needs to be undone."""

        def make() -> contextlib.AbstractContextManager[object]:
            self._run_id = faults.flood(scene.platform, tasks=TASKS, seconds=SECONDS)
            return contextlib.nullcontext()

        return announced(scene, f"{TASKS} tasks of {SECONDS:g} s queued at once", make)

    def sightings(self, scene: Scene) -> Sequence[Sighting]:
        """Up, drained, down again."""
        return (
            looks.metric(
                scene,
                'sum(airwarden_task_instances{state="queued"}) > 25',
                "{value} tasks queued",
            ),
            looks.alert(scene, "AirflowTaskQueueDepthHigh"),
            looks.effect(scene, PLAYBOOK, "workers.scale"),
            looks.seen(
                Mark.NOTE,
                "all tasks of the flood succeeded at their first try",
                lambda: self.well(scene),
            ),
            looks.effect(scene, PLAYBOOK, "workers.scale", undo=True),
            looks.resolved(scene, PLAYBOOK),
        )

    def well(self, scene: Scene) -> bool:
        """Every task of the flood has succeeded."""
        rows = scene.rows(
            "SELECT count(*) AS done FROM task_instance WHERE dag_id = 'flood'"
            " AND run_id = %(run)s AND task_id = 'work' AND state = 'success'",
            run=self._run_id,
        )
        return bool(rows[0]["done"] == TASKS)

    def action(self, scene: Scene) -> str:
        """What was added and taken away."""
        done = scene.effects(PLAYBOOK, action="workers.scale")
        up = sum(not e["undo"] for e in done)
        return f"started {up} worker, drained it when idle, stopped it"

    def complaint(self, scene: Scene) -> str:
        """The same workers as before, and no task tried twice."""
        again = scene.rows(
            "SELECT count(*) AS tries FROM task_instance WHERE dag_id = 'flood'"
            " AND run_id = %(run)s AND try_number > 1",
            run=self._run_id,
        )[0]["tries"]
        working = self._working(scene)
        wrong = [
            f"{again} tasks were tried more than once" if again else "",
            f"workers now {sorted(working)}, before {sorted(self._before)}"
            if working != self._before
            else "",
        ]
        return "; ".join(filter(None, wrong))

    def _working(self, scene: Scene) -> set[str]:
        return {
            info.name
            for info in Supervisor(scene.platform).processes()
            if info.name.startswith("workers:") and info.state == "RUNNING"
        }
