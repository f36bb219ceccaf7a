"""Tasks killed by SIGKILL while they run: why is read, and each has one second chance, not two."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator, Sequence
from typing import ClassVar

from localplatform import faults, processes
from localplatform.waiting import wait_until
from stories import looks
from stories.outcome import Ending
from stories.scene import Scene, Sighting
from stories.story import Story, announced
from stories.timeline import Mark

PLAYBOOK = "killed-tasks"
RUNS, TASKS, SECONDS = 3, 8, 6.0
#: The one that is killed whenever it runs.
UNLUCKY = 0


class KilledTasks(Story):
    """Kill the process of every task of three runs, and of one of them again at its second chance."""

    name: ClassVar[str] = "killed-tasks"
    title: ClassVar[str] = f"{RUNS * TASKS} running tasks are killed, with no try left"
    expected: ClassVar[Ending] = Ending.HEALED
    within: ClassVar[float] = 240.0

    def fault(self, scene: Scene) -> contextlib.AbstractContextManager[str]:
        """Kill until each was killed once; the unlucky one is hunted on."""
        words = f"{RUNS * TASKS} tasks of a DAG marked idempotent are killed as they run"
        return announced(scene, words, lambda: self._hunting(scene))

    @contextlib.contextmanager
    def _hunting(self, scene: Scene) -> Iterator[None]:
        self._runs = [
            faults.flood(scene.platform, tasks=TASKS, seconds=SECONDS) for _ in range(RUNS)
        ]
        over = threading.Event()

        def hunt() -> None:
            while not over.wait(0.5):
                for task in self._tasks(scene):
                    unlucky = task["run_id"] == self._runs[0] and task["map_index"] == UNLUCKY
                    if task["state"] == "running" and (task["try_number"] == 1 or unlucky):
                        _kill(scene, task["pid"])

        hunter = threading.Thread(target=hunt, name="hunter", daemon=True)
        hunter.start()
        try:
            wait_until(
                lambda: (
                    sum(task["state"] == "failed" for task in self._tasks(scene)) == RUNS * TASKS
                ),
                seconds=180,
                what="every task was killed once",
                every=0.5,
            )
            yield
        finally:
            over.set()
            hunter.join(10)

    def sightings(self, scene: Scene) -> Sequence[Sighting]:
        """The cause, the alert, the second chance, and its end."""
        return (
            looks.metric(
                scene,
                'sum(increase(airwarden_task_failures_total{cause="infrastructure"}[10m])) > 20',
                "{value} failures are known to be the platform's",
            ),
            looks.alert(scene, "AirflowPlatformFailsTasks"),
            looks.effect(scene, PLAYBOOK, "tasks.retry"),
            looks.seen(
                Mark.NOTE,
                "each has run a second time and succeeded, but the one that was killed again",
                lambda: self.well(scene),
            ),
            looks.resolved(scene, PLAYBOOK),
        )

    def well(self, scene: Scene) -> bool:
        """All but one have succeeded at their second try."""
        tasks = self._tasks(scene)
        done = [t for t in tasks if t["state"] == "success" and t["try_number"] == 2]
        return len(done) == RUNS * TASKS - 1 and self._unlucky(tasks) == ("failed", 2)

    def action(self, scene: Scene) -> str:
        """The clears."""
        done = scene.effects(PLAYBOOK, action="tasks.retry")
        return f"cleared the killed tasks of {len(done)} runs, each once"

    def complaint(self, scene: Scene) -> str:
        """One clear a run, and none for what was killed again; the causes are in the evidence."""
        done = scene.effects(PLAYBOOK, action="tasks.retry")
        targets = [effect["target"] for effect in done]
        tries = max(int(str(task["try_number"])) for task in self._tasks(scene))
        wrong = [
            f"{len(targets)} clears of {len(set(targets))} runs"
            if len(targets) != RUNS or len(set(targets)) != RUNS
            else "",
            f"a task was tried {tries} times" if tries != 2 else "",
        ]
        return "; ".join(filter(None, wrong))

    def harm(self, scene: Scene) -> str:
        """What stays failed."""
        lost = sum(task["state"] == "failed" for task in self._tasks(scene))
        return f"{lost} tasks lost" if lost else ""

    def _unlucky(self, tasks: Sequence[dict[str, object]]) -> tuple[object, object]:
        (one,) = (
            task
            for task in tasks
            if (task["run_id"], task["map_index"]) == (self._runs[0], UNLUCKY)
        )
        return one["state"], one["try_number"]

    def _tasks(self, scene: Scene) -> list[dict[str, object]]:
        return scene.rows(
            "SELECT run_id, map_index, state, try_number, pid FROM task_instance"
            " WHERE dag_id = 'flood' AND task_id = 'work' AND map_index >= 0 AND run_id = ANY(%(runs)s)",
            runs=self._runs,
        )


def _kill(scene: Scene, pid: object) -> None:
    """End a task's process as the kernel does that is out of memory; the number may be another's by now."""
    ours = processes.of_platform(scene.platform.state_dir)
    processes.signal_all([one for one in ours if one.pid == pid], signal.SIGKILL)
