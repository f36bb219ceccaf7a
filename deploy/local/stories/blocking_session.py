"""A report that left its transaction open, and another session that waits for it."""

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

PLAYBOOK = "database-blocker"
REPORT, WAITS = "nightly-report", "bookmarks"


class BlockingSession(Story):
    """Lock a table in a transaction that is left open, while somebody else needs it."""

    name: ClassVar[str] = "blocking-session"
    title: ClassVar[str] = f"{REPORT} leaves a transaction open and {WAITS} waits for it"
    expected: ClassVar[Ending] = Ending.HEALED
    within: ClassVar[float] = 150.0

    def fault(self, scene: Scene) -> contextlib.AbstractContextManager[str]:
        """The session is ended at the end, if it still is there."""
        return announced(
            scene,
            f"{REPORT} holds a table's lock and does nothing; {WAITS} waits",
            lambda: faults.blocked_table(scene.platform, by=REPORT, waits=WAITS),
        )

    def sightings(self, scene: Scene) -> Sequence[Sighting]:
        """That one session ended, its owner told."""
        return (
            looks.metric(
                scene,
                f'airwarden_db_idle_in_transaction_age_seconds{{application="{REPORT}"}} > 5',
                "idle in a transaction for {value} s",
            ),
            looks.alert(scene, "AirflowDatabaseIdleInTransaction"),
            looks.effect(scene, PLAYBOOK, "database.end_sessions"),
            looks.seen_after(
                scene, Mark.ACTION, Mark.VERIFIED, "nobody waits any more", lambda: self.well(scene)
            ),
            looks.resolved(scene, PLAYBOOK),
        )

    def well(self, scene: Scene) -> bool:
        """Neither session is there: one was ended, the other got through."""
        return not scene.rows(
            "SELECT 1 FROM pg_stat_activity WHERE application_name = ANY(%(names)s)",
            names=[REPORT, WAITS],
        )

    def action(self, scene: Scene) -> str:
        """How many sessions were ended."""
        done = scene.effects(PLAYBOOK, action="database.end_sessions")
        return f"ended {len(done)} session of {REPORT}, asked its owner to commit sooner"

    def complaint(self, scene: Scene) -> str:
        """That one session, and no other."""
        done = [e["summary"] for e in scene.effects(action="database.end_sessions")]
        return f"ended: {done}" if len(done) != 1 or REPORT not in done[0] else ""
