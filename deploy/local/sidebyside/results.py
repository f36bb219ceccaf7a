"""What the runs came to: kept as they end, judged side by side, and written as a page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from localplatform.layout import REPOSITORY
from sidebyside.faults import FAULTS

KEPT = REPOSITORY / "var" / "side-by-side.json"
PAGE = REPOSITORY / "var" / "side-by-side.md"
ALONE, WITH = "alone", "airwarden"
#: Figures in which less is better; None counts as never.
FIGURES = ("heal_seconds", "ticks_lost", "tasks_lost", "retries_burned", "run_twice")
#: One of these has to be better where a fault requires it.
_TO_BE_BETTER = ("heal_seconds", "tasks_lost", "retries_burned")


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one fault on one side.

    Attributes:
        page_seconds: When a person was paged, None for never.
        heal_seconds: When the platform did its work again, None for not within the limit.
        health_seconds: When Airflow's own health endpoint first said so, None for never.
        effects: What Airwarden did.
        liveness: What the liveness probes restarted.
        watched_seconds: How long was watched at most.
    """

    fault: str
    side: str
    measured_at: str
    page_seconds: float | None
    heal_seconds: float | None
    health_seconds: float | None
    ticks_lost: int
    tasks_lost: int
    retries_burned: int
    run_twice: int
    starts_worst: int
    effects: tuple[str, ...]
    liveness: tuple[str, ...]
    watched_seconds: float


def keep(one: Measured, path: Path = KEPT) -> None:
    """Add a run to what is kept."""
    kept = load(path)
    kept.append(one)
    path.write_text(json.dumps([asdict(each) for each in kept], indent=1) + "\n")


def load(path: Path = KEPT) -> list[Measured]:
    """Return the runs that are kept, oldest first."""
    if not path.exists():
        return []
    found: list[dict[str, Any]] = json.loads(path.read_text())
    return [
        Measured(**{**one, "effects": tuple(one["effects"]), "liveness": tuple(one["liveness"])})
        for one in found
    ]


def complaints(runs: Sequence[Measured]) -> list[str]:
    """Return where Airwarden was worse, or not better where it has to be; of what was run on both sides."""
    said: list[str] = []
    for name, fault in FAULTS.items():
        alone, ours = _of(runs, name, ALONE), _of(runs, name, WITH)
        if not alone or not ours:
            continue
        worse = {figure: _worse(alone, ours, figure) for figure in FIGURES}
        said += [f"{name}: {figure} {by}" for figure, by in worse.items() if by is not None]
        if fault.required and not any(_better(alone, ours, figure) for figure in _TO_BE_BETTER):
            said.append(f"{name}: better in none of {', '.join(_TO_BE_BETTER)}")
    return said


def _of(runs: Sequence[Measured], fault: str, side: str) -> list[Measured]:
    return [one for one in runs if (one.fault, one.side) == (fault, side)]


def _value(one: Measured, figure: str) -> float:
    value = getattr(one, figure)
    return float("inf") if value is None else float(value)


def _worse(alone: Sequence[Measured], ours: Sequence[Measured], figure: str) -> str | None:
    """Return by what ours is worse: beyond a tenth, and beyond the spread of the runs."""
    theirs = [_value(one, figure) for one in alone]
    mine = [_value(one, figure) for one in ours]
    if median(theirs) == float("inf"):
        return None
    spread = max(max(theirs) - min(theirs), max(mine) - min(mine))
    if median(mine) <= median(theirs) + max(0.1 * median(theirs), spread):
        return None
    return f"{median(mine):g} instead of {median(theirs):g}"


def _better(alone: Sequence[Measured], ours: Sequence[Measured], figure: str) -> bool:
    return median(_value(one, figure) for one in ours) < median(
        _value(one, figure) for one in alone
    )


def page(runs: Sequence[Measured]) -> str:
    """Return the page that shows both sides of each fault."""
    lines = [
        "# Side by side",
        "",
        "The same faults on the same real platform (`make bench-faults`): Airflow alone, under supervisord with"
        " autorestart and liveness probes at the chart's timing, against the same with Airwarden at its production"
        " defaults, only the playbooks' modes set to auto. Medians of the runs; *never* is not within what was"
        " watched. Lost ticks are runs that were due and not made; lost tasks have failed or not ended; run twice"
        " means that a task's work was done to the end more than once. *Worst* is the least number of starts"
        " in ten seconds, in per cent of before.",
        "",
        "| fault | side | runs | paged | healed | ticks lost | tasks lost | retries burned | run twice | worst |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        _row(fault.title, side, _of(runs, name, side))
        for name, fault in FAULTS.items()
        for side in (ALONE, WITH)
    ]
    lines += ["", "What Airwarden did:", ""]
    for name, fault in FAULTS.items():
        done = [effect for one in _of(runs, name, WITH) for effect in one.effects]
        if done:
            lines.append(f"- {fault.title}: {'; '.join(dict.fromkeys(done))}.")
    said = complaints(runs)
    lines += [
        "",
        "Judged by the rule (never worse by more than a tenth or the spread, better where required):",
    ]
    lines += [
        "",
        *([f"- {one}" for one in said] or ["- nothing to complain about in what was run."]),
    ]
    return "\n".join(lines) + "\n"


def _row(title: str, side: str, runs: Sequence[Measured]) -> str:
    if not runs:
        return f"| {title} | {side} | 0 | | | | | | | |"
    cells = [_cell(runs, "page_seconds"), _cell(runs, "heal_seconds")]
    cells += [_cell(runs, figure) for figure in (*FIGURES[1:], "starts_worst")]
    return f"| {title} | {side} | {len(runs)} | {' | '.join(cells)} |"


def _cell(runs: Sequence[Measured], figure: str) -> str:
    middle = median(_value(one, figure) for one in runs)
    if middle == float("inf"):
        return "never"
    seconds = figure.endswith("_seconds")
    return (
        f"{middle:.0f} s" if seconds else f"{middle:.0f}{' %' if figure == 'starts_worst' else ''}"
    )


def as_json(runs: Sequence[Measured]) -> Mapping[str, Any]:
    """Return the runs and what is to be complained about."""
    return {"runs": [asdict(one) for one in runs], "complaints": complaints(runs)}
