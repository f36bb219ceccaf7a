"""The looks that most stories share, each returning the timeline's words once it is so."""

from __future__ import annotations

from collections.abc import Callable

from stories.scene import Scene, Sighting
from stories.timeline import Mark


def metric(scene: Scene, expression: str, words: str) -> Sighting:
    """Prometheus holds a non-empty answer to `expression`; `{value}` in the words is filled in."""

    def look() -> str | None:
        rows = scene.query(expression)
        return words.format(value=f"{rows[0][1]:g}") if rows else None

    return Sighting(Mark.METRIC, look, f"metric: {expression}")


def alert(scene: Scene, *names: str) -> Sighting:
    """Any of these alerts fires; Airflow's own lights are noted at that moment."""

    def look() -> str | None:
        firing = scene.firing(*names)
        if not firing:
            return None
        scene.note_lights()
        return f"{', '.join(firing)} firing"

    return Sighting(Mark.ALERT, look, f"alert: {' or '.join(names)}")


def effect(scene: Scene, playbook: str, action: str, *, undo: bool = False) -> Sighting:
    """A confirmed effect of this action stands in the journal."""

    def look() -> str | None:
        done = [e for e in scene.effects(playbook, action=action) if e["undo"] is undo]
        return str(done[0]["summary"]) if done else None

    words = "taken back" if undo else "done"
    return Sighting(Mark.ACTION, look, f"{action} {words} by {playbook}")


def resolved(scene: Scene, playbook: str) -> Sighting:
    """Every incident of the playbook since the story began is resolved."""

    def look() -> str | None:
        views = scene.incidents(playbook)
        if not views or any(view["state"] != "RESOLVED" for view in views):
            return None
        return f"incident {views[-1]['incident_id']} resolved: {views[-1]['reason']}"

    return Sighting(Mark.RESOLVED, look, f"incident of {playbook} resolved")


def verified(scene: Scene, playbook: str) -> Sighting:
    """The remedy was read back as healed (it may still have to stay so for a while)."""

    def look() -> str | None:
        views = scene.incidents(playbook)
        if views and views[-1]["state"] in ("STABILIZING", "RESOLVED"):
            return "read back: healthy"
        return None

    return Sighting(Mark.VERIFIED, look, f"remedy of {playbook} verified")


def seen(mark: Mark, words: str, condition: Callable[[], bool]) -> Sighting:
    """Anything else that a story waits for."""
    return Sighting(mark, lambda: words if condition() else None, words)


def seen_after(
    scene: Scene, first: Mark, mark: Mark, words: str, condition: Callable[[], bool]
) -> Sighting:
    """As `seen`, but only once `first` stands in the timeline: before the remedy it proves nothing."""
    return seen(mark, words, lambda: scene.timeline.first(first) is not None and condition())
