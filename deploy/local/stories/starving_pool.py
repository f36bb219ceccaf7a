"""A small pool whose slots are all held by long tasks while others wait for one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import ClassVar

from localplatform import faults
from stories import looks
from stories.outcome import Ending
from stories.scene import Scene, Sighting
from stories.story import Story, announced
from stories.timeline import Mark

PLAYBOOK = "pool-starving"
POOL = "exports"
TASKS, SECONDS = 7, 20.0


class StarvingPool(Story):
    """Start more long exports than their pool has slots."""

    name: ClassVar[str] = "starving-pool"
    title: ClassVar[str] = f"{TASKS} long tasks share a pool of two slots"
    expected: ClassVar[Ending] = Ending.HEALED
    within: ClassVar[float] = 240.0

    def prepare(self, scene: Scene) -> None:
        """Remember how large the pool is."""
        self._before = self._slots(scene)

    def fault(self, scene: Scene) -> contextlib.AbstractContextManager[str]:
        """The exports end by themselves."""
        words = f"{TASKS} exports of {SECONDS:g} s for {self._before} slots"
        return announced(scene, words, lambda: self._exporting(scene))

    @contextlib.contextmanager
    def _exporting(self, scene: Scene) -> Iterator[None]:
        self._run_id = faults.exports(scene.platform, tasks=TASKS, seconds=SECONDS)
        yield

    def sightings(self, scene: Scene) -> Sequence[Sighting]:
        """A slot more for a while, then the old number again."""
        return (
            looks.metric(
                scene,
                f'airwarden_pool_starving_tasks{{pool="{POOL}"}} > 0',
                "{value} tasks starve for a slot",
            ),
            looks.alert(scene, "AirflowPoolStarving"),
            looks.effect(scene, PLAYBOOK, "pool.grow"),
            looks.seen_after(
                scene, Mark.ACTION, Mark.NOTE, "more of them run at once than before",
                lambda: self._count(scene, "running") > self._before,
            ),
            looks.effect(scene, PLAYBOOK, "pool.grow", undo=True),
            looks.seen(Mark.VERIFIED, "every export is done", lambda: self.well(scene)),
            looks.resolved(scene, PLAYBOOK),
        )  # fmt: skip

    def well(self, scene: Scene) -> bool:
        """Every export has succeeded."""
        return self._count(scene, "success") == TASKS

    def action(self, scene: Scene) -> str:
        """Both ways."""
        done = scene.effects(PLAYBOOK, action="pool.grow")
        return "; ".join(str(effect["summary"]) for effect in done)

    def complaint(self, scene: Scene) -> str:
        """The pool is as it was."""
        slots = self._slots(scene)
        return f"the pool has {slots} slots, before {self._before}" if slots != self._before else ""

    def _slots(self, scene: Scene) -> int:
        rows = scene.rows("SELECT slots FROM slot_pool WHERE pool = %(pool)s", pool=POOL)
        return int(rows[0]["slots"])

    def _count(self, scene: Scene, state: str) -> int:
        return scene.mapped_tasks("adhoc_export", self._run_id, "export", state)
