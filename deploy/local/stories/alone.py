"""What the platform does without Airwarden in each story, measured: `make demo ALONE=1`.

The result is committed as `airflow_alone.json`, which `make demo` quotes, and as a table for people.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg

from localplatform.errors import PlatformError
from localplatform.layout import REPOSITORY
from localplatform.waiting import wait_until
from stories.scene import Scene
from stories.story import Story

COMMITTED = Path(__file__).with_name("airflow_alone.json")
PAGE = REPOSITORY / "docs" / "reference" / "reliability.md"
LIMIT_SECONDS = 120.0
_BEGIN, _END = "<!-- airflow-alone: begin -->", "<!-- airflow-alone: end -->"


@dataclass(frozen=True, slots=True)
class Alone:
    """What was seen.

    Attributes:
        healed_seconds: When the platform did its work again, None for never within the limit.
        lights: Airflow's own health lights: `all green` or the first that was not.
        words: Both in one clause.
    """

    healed_seconds: float | None
    lights: str
    words: str


def measure(story: Story, scene: Scene, *, limit: float = LIMIT_SECONDS) -> Alone:
    """Make the story's fault with nobody to heal it, and watch for `limit` seconds."""
    wait_until(lambda: not _not_green(scene), seconds=60, what="all health lights are green")
    story.prepare(scene)
    lights, healed, was_ill = "", None, False
    with story.fault(scene):
        end = time.monotonic() + limit
        while time.monotonic() < end:
            lights = lights or _not_green(scene)
            if _well(story, scene):
                if was_ill:
                    healed = round(scene.timeline.seconds, 1)
                    break
            else:
                was_ill = True
            time.sleep(1)
    ended = f"healed by itself after {healed:.0f} s" if healed else f"not within {limit:.0f} s"
    clauses = [ended, f"health lights {lights or 'all green'}", _calm_harm(story, scene)]
    return Alone(healed, lights or "all green", "; ".join(filter(None, clauses)))


def commit(measured: dict[str, Alone]) -> None:
    """Write what was measured into the table that `make demo` quotes; other stories' lines stay."""
    kept = json.loads(COMMITTED.read_text())["stories"] if COMMITTED.exists() else {}
    day = datetime.now(UTC).date().isoformat()
    fresh = {name: asdict(alone) | {"measured_at": day} for name, alone in measured.items()}
    document = {
        "command": "make demo ALONE=1",
        "limit_seconds": LIMIT_SECONDS,
        "stories": kept | fresh,
    }
    COMMITTED.write_text(json.dumps(document, indent=2) + "\n")
    PAGE.write_text(with_table(PAGE.read_text()))


def with_table(page: str) -> str:
    """Return the page with the committed measurement between its two marks."""
    stories = json.loads(COMMITTED.read_text())["stories"]
    rows = [
        f"| {name} | {one['words'].partition(';')[0]} | {one['lights']} | {one['measured_at']} |"
        for name, one in stories.items()
    ]
    head = ["| story | Airflow alone | its health lights | measured |", "|---|---|---|---|"]
    before, _, rest = page.partition(_BEGIN)
    after = rest.partition(_END)[2]
    return before + "\n".join([_BEGIN, *head, *rows, _END]) + after


def _calm_harm(story: Story, scene: Scene) -> str:
    try:
        return story.harm(scene)
    except psycopg.OperationalError:
        return ""


def _well(story: Story, scene: Scene) -> bool:
    try:
        return story.well(scene)
    except (httpx.HTTPError, psycopg.OperationalError, PlatformError, OSError):
        return False


def _not_green(scene: Scene) -> str:
    try:
        lights = scene.lights()
    except (httpx.HTTPError, ValueError) as error:
        return f"no answer ({type(error).__name__}) at {scene.timeline.seconds:.0f} s"
    bad = [f"{name} {status}" for name, status in lights.items() if status not in ("healthy", "-")]
    return f"{bad[0]} at {scene.timeline.seconds:.0f} s" if bad else ""
