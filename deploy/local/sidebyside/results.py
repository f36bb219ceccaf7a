"""What the runs came to: kept as they end, judged side by side, and written as a page.

Runs are kept in a committed file, each with the version of the harness that measured it. A call runs what is
missing there; runs of another version are not comparable, count for nothing and go with the next that is kept.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from localplatform.layout import REPOSITORY
from sidebyside.faults import FAULTS

#: Version of the harness: raised whenever a change makes earlier runs incomparable with later ones.
HARNESS = 3
KEPT = Path(__file__).with_name("results.json")
PAGE = REPOSITORY / "docs" / "reference" / "side-by-side.md"
ALONE, WITH = "alone", "airwarden"
#: How often each fault is to be run on both sides.
RUNS = 2
#: Figures in which less is better; None counts as never.
FIGURES = ("heal_seconds", "ticks_lost", "tasks_lost", "retries_burned", "run_twice")
#: One of these has to be better where a fault requires it.
_TO_BE_BETTER = ("heal_seconds", "tasks_lost", "retries_burned")


_HEAD = (
    "# Side by side",
    "",
    "The same faults on two real platforms at the same time on the same machine (`make bench-faults`): Airflow"
    " alone, under supervisord with autorestart and liveness probes at the chart's timing, and the same with"
    " Airwarden at its production defaults, only the playbooks' modes set to auto. Both are watched until both"
    " are decided, so that what a fault cost is counted over one span.",
    "",
    "The runs are kept in `deploy/local/sidebyside/results.json`, of which this page is made"
    " (`python -m sidebyside page`). A call runs what is missing there for this version of the harness, the first"
    " run of each fault before the second of any: `FAULTS=lock-held make bench-faults` only that one,"
    " `AGAIN=1` measures anew, `MINUTES=50` begins no further fault after that long.",
    "",
    "## Measured",
    "",
    "Medians of the runs. *Never* is not within what is watched at most (420 s, for connections 600 s), which is longer"
    " than a liveness probe at the chart's timing needs to act. *Healed* is the first second from which work was done again and went on being done"
    " (lapses under 30 s are borne). Lost ticks are runs that were due and not made; lost tasks have failed or"
    " not ended 90 s after the fault was undone; run twice means that a task's work was done to the end more than"
    " once. *Worst* is the least number of starts in a period of the load, in per cent of before. *Load* is that of"
    " the two cores, on which both platforms ran.",
    "",
    "| fault | side | runs | load | paged | healed | ticks lost | tasks lost | retries burned | run twice | worst |",
    "|---|---|---|---|---|---|---|---|---|---|---|",
)


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one fault on one side.

    Attributes:
        harness: Version of the harness that measured it.
        revision: Of the code that was measured.
        load: The machine's load over five minutes, at the end; both sides had the same.
        page_seconds: When a person was paged, None for never.
        heal_seconds: When the platform did its work again, None for not within the limit.
        health_seconds: When Airflow's own health endpoint first said so, None for never.
        effects: What Airwarden did.
        incidents: Playbook and state of each incident of Airwarden's, with the reason.
        liveness: What the liveness probes restarted.
        watched_seconds: How long was watched: until both sides were decided, or the fault's limit.
    """

    fault: str
    side: str
    harness: int
    revision: str
    measured_at: str
    load: float
    page_seconds: float | None
    heal_seconds: float | None
    health_seconds: float | None
    ticks_lost: int
    tasks_lost: int
    retries_burned: int
    run_twice: int
    starts_worst: int
    effects: tuple[str, ...]
    incidents: tuple[str, ...]
    liveness: tuple[str, ...]
    watched_seconds: float


@dataclass(frozen=True, slots=True)
class Missing:
    """A measurement that has not been made: the fault, which of its runs, and the sides that miss it."""

    fault: str
    number: int
    sides: tuple[str, ...]


def keep(one: Measured, path: Path = KEPT) -> None:
    """Add a run to what is kept."""
    _write([*load(path), one], path)


