"""Each playbook on the real platform, from what the demo's stories and the faults side by side came to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from localplatform.layout import REPOSITORY
from sidebyside.faults import FAULTS
from sidebyside.results import WITH, Measured

PAGE = REPOSITORY / "docs" / "reference" / "playbooks-measured.md"
PLAYBOOKS = REPOSITORY / "remediation" / "airwarden" / "remediation" / "playbooks"
#: Playbooks that act on what cannot be brought about there, and why.
_NOT_THERE = {
    "scheduler-stalled": "needs an executor whose every slot is taken by a task that no worker has, and it has 256",
    "workers-idle": "needs the measured load of a week",
}
_HEAD = (
    "# Playbooks on the real platform",
    "",
    "What each playbook did about a fault that was made on the local platform: a real Airflow 3.3.2 under"
    " supervisord. Made of what is kept of `RECORD=1 STORIES=all make demo` (a demo's short times) and of"
    " [`make bench-faults`](side-by-side.md) (production's defaults, medians). *Total* is from the fault to the end"
    " that is named; *healed* there means that the platform did its work again.",
    "",
    "| playbook | fault | times | what was done | ended | detected or paged | total | measured |",
    "|---|---|---|---|---|---|---|---|",
)


def page(stories: Mapping[str, Mapping[str, Any]], runs: Sequence[Measured]) -> str:
    """Return the page; what was measured of no playbook is listed at its end."""
    rows = sorted([*_of_stories(stories), *_of_runs(runs)])
    seen = {name for name, _ in rows}
    lines = [*_HEAD, *(row for _, row in rows), "", "## Not measured there", ""]
    lines.append(
        "Each is tested with every fault that it knows on the shipped fakes, with production's times and on"
        " fleets of five sizes (`tests/unit/remediation/test_every_playbook.py`)."
    )
    lines += ["", "| playbook | what it does |", "|---|---|"]
    for name, book in _shipped().items():
        if name not in seen:
            calls = book.get("human-only")
            missing = _NOT_THERE.get(name, "its fault is kept of no run yet")
            what = f"calls a person, {calls}" if calls else f"acts; {missing}"
            lines.append(f"| [{name}](playbooks.md#{name}) | {what} |")
    return "\n".join(lines) + "\n"


def _shipped() -> dict[str, dict[str, Any]]:
    return {
        path.stem: yaml.safe_load(path.read_text()) for path in sorted(PLAYBOOKS.glob("*.yaml"))
    }


def _of_stories(stories: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for name, one in stories.items():
        for playbook in one["playbooks"]:
            yield (
                playbook,
                _row(
                    playbook,
                    f"story `{name}`",
                    "demo",
                    one["action"],
                    one["ended"] if one["ok"] else f"{one['ended']}, not as declared",
                    _seconds(one["detected_seconds"]),
                    _seconds(one["total_seconds"]),
                    one["measured_at"],
                ),
            )


def _of_runs(runs: Sequence[Measured]) -> Iterator[tuple[str, str]]:
    for name, fault in FAULTS.items():
        mine = [one for one in runs if (one.fault, one.side) == (name, WITH)]
        for playbook in dict.fromkeys(i.split()[0] for one in mine for i in one.incidents):
            taken = [i for one in mine for i in one.incidents if i.split()[0] == playbook]
            ends = dict.fromkeys(i.partition(":")[0].split()[1] for i in taken)
            yield (
                playbook,
                _row(
                    playbook,
                    fault.title,
                    f"production, {len(mine)} runs",
                    "; ".join(dict.fromkeys(e for one in mine for e in one.effects)) or "nothing",
                    ", ".join(ends),
                    _seconds(_middle(mine, "page_seconds")),
                    _seconds(_middle(mine, "heal_seconds")),
                    max(one.measured_at for one in mine)[:10],
                ),
            )


def _middle(runs: Sequence[Measured], figure: str) -> float | None:
    values = [getattr(one, figure) for one in runs]
    return None if None in values else float(median(values))


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} s"


def _row(playbook: str, *cells: str) -> str:
    return f"| [{playbook}](playbooks.md#{playbook}) | {' | '.join(cells)} |"


def write(
    stories: Mapping[str, Mapping[str, Any]], runs: Sequence[Measured], path: Path = PAGE
) -> None:
    """Write the page."""
    path.write_text(page(stories, runs))
