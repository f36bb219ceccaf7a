"""The demo's stories as tests: each must end as it declares, on the same real platform."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from stories.registry import FIRST_FIVE, MORE
from stories.scene import Scene
from stories.story import Story, tell

#: A promise is tested at twice its figure: the machine may do other work.
PATIENCE = 2.0
#: Seconds that preparing and clearing up may take beside the story itself.
AROUND = 240


@pytest.mark.timeout(AROUND + 2 * 240)
@pytest.mark.parametrize(
    "kind",
    [*FIRST_FIVE, *(pytest.param(kind, marks=pytest.mark.reliability) for kind in MORE)],
    ids=lambda kind: kind.name,
)
def test_story_ends_as_declared(kind: type[Story], new_scene: Callable[[], Scene]) -> None:
    scene = new_scene()
    outcome = tell(kind(), scene, airflow_alone="", patience=PATIENCE)
    events = "\n".join(f"{e.seconds:7.1f} {e.mark:<9} {e.text}" for e in scene.timeline.events)
    assert outcome.ok, f"{outcome.complaint}\n{events}"
