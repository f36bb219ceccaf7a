"""A bad deploy of one team: hundreds of failures, one page to that team, and no retries."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import ClassVar

from localplatform import faults
from stories import looks
from stories.outcome import Ending
from stories.scene import Scene, Sighting
from stories.story import Story
from stories.timeline import Mark

FAILURES = 200
TEAM = "growth"


class BadDeploy(Story):
    """The growth team deploys a release whose every task fails."""

    name: ClassVar[str] = "bad-deploy"
    title: ClassVar[str] = f"Team {TEAM} deploys a bad release: {FAILURES} failures"
    expected: ClassVar[Ending] = Ending.PAGED
    within: ClassVar[float] = 300.0

    @contextlib.contextmanager
    def fault(self, scene: Scene) -> Iterator[str]:
        """The good release comes back at the end."""
        text = f"a bad release of team {TEAM}, {FAILURES} tasks of it started"
        scene.timeline.start(text)
        faults.bad_deploy(scene.platform, failures=FAILURES)
        try:
            yield text
        finally:
            faults.good_deploy(scene.platform)

    def sightings(self, scene: Scene) -> Sequence[Sighting]:
        """One page, which names the team."""
        return (
            looks.metric(
                scene,
                f'sum(increase(airwarden_task_instances_finished_total{{state="failed",team="{TEAM}"}}[1m])) > 20',
                "{value} failures of the team",
            ),
            looks.alert(scene, "AirflowTeamDagFailureRateHigh"),
            looks.seen(
                Mark.PAGED,
                f"one page, to team {TEAM}",
                lambda: any(TEAM in page["payload"]["summary"] for page in scene.pages()),
            ),
            looks.seen(
                Mark.NOTE,
                "all of them have failed, none was tried again",
                lambda: self._failed(scene) >= FAILURES,
            ),
        )

    def well(self, scene: Scene) -> bool:
        """Only the team can mend it."""
        return False

    def action(self, scene: Scene) -> str:
        """Nothing but the page."""
        return f"none: paged team {TEAM} once"

    def complaint(self, scene: Scene) -> str:
        """No second try, one page, nothing done."""
        again = scene.rows(
            "SELECT count(*) AS tries FROM task_instance WHERE dag_id LIKE 'growth_campaign_%%'"
            " AND try_number > 1 AND start_date > %(since)s",
            since=scene.began,
        )[0]["tries"]
        pages = [page["payload"]["summary"] for page in scene.pages()]
        # So many tasks at once are also a deep queue: a worker more repeats none of the failures.
        acted = [e["summary"] for e in scene.effects() if e["action"] != "workers.scale"]
        wrong = [
            f"{again} tasks were tried again" if again else "",
            f"{len(pages)} pages instead of one: {pages}" if len(pages) != 1 else "",
            f"acted: {acted}" if acted else "",
        ]
        return "; ".join(filter(None, wrong))

    def _failed(self, scene: Scene) -> int:
        rows = scene.rows(
            "SELECT count(*) AS failed FROM task_instance WHERE dag_id LIKE 'growth_campaign_%%'"
            " AND task_id = 'send' AND state = 'failed' AND start_date > %(since)s",
            since=scene.began,
        )
        return int(rows[0]["failed"])
