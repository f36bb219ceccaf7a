"""The story where Airwarden must refuse: the database is slow, and every scheduler looks dead."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import ClassVar

import psycopg

from localplatform import faults
from localplatform.supervisord import Supervisor
from stories import looks
from stories.outcome import Ending
from stories.scene import Scene, Sighting
from stories.story import Story, announced
from stories.timeline import Mark

DELAY_MS = 2500.0
SCHEDULERS = ("scheduler", "scheduler2")


class SlowDatabase(Story):
    """Delay every answer of PostgreSQL: the schedulers are late, and restarting them would hurt."""

    name: ClassVar[str] = "slow-database"
    title: ClassVar[str] = "The metadata database is slow; all schedulers are late"
    expected: ClassVar[Ending] = Ending.REFUSED
    within: ClassVar[float] = 90.0

    def prepare(self, scene: Scene) -> None:
        """Remember the schedulers' processes."""
        self._before = self._pids(scene)

    def fault(self, scene: Scene) -> contextlib.AbstractContextManager[str]:
        """The delay is taken away at the end."""
        return announced(
            scene,
            f"every answer of the metadata database takes {DELAY_MS / 1000:g} s longer",
            lambda: faults.database_slow(scene.platform, DELAY_MS),
        )

    def sightings(self, scene: Scene) -> Sequence[Sighting]:
        """The cause is named, the schedulers are late, and nobody restarts them."""
        return (
            looks.metric(scene, "airwarden_db_probe_last_seconds > 1", "SELECT 1 takes {value} s"),
            looks.alert(scene, "AirflowDatabaseSlow"),
            looks.seen(
                Mark.NOTE,
                "every scheduler's heartbeat is late",
                lambda: bool(
                    scene.query(
                        "min(time() - airwarden_component_heartbeat_timestamp_seconds"
                        '{component="scheduler"}) > 15'
                    )
                ),
            ),
            looks.seen(
                Mark.PAGED,
                "one page, which names the database",
                lambda: any("database" in page["payload"]["summary"] for page in scene.pages()),
            ),
            looks.seen(
                Mark.REFUSED,
                "no scheduler was restarted",
                lambda: scene.timeline.seconds > 35 and not scene.effects(),
            ),
        )

    def well(self, scene: Scene) -> bool:
        """The database answers quickly; only whoever made it slow can bring that about."""
        dsn = scene.platform.dsn(scene.platform.postgres.observer_dsn_file)
        began = time.monotonic()
        with psycopg.connect(dsn, connect_timeout=20) as session:
            session.execute("SELECT 1")
        return time.monotonic() - began < 1

    def action(self, scene: Scene) -> str:
        """Nothing but the page."""
        return "none: refused to restart, paged once"

    def complaint(self, scene: Scene) -> str:
        """The same processes as before, one page, nothing done."""
        done = [effect["summary"] for effect in scene.effects()]
        pages = [page["payload"]["summary"] for page in scene.pages()]
        wrong = [
            "a scheduler was replaced" if self._pids(scene) != self._before else "",
            f"acted: {done}" if done else "",
            f"{len(pages)} pages instead of one: {pages}" if len(pages) != 1 else "",
        ]
        return "; ".join(filter(None, wrong))

    def _pids(self, scene: Scene) -> dict[str, int]:
        supervisor = Supervisor(scene.platform)
        return {name: supervisor.process(name).pid for name in SCHEDULERS}
