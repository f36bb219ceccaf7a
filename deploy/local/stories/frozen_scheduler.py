"""A scheduler frozen by SIGSTOP: alive for its supervisor, dead for every DAG."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import ClassVar

from localplatform import faults
from localplatform.supervisord import Supervisor
from localplatform.waiting import wait_until
from stories import looks
from stories.outcome import Ending
from stories.scene import Scene, Sighting
from stories.story import Story, announced

PLAYBOOK = "scheduler-restart"


class FrozenScheduler(Story):
    """SIGSTOP the only scheduler while a long Celery task runs."""

    name: ClassVar[str] = "frozen-scheduler"
    title: ClassVar[str] = "The scheduler freezes; supervisord still calls it RUNNING"
    expected: ClassVar[Ending] = Ending.HEALED
    within: ClassVar[float] = 90.0

    def prepare(self, scene: Scene) -> None:
        """Let a long task run on a worker, to see that it survives."""
        self._run_id = faults.long_task(scene.platform, seconds=45)
        wait_until(lambda: self._task(scene)[0] == "running", seconds=60, what="the long task runs")
        self._pid = Supervisor(scene.platform).process("scheduler").pid

    def fault(self, scene: Scene) -> contextlib.AbstractContextManager[str]:
        """Freeze it; whatever of it is left at the end is thawed."""
        return announced(
            scene,
            f"SIGSTOP to the scheduler (pid {self._pid})",
            lambda: faults.frozen(scene.platform, "scheduler"),
        )

    def sightings(self, scene: Scene) -> Sequence[Sighting]:
        """The whole chain, up to the resolved incident."""
        return (
            looks.metric(
                scene,
                'airwarden_host_process_up{process="scheduler"} == 0',
                "its host says: the process is stopped",
            ),
            looks.alert(scene, "AirflowSchedulerProcessDown", "AirflowSchedulerHeartbeatLost"),
            looks.effect(scene, PLAYBOOK, "process.restart"),
            looks.verified(scene, PLAYBOOK),
            looks.resolved(scene, PLAYBOOK),
        )

    def well(self, scene: Scene) -> bool:
        """A scheduler row beats again."""
        rows = scene.rows(
            "SELECT 1 FROM job WHERE job_type = 'SchedulerJob' AND state = 'running'"
            " AND latest_heartbeat > now() - interval '10 seconds'"
        )
        return bool(rows)

    def action(self, scene: Scene) -> str:
        """The restart."""
        done = scene.effects(PLAYBOOK, action="process.restart")
        return f"restarted {len(done)} scheduler" if done else "none"

    def complaint(self, scene: Scene) -> str:
        """One restart, nobody paged, the running task not lost."""
        state, tries = self._task(scene)
        restarts = len(scene.effects(PLAYBOOK, action="process.restart"))
        wrong = [
            f"{restarts} restarts instead of one" if restarts != 1 else "",
            f"{len(scene.pages())} pages for what was healed" if scene.pages() else "",
            f"the running task is {state} at try {tries}"
            if state not in ("running", "success") or tries != 1
            else "",
        ]
        return "; ".join(filter(None, wrong))

    def _task(self, scene: Scene) -> tuple[str | None, int]:
        rows = scene.rows(
            "SELECT state, try_number FROM task_instance"
            " WHERE dag_id = 'long_haul' AND run_id = %(run)s",
            run=self._run_id,
        )
        return (rows[0]["state"], rows[0]["try_number"]) if rows else (None, 0)