def forget(faults: Sequence[str], sides: Sequence[str], path: Path = KEPT) -> None:
    """Drop the kept runs of these faults on these sides, so that they are measured again."""
    _write([one for one in load(path) if one.fault not in faults or one.side not in sides], path)


def load(path: Path = KEPT) -> list[Measured]:
    """Return the runs of this version of the harness that are kept, oldest first."""
    if not path.exists():
        return []
    found: list[dict[str, Any]] = json.loads(path.read_text())
    return [
        Measured(
            **{**one, **{name: tuple(one[name]) for name in ("effects", "incidents", "liveness")}}
        )
        for one in found
        if one.get("harness") == HARNESS
    ]


def missing(
    kept: Sequence[Measured], faults: Sequence[str], sides: Sequence[str], runs: int
) -> list[Missing]:
    """Return what is to be run: the first run of every fault before the second of any."""
    wanted: list[Missing] = []
    for number in range(1, runs + 1):
        for fault in faults:
            without = tuple(side for side in sides if len(_of(kept, fault, side)) < number)
            if without:
                wanted.append(Missing(fault, number, without))
    return wanted


def _write(runs: Sequence[Measured], path: Path) -> None:
    whole = path.with_suffix(".new")
    whole.write_text(json.dumps([asdict(each) for each in runs], indent=1) + "\n")
    whole.replace(path)


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
    lines = [*_HEAD]
    lines += [
        _row(fault.title, side, _of(runs, name, side))
        for name, fault in FAULTS.items()
        for side in (ALONE, WITH)
    ]
    lines += ["", "## What was done", ""]
    for name, fault in FAULTS.items():
        done = [effect for one in _of(runs, name, WITH) for effect in one.effects]
        acted = [restart for one in _of(runs, name, ALONE) for restart in one.liveness]
        if done:
            lines.append(f"- {fault.title}: {'; '.join(dict.fromkeys(done))}.")
        elif _of(runs, name, WITH):
            lines.append(f"- {fault.title}: nothing by Airwarden.")
        if acted:
            lines.append(f"- {fault.title}, alone, by its liveness probe: {'; '.join(acted)}.")
    said = complaints(runs)
    lines += [
        "",
        "## Judged",
        "",
        "Never worse in a figure by more than a tenth or the spread of the runs, whichever is larger; better in"
        " one of time to heal, tasks lost and retries burned where that is required"
        f" ({', '.join(fault.title for fault in FAULTS.values() if fault.required)}).",
        "",
        *([f"- {one}" for one in said] or ["- Nothing to complain about in what was run."]),
        *_open(runs),
    ]
    return "\n".join(lines) + "\n"


def _open(runs: Sequence[Measured]) -> list[str]:
    """Return what has not been run on both sides, twice."""
    return [
        f"- Open: {fault.title} ({few} of {RUNS} runs on both sides)."
        for name, fault in FAULTS.items()
        if (few := min(len(_of(runs, name, side)) for side in (ALONE, WITH))) < RUNS
    ]


def _row(title: str, side: str, runs: Sequence[Measured]) -> str:
    if not runs:
        return f"| {title} | {side} | 0 | | | | | | | | |"
    cells = [_cell(runs, "page_seconds"), _cell(runs, "heal_seconds")]
    cells += [_cell(runs, figure) for figure in (*FIGURES[1:], "starts_worst")]
    load = f"{median(one.load for one in runs):.0f}"
    return f"| {title} | {side} | {len(runs)} | {load} | {' | '.join(cells)} |"


def _cell(runs: Sequence[Measured], figure: str) -> str:
    middle = median(_value(one, figure) for one in runs)
    if middle == float("inf"):
        return "never"
    seconds = figure.endswith("_seconds")
    return (
        f"{middle:.0f} s" if seconds else f"{middle:.0f}{' %' if figure == 'starts_worst' else ''}"
    )
