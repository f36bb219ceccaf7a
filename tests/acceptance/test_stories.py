"""The demo's stories as tests: each must end as it declares, on the same real platform."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from stories.registry import FIRST_FIVE, MORE
from stories.scene import Scene
from stories.story import Story, tell

#: Seconds that preparing, telling and clearing up may take beside the story's own limit.
AROUND = 180


@pytest.mark.timeout(AROUND + 240)
@pytest.mark.parametrize("kind", [*FIRST_FIVE, *MORE], ids=lambda kind: kind.name)
def test_story_ends_as_declared(kind: type[Story], new_scene: Callable[[], Scene]) -> None:
    scene = new_scene()
    outcome = tell(kind(), scene, airflow_alone="")
    events = "\n".join(f"{e.seconds:7.1f} {e.mark:<9} {e.text}" for e in scene.timeline.events)
    assert outcome.ok, f"{outcome.complaint}\n{events}"


def test_frozen_scheduler_is_healed_within_a_minute(new_scene: Callable[[], Scene]) -> None:
    """The promise of the README: from SIGSTOP to a verified healthy scheduler in under 60 s."""
    scene = new_scene()
    outcome = tell(FIRST_FIVE[0](), scene, airflow_alone="")
    assert outcome.ok, outcome.complaint
    assert outcome.total_seconds < 60
