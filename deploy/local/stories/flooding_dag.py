"""One DAG takes what all others wait for: it is paused until they have had their turn."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import ClassVar

from localplatform import faults
from stories import looks
from stories.outcome import Ending
from stories.scene import Scene, Sighting
from stories.story import Story, announced
from stories.timeline import Mark

PLAYBOOK = "dag-flood"
#: Runs, seconds between them, and the tasks of each with their seconds.
RUNS, EVERY, TASKS, SECONDS = 12, 4.0, 20, 4.0


class FloodingDag(Story):
    """Start run after run of one DAG, faster than the workers can follow."""

    name: ClassVar[str] = "flooding-dag"
    title: ClassVar[str] = f"One DAG is started every {EVERY:g} s with {TASKS} tasks, others wait"
    expected: ClassVar[Ending] = Ending.HEALED
    within: ClassVar[float] = 300.0

    def fault(self, scene: Scene) -> contextlib.AbstractContextManager[str]:
        """The flood comes to its end by itself."""
        words = f"{RUNS} runs of {TASKS} tasks of {SECONDS:g} s, one every {EVERY:g} s"
        return announced(scene, words, lambda: self._flooding(scene))

    @contextlib.contextmanager
    def _flooding(self, scene: Scene) -> Iterator[None]:
        self._runs: list[str] = []
        over = threading.Event()

        def start() -> None:
            for _ in range(RUNS):
                run_id = faults.flood(scene.platform, tasks=TASKS, seconds=SECONDS)
                self._runs.append(run_id)
                faults.long_task(scene.platform, seconds=1)  # it waits behind them
                if over.wait(EVERY):
                    return

        starter = threading.Thread(target=start, name="flooding", daemon=True)
        starter.start()
        try:
            yield
        finally:
            over.set()
            starter.join(60)

    def sightings(self, scene: Scene) -> Sequence[Sighting]:
        """Paused, the others served, let on again."""
        return (
            looks.metric(
                scene,
                'sum(airwarden_task_instances{state=~"scheduled|queued"}) > 40',
                "{value} tasks wait",
            ),
            looks.alert(scene, "AirflowBacklogGrowing"),
            looks.effect(scene, PLAYBOOK, "dag.pause"),
            looks.effect(scene, PLAYBOOK, "dag.pause", undo=True),
            looks.seen(
                Mark.VERIFIED, "every task of the flood has succeeded", lambda: self.well(scene)
            ),
            looks.resolved(scene, PLAYBOOK),
        )

    def well(self, scene: Scene) -> bool:
        """Every task of every run has succeeded, each at its first try."""
        rows = scene.rows(
            "SELECT count(*) AS done FROM task_instance WHERE dag_id = 'flood' AND task_id = 'work'"
            " AND run_id = ANY(%(runs)s) AND state = 'success' AND try_number = 1",
            runs=self._runs,
        )
        return len(self._runs) == RUNS and bool(rows[0]["done"] == RUNS * TASKS)

    def action(self, scene: Scene) -> str:
        """Both ways."""
        done = scene.effects(PLAYBOOK, action="dag.pause")
        return "; ".join(str(effect["summary"]) for effect in done)

    def complaint(self, scene: Scene) -> str:
        """No other DAG was paused, and the one that was is let on."""
        others = [
            str(effect["summary"])
            for effect in scene.effects(action="dag.pause")
            if "flood" not in effect["summary"]
        ]
        still = scene.rows("SELECT dag_id FROM dag WHERE dag_id = 'flood' AND is_paused")
        wrong = [
            f"other DAGs were paused: {others}" if others else "",
            "the DAG is still paused" if still else "",
        ]
        return "; ".join(filter(None, wrong))
