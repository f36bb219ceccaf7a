"""What Airwarden must not do: act in a quiet time, or repair what supervisord has repaired."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from localplatform import faults
from localplatform.supervisord import Supervisor
from stories.scene import Scene
from support.eventually import eventually, holds_for

#: Longer than any `for` of the demo's thresholds.
QUIET_SECONDS = 30.0


@pytest.mark.timeout(240)
def test_nothing_fires_and_nothing_is_done_in_a_quiet_time(new_scene: Callable[[], Scene]) -> None:
    scene = new_scene()
    finished = 'sum(airwarden_task_instances_finished_total{state="success"})'
    before = eventually(lambda: scene.query(finished), within=60, what="tasks are counted")[0][1]

    holds_for(
        lambda: scene.firing() in ([], ["Watchdog"]),
        seconds=QUIET_SECONDS,
        every=1.0,
        what=lambda: f"firing: {scene.firing()}",
    )

    # Quiet, not blind: the fleet ran and was measured, the flaky and slow DAGs included. Its runs begin each
    # minute, so that those of the quiet half of one may not have ended yet.
    eventually(lambda: scene.query(finished)[0][1] > before, within=60, what="tasks have ended")
    assert scene.query("airwarden_component_heartbeat_timestamp_seconds")
    assert scene.query("airwarden_asset_last_update_timestamp_seconds")
    assert not scene.effects()
    assert not scene.pages()


@pytest.mark.timeout(240)
def test_a_scheduler_that_supervisord_restarted_is_not_restarted_again(
    new_scene: Callable[[], Scene],
) -> None:
    scene = new_scene()
    supervisor = Supervisor(scene.platform)
    killed = supervisor.process("scheduler").pid
    faults.kill(scene.platform, "scheduler", tree=True)

    def restarted() -> int:
        info = supervisor.process("scheduler")
        return info.pid if info.state == "RUNNING" and info.pid != killed else 0

    successor = eventually(restarted, within=30, what="supervisord restarts the scheduler")
    holds_for(
        lambda: supervisor.process("scheduler").pid == successor,
        seconds=QUIET_SECONDS,
        every=1.0,
        what=lambda: f"restarted again; effects: {scene.effects()}",
    )
    assert not [e for e in scene.effects() if e["action"] == "process.restart"]
