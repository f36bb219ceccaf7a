"""An external dependency goes down and comes back: no retry is burned while it is away."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import ClassVar

from localplatform import faults
from stories import looks
from stories.outcome import Ending
from stories.scene import Scene, Sighting
from stories.story import Story
from stories.timeline import Mark

PLAYBOOK = "dependency-breaker"
AWAY_SECONDS = 30.0


class Dependency(Story):
    """The billing service answers 503 for a while."""

    name: ClassVar[str] = "dependency"
    title: ClassVar[str] = "The billing service is down, and comes back"
    expected: ClassVar[Ending] = Ending.HEALED
    within: ClassVar[float] = 150.0

    @contextlib.contextmanager
    def fault(self, scene: Scene) -> Iterator[str]:
        """Down for a while, then up again by itself, as outages are."""
        text = f"billing-api answers 503 for {AWAY_SECONDS:g} s"
        scene.timeline.start(text)
        faults.dependency_down(scene.platform)

        def back() -> None:
            faults.dependency_up(scene.platform)
            scene.timeline.add(Mark.NOTE, "billing-api answers again")

        timer = threading.Timer(AWAY_SECONDS, back)
        timer.start()
        try:
            yield text
        finally:
            timer.cancel()
            faults.dependency_up(scene.platform)

    def sightings(self, scene: Scene) -> Sequence[Sighting]:
        """Breaker open, starts held, canary, ramp, everything as before."""
        return (
            looks.metric(scene, "airwarden_dependency_up == 0", "billing-api does not answer"),
            looks.alert(scene, "AirflowDependencyDown"),
            looks.effect(scene, PLAYBOOK, "breaker.open"),
            looks.effect(scene, PLAYBOOK, "pool.hold"),
            looks.effect(scene, PLAYBOOK, "breaker.open", undo=True),
            looks.seen_after(
                scene,
                Mark.ACTION,
                Mark.VERIFIED,
                "pool and DAGs are as before",
                # They are before the hold too: only what follows the breaker's closing counts.
                lambda: self._closed(scene) and self.well(scene),
            ),
            looks.resolved(scene, PLAYBOOK),
        )

    def well(self, scene: Scene) -> bool:
        """The pool has its slots, the DAGs run, and the last call of the service succeeded."""
        rows = scene.rows(
            "SELECT (SELECT slots FROM slot_pool WHERE pool = 'billing') AS slots,"
            " (SELECT count(*) FROM dag JOIN dag_tag USING (dag_id)"
            "  WHERE name = 'depends:billing-api' AND is_paused) AS paused,"
            " (SELECT state FROM task_instance WHERE pool = 'billing' AND end_date IS NOT NULL"
            "  ORDER BY end_date DESC LIMIT 1) AS last"
        )
        return bool(
            rows[0]["slots"] > 1 and rows[0]["paused"] == 0 and rows[0]["last"] == "success"
        )

    def harm(self, scene: Scene) -> str:
        """Tries that failed since the fault."""
        rows = scene.rows(
            "SELECT count(*) AS burned FROM (SELECT dag_id, start_date, state FROM task_instance"
            " UNION ALL SELECT dag_id, start_date, state FROM task_instance_history) AS tries"
            " JOIN dag_tag USING (dag_id) WHERE name = 'depends:billing-api'"
            " AND start_date > %(since)s AND state IN ('failed', 'up_for_retry')",
            since=scene.began,
        )
        return f"{rows[0]['burned']} tries burned"

    def action(self, scene: Scene) -> str:
        """The breaker's way, with the retries that were burned meanwhile."""
        burned, canary = self._burned(scene)
        return (
            f"held, canary, ramp, restored; retries burned while open: {burned} (canary {canary})"
        )

    def complaint(self, scene: Scene) -> str:
        """No try that began after the breaker opened may have failed, the canary's apart."""
        burned, _ = self._burned(scene)
        return f"{burned} retries burned after the breaker opened" if burned else ""

    def _closed(self, scene: Scene) -> bool:
        return any(effect["undo"] for effect in scene.effects(PLAYBOOK, action="breaker.open"))

    def _burned(self, scene: Scene) -> tuple[int, int]:
        """Count failed tries begun between the hold and the breaker's closing: others, canary's."""
        held = scene.effects(PLAYBOOK, action="pool.hold")
        closed = [e for e in scene.effects(PLAYBOOK, action="breaker.open") if e["undo"]]
        if not held or not closed:
            return 0, 0
        canary = {e["target"] for e in scene.effects(PLAYBOOK) if e["action"].startswith("canary")}
        rows = scene.rows(
            "SELECT dag_id, run_id FROM (SELECT dag_id, run_id, start_date, state FROM"
            "  task_instance UNION ALL SELECT dag_id, run_id, start_date, state FROM"
            "  task_instance_history) AS tries JOIN dag_tag USING (dag_id)"
            " WHERE name = 'depends:billing-api' AND start_date > %(since)s"
            "  AND start_date < %(until)s AND state IN ('failed', 'up_for_retry')",
            since=datetime.fromisoformat(held[-1]["at"]),
            until=datetime.fromisoformat(closed[-1]["at"]),
        )
        of_canary = sum(any(row["run_id"] in target for target in canary) for row in rows)
        return len(rows) - of_canary, of_canary
