"""A story: how the fault is made and undone, what must be seen, and how it must end."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

from localplatform.errors import PlatformError
from stories.outcome import Ending, Outcome
from stories.scene import Scene, Sighting, StoryFailedError
from stories.timeline import Mark


class Story(ABC):
    """One story. Subclasses say everything; telling it is the same for all.

    Attributes:
        name: Short, as `STORIES=` names it.
        title: One sentence for the person who watches.
        expected: How it must end.
        within: Seconds in which everything must have been seen.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    expected: ClassVar[Ending]
    within: ClassVar[float] = 120.0

    def prepare(self, scene: Scene) -> None:  # noqa: B027 - most stories need nothing
        """Bring about what must be there before the fault; not counted."""

    @abstractmethod
    def fault(self, scene: Scene) -> contextlib.AbstractContextManager[str]:
        """Make the fault, yield its description, and undo what is left of it at the end."""

    @abstractmethod
    def sightings(self, scene: Scene) -> Sequence[Sighting]:
        """Return what must be seen, in any order, before the story has ended as declared."""

    @abstractmethod
    def well(self, scene: Scene) -> bool:
        """Return whether the platform does its work again, judged without Airwarden."""

    @abstractmethod
    def action(self, scene: Scene) -> str:
        """Return in a few words what Airwarden did, from its own record."""

    def harm(self, scene: Scene) -> str:
        """Return what was lost on the way, in a few words, or nothing; judged without Airwarden."""
        return ""

    def complaint(self, scene: Scene) -> str:
        """Return what is wrong although all was seen (harm done, a page too many), or nothing."""
        return ""


def tell(story: Story, scene: Scene, *, airflow_alone: str, patience: float = 1.0) -> Outcome:
    """Tell a story from its fault to its end; never raises for a story that fails.

    Args:
        story: Which.
        scene: Where.
        airflow_alone: What Airflow did without us, for the outcome's table.
        patience: Multiplies the story's own limit, for machines that do other work too.
    """
    ended, complaint, action = Ending.FAILED, "", "-"
    taken: tuple[str, ...] = ()
    try:
        story.prepare(scene)
        with story.fault(scene):
            scene.await_all(story.sightings(scene), within=story.within * patience)
            total = scene.timeline.seconds
            action = story.action(scene)
            complaint = story.complaint(scene)
            taken = _playbooks(scene)
            ended = story.expected
    except (StoryFailedError, PlatformError, OSError) as error:
        total = scene.timeline.seconds
        complaint = str(error)
        scene.timeline.add(Mark.NOTE, f"story failed: {error}")
    return Outcome(
        name=story.name,
        expected=story.expected,
        ended=ended,
        detection_seconds=scene.timeline.first(Mark.ALERT),
        action=action,
        total_seconds=round(total, 1),
        airflow_alone=airflow_alone,
        complaint=complaint,
        playbooks=taken,
    )


def _playbooks(scene: Scene) -> tuple[str, ...]:
    """Return the playbooks that did something; where none did, those that left it to people."""
    views = scene.incidents()
    acting = [view for view in views if any(e["state"] == "CONFIRMED" for e in view["effects"])]
    return tuple(dict.fromkeys(str(view["playbook"]) for view in acting or views))


@contextlib.contextmanager
def announced(
    scene: Scene, text: str, make: Callable[[], contextlib.AbstractContextManager[object]]
) -> Iterator[str]:
    """Start the story's clock with `text` and keep the fault that `make` returns during the block."""
    scene.timeline.start(text)
    with make():
        yield text
