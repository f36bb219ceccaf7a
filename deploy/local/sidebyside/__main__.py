"""`python -m sidebyside`: run faults on both sides at the same time, keep what came of it, write the page."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from localplatform import lifecycle
from localplatform.errors import PlatformError
from localplatform.layout import REPOSITORY, Platform
from localplatform.progress import Steps
from sidebyside import by_playbook, results
from sidebyside.course import Together
from sidebyside.faults import FAULTS
from sidebyside.results import ALONE, WITH, Measured, Missing
from sidebyside.side import Side
from stories import measured

STATE = REPOSITORY / "var" / "bench-faults"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)


@app.command()
def run(
    faults: Annotated[
        str, typer.Option(help="Names with commas; all if empty.", envvar="FAULTS")
    ] = "",
    sides: Annotated[str, typer.Option(help="alone, airwarden or both.", envvar="SIDES")] = "both",
    runs: Annotated[int, typer.Option(min=1, help="How often each.", envvar="RUNS")] = 2,
    limit: Annotated[float, typer.Option(help="Seconds watched; the fault's own if 0.")] = 0.0,
    minutes: Annotated[
        float,
        typer.Option(help="Begin no further fault after so many; 0: no end.", envvar="MINUTES"),
    ] = 0.0,
    again: Annotated[
        bool, typer.Option(help="Forget the kept runs of these faults first.", envvar="AGAIN")
    ] = False,
    state: Annotated[Path, typer.Option(help="The platforms' state folders.")] = STATE,
    keep: Annotated[bool, typer.Option(help="Leave the platforms running.")] = False,
) -> None:
    """Make the faults and measure; only what is missing is run, and each result is kept at once."""
    console = Console(highlight=False)
    chosen = [FAULTS[name].name for name in (faults.split(",") if faults else FAULTS)]
    wanted = (ALONE, WITH) if sides == "both" else (sides,)
    if again:
        results.forget(chosen, wanted)
    missing = results.missing(results.load(), chosen, wanted, runs)
    console.print(f"{len(missing)} measurements are missing")
    failed = 0
    platforms: dict[str, Side] = {}
    needed = tuple(dict.fromkeys(side for one in missing for side in one.sides))
    try:
        for side in needed:
            # One after the other: each chooses ports that are free when it looks.
            platforms[side] = Side(side, _up(state / side, console), _revision())
        began = time.monotonic()
        for one in missing:
            if minutes and time.monotonic() - began > 60 * minutes:
                console.print(f"stopped after {minutes:g} minutes; call again for the rest")
                break
            failed += not _measure(console, one, platforms, limit)
    finally:
        if not keep:
            for side in needed:
                lifecycle.down(state / side, steps=Steps(console))
    _write(console)
    raise typer.Exit(1 if failed else 0)


@app.command()
def page() -> None:
    """Write the page of what is kept, and say what is to be complained about."""
    _write(Console(highlight=False))


def _up(state: Path, console: Console) -> Platform:
    """Start a platform, once more where the machine was too busy for a part of it."""
    try:
        return lifecycle.up(state, steps=Steps(console))
    except PlatformError as error:
        console.print(f"[red]once more: {error}[/]")
        return lifecycle.up(state, steps=Steps(console))


def _measure(console: Console, one: Missing, platforms: Mapping[str, Side], limit: float) -> bool:
    """Measure one fault on all the sides that miss it; return whether all of them came to a result."""
    fault = FAULTS[one.fault]
    console.print(f"{fault.title}: run {one.number}, {' and '.join(one.sides)}")
    together = Together(len(one.sides))
    with ThreadPoolExecutor(thread_name_prefix="side") as pool:
        futures = {
            side: pool.submit(platforms[side].measure, fault, together, limit=limit or fault.limit)
            for side in one.sides
        }
    good = True
    for side, future in futures.items():
        if (error := future.exception()) is not None:
            console.print(f"  [red]{side}: {type(error).__name__}: {error}[/]")
            good = False
            continue
        found = future.result()
        results.keep(found)
        console.print(f"  {side}: {_short(found)}")
    return good


def _short(found: Measured) -> str:
    figures = asdict(found)
    for name in ("fault", "side", "harness", "revision", "measured_at"):
        del figures[name]
    return ", ".join(f"{name} {value}" for name, value in figures.items())


def _write(console: Console) -> None:
    runs = results.load()
    results.PAGE.write_text(results.page(runs))
    by_playbook.write(measured.load(), runs)
    for complaint in results.complaints(runs):
        console.print(f"[red]{complaint}[/]")


def _revision() -> str:
    """Return the commit that is measured, with a mark if there is more than was committed."""
    command: Sequence[str] = (
        "git",
        "describe",
        "--always",
        "--dirty",
        "--abbrev=10",
        "--exclude=*",
    )
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    app()
