"""A client that leaks connections until none is left, and holds the scheduler's lock."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import ClassVar

from localplatform import faults
from stories import looks
from stories.outcome import Ending
from stories.scene import Scene, Sighting
from stories.story import Story, announced
from stories.timeline import Mark

PLAYBOOK = "database-session"


class Leak(Story):
    """Use up every ordinary connection slot; one of the sessions blocks scheduling."""

    name: ClassVar[str] = "leak"
    title: ClassVar[str] = "A client leaks database sessions and holds the scheduler's lock"
    expected: ClassVar[Ending] = Ending.HEALED
    within: ClassVar[float] = 120.0

    def fault(self, scene: Scene) -> contextlib.AbstractContextManager[str]:
        """The leaking client is ended at the end; its sessions should be gone long before."""
        return announced(
            scene,
            "leaky-etl opens sessions until none is left; one holds the scheduler's lock",
            lambda: faults.leaking(scene.platform),
        )

    def sightings(self, scene: Scene) -> Sequence[Sighting]:
        """Ended by compare-and-set, its owner paged, scheduling again."""
        return (
            looks.metric(
                scene,
                "airwarden_db_connection_utilization_ratio > 0.95",
                "connection slots used: {value}",
            ),
            looks.alert(scene, "AirflowDatabaseConnectionsCritical", "AirflowSchedulerLockHeld"),
            looks.effect(scene, PLAYBOOK, "database.end_sessions"),
            looks.seen_after(
                scene, Mark.ACTION, Mark.VERIFIED, "tasks start again", lambda: self.well(scene)
            ),
            looks.seen(
                Mark.PAGED,
                "the client's owner has a page",
                lambda: any("leaky-etl" in str(page) for page in scene.pages()),
            ),
            looks.resolved(scene, PLAYBOOK),
        )

    def well(self, scene: Scene) -> bool:
        """A task was queued since the leak's sessions are gone."""
        rows = scene.rows(
            "SELECT (SELECT count(*) FROM pg_stat_activity WHERE application_name = 'leaky-etl')"
            " AS leaking, (SELECT max(start_date) FROM task_instance) > now() - interval '5 seconds'"
            " AS starting"
        )
        return bool(rows[0]["leaking"] == 0 and rows[0]["starting"])

    def action(self, scene: Scene) -> str:
        """How many sessions were ended."""
        done = scene.effects(PLAYBOOK, action="database.end_sessions")
        return f"ended {len(done)} sessions of leaky-etl, paged its owner"

    def complaint(self, scene: Scene) -> str:
        """Nobody else's session was ended, one page."""
        others = [
            e["summary"]
            for e in scene.effects(PLAYBOOK, action="database.end_sessions")
            if "leaky-etl" not in e["summary"]
        ]
        pages = len(scene.pages())
        wrong = [
            f"sessions of others ended: {others}" if others else "",
            f"{pages} pages instead of one" if pages != 1 else "",
        ]
        return "; ".join(filter(None, wrong))
