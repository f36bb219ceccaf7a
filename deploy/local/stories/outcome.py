"""How stories end: the declared ending, the figures, the table and the machine-readable report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rich.table import Table


class Ending(StrEnum):
    """What a story may end as."""

    #: Airwarden acted and read back that the platform is well.
    HEALED = "healed"
    #: Airwarden must not act, said why, and paged once.
    REFUSED = "refused"
    #: Only a person can mend it: one page, no action.
    PAGED = "paged"
    #: A person said "not now" (a silence): nothing done.
    LEFT_ALONE = "left alone"
    #: The story did not come to a declared end.
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A story's result; durations in seconds since the fault, None where there is none."""

    name: str
    expected: Ending
    ended: Ending
    detection_seconds: float | None
    action: str
    total_seconds: float
    airflow_alone: str
    complaint: str = ""
    #: The playbooks that acted on it, or, where none did, those that left it to people.
    playbooks: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it ended as declared and nothing was found wrong."""
        return self.ended is self.expected and not self.complaint


def table(outcomes: Sequence[Outcome]) -> Table:
    """Return the closing table."""
    result = Table(title="What happened", title_justify="left")
    result.add_column("story")
    result.add_column("detected", justify="right")
    result.add_column("action")
    result.add_column("ended")
    result.add_column("total", justify="right")
    result.add_column("Airflow alone (quoted)")
    for outcome in outcomes:
        detected = outcome.detection_seconds
        result.add_row(
            outcome.name,
            "-" if detected is None else f"{detected:.1f} s",
            outcome.action,
            f"[green]{outcome.ended}[/]" if outcome.ok else f"[red]{outcome.ended}[/]",
            f"{outcome.total_seconds:.1f} s",
            outcome.airflow_alone,
        )
    return result


def write_report(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Write the outcomes as JSON (`{"stories": [...]}`)."""
    stories = [
        {
            "name": o.name,
            "expected": o.expected,
            "ended": o.ended,
            "ok": o.ok,
            "detection_seconds": o.detection_seconds,
            "action": o.action,
            "total_seconds": o.total_seconds,
            "airflow_alone": o.airflow_alone,
            "playbooks": list(o.playbooks),
            **({"complaint": o.complaint} if o.complaint else {}),
        }
        for o in outcomes
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"stories": stories}, indent=2) + "\n")
