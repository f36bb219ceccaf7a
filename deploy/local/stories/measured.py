"""What the stories came to when they were last told and kept: `RECORD=1 make demo`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stories.outcome import Outcome

COMMITTED = Path(__file__).with_name("measured.json")


def keep(outcomes: Sequence[Outcome], path: Path = COMMITTED) -> None:
    """Write the stories that were told; those that were not stay as they are."""
    day = datetime.now(UTC).date().isoformat()
    fresh = {
        one.name: {
            "playbooks": list(one.playbooks),
            "ended": str(one.ended),
            "ok": one.ok,
            "detected_seconds": one.detection_seconds,
            "total_seconds": one.total_seconds,
            "action": one.action,
            "measured_at": day,
        }
        for one in outcomes
    }
    document = {"command": "RECORD=1 STORIES=all make demo", "stories": {**load(path), **fresh}}
    path.write_text(json.dumps(document, indent=1) + "\n")


def load(path: Path = COMMITTED) -> Mapping[str, Mapping[str, Any]]:
    """Return what is kept, by story."""
    if not path.exists():
        return {}
    found: dict[str, Mapping[str, Any]] = json.loads(path.read_text())["stories"]
    return found
