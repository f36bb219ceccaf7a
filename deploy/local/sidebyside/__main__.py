"""`python -m sidebyside`: run faults on one side or both, keep what came of it, write the page."""

from __future__ import annotations

import contextlib
import shutil
import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import httpx
import psycopg
import typer
from rich.console import Console

from localplatform import faults as platform_faults
from localplatform import lifecycle
from localplatform.errors import PlatformError
from localplatform.layout import REPOSITORY, Platform
from localplatform.progress import Steps
from localplatform.waiting import wait_until
from sidebyside import results
from sidebyside.faults import FAULTS, Fault
from sidebyside.liveness import Liveness
from sidebyside.measuring import cost, started
from sidebyside.results import ALONE, WITH, Measured
from stories import installation
from stories.scene import Scene
from stories.timeline import Timeline

STATE = REPOSITORY / "var" / "bench-faults"
STEADY = Path(__file__).parents[1] / "bench_dags" / "steady.py"
#: Seconds of steady load before a fault, and after its end before what it cost is counted.
WARM, SETTLE = 75.0, 45.0
#: Slots of the pool that the hung tasks fill.
SLOTS = 4

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)


@app.command()
def run(
    faults: Annotated[
        str, typer.Option(help="Names with commas; all if empty.", envvar="FAULTS")
    ] = "",
    sides: Annotated[str, typer.Option(help="alone, airwarden or both.", envvar="SIDES")] = "both",
    runs: Annotated[int, typer.Option(min=1, help="How often each.", envvar="RUNS")] = 2,
    limit: Annotated[float, typer.Option(help="Seconds watched; the fault's own if 0.")] = 0.0,
    state: Annotated[Path, typer.Option(help="The platform's state folder.")] = STATE,
    keep: Annotated[bool, typer.Option(help="Leave the platform running.")] = False,
) -> None:
    """Make the faults and measure; each result is kept as soon as it is there."""
    console = Console(highlight=False)
    chosen = [FAULTS[name] for name in (faults.split(",") if faults else FAULTS)]
    wanted = (ALONE, WITH) if sides == "both" else (sides,)
    try:
        platform = lifecycle.up(state, steps=Steps(console))
        _prepare(platform)
        for side in wanted:
            installed = _install(platform, side, console)
            for fault in chosen:
                for number in range(1, runs + 1):
                    console.print(f"{side}: {fault.title} ({number} of {runs})")
                    found = _measure(platform, installed, fault, side, limit or fault.limit)
                    results.keep(found)
                    console.print(f"  {asdict(found)}")
    finally:
        if not keep:
            lifecycle.down(state, steps=Steps(console))
    _write(console)


@app.command()
def page() -> None:
    """Write the page of what is kept, and say what is to be complained about."""
    _write(Console(highlight=False))


def _write(console: Console) -> None:
    runs = results.load()
    results.PAGE.write_text(results.page(runs))
    for complaint in results.complaints(runs):
        console.print(f"[red]{complaint}[/]")


def _prepare(platform: Platform) -> None:
    """Bring the steady load into the platform, and the pool that hung tasks fill."""
    platform_faults.undo_all(platform)
    ledger = platform.airflow.dags_dir / "steady.jsonl"
    ledger.unlink(missing_ok=True)
    dsn = platform.dsn(platform.postgres.airflow_direct_dsn_file)
    with psycopg.connect(dsn) as session:
        session.execute(
            "INSERT INTO slot_pool (pool, slots, description, include_deferred)"
            " VALUES ('steady', %s, 'bench', false) ON CONFLICT (pool) DO UPDATE SET slots = %s",
            (SLOTS, SLOTS),
        )
    shutil.copy(STEADY, platform.airflow.dags_dir / "steady.py")


def _install(platform: Platform, side: str, console: Console) -> installation.Installation | None:
    if side == ALONE:
        installation.remove(platform)
        return None
    return installation.install(platform, steps=Steps(console), production=True)


def _scene(platform: Platform, installed: installation.Installation | None) -> Scene:
    return Scene(
        platform=platform,
        timeline=Timeline(lambda _: None),
        remediator_url=installed.remediator_url if installed else "",
        api_token=installed.api_token if installed else "",
        endpoints_url=installed.endpoints_url if installed else "",
    )


def _measure(
    platform: Platform,
    installed: installation.Installation | None,
    fault: Fault,
    side: str,
    limit: float,
) -> Measured:
    scene = _scene(platform, installed)
    with Liveness(platform) as liveness:
        before = _warm(scene)
        began = scene.began = datetime.now(UTC)
        paged: float | None = None
        healed: float | None = None
        unhealthy: float | None = None
        was_ill = False
        start = time.monotonic()
        with contextlib.ExitStack() as stack:
            stack.enter_context(fault.make(platform))
            while (seconds := time.monotonic() - start) < limit:
                if paged is None and installed is not None and scene.pages():
                    paged = seconds
                if unhealthy is None and _says_unhealthy(scene):
                    unhealthy = seconds
                if _calm(fault, scene, before):
                    # What is well in the first seconds has not noticed yet.
                    if was_ill or seconds > 60:
                        healed = seconds
                        break
                else:
                    was_ill = True
                time.sleep(1)
        ended = datetime.now(UTC)
        platform_faults.undo_all(platform)
        time.sleep(SETTLE)
        effects = tuple(e["summary"] for e in scene.effects()) if installed else ()
        found = cost(scene, platform.airflow.dags_dir / "steady.jsonl", began, ended)
        return Measured(
            fault=fault.name,
            side=side,
            measured_at=began.isoformat(timespec="seconds"),
            page_seconds=_rounded(paged),
            heal_seconds=_rounded(healed),
            health_seconds=_rounded(unhealthy),
            effects=effects,
            liveness=tuple(f"{name} at {at:.0f} s" for at, name in liveness.restarts),
            watched_seconds=limit,
            **asdict(found),
        )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _warm(scene: Scene) -> float:
    """Wait until the load has been steady for a while; return its starts a second."""

    def moving() -> bool:
        now = datetime.now(UTC)
        return started(scene, now - timedelta(seconds=20), now) > 0

    wait_until(moving, seconds=180, what="the steady load starts tasks")
    time.sleep(WARM)
    now = datetime.now(UTC)
    return started(scene, now - timedelta(seconds=60), now) / 60


def _calm(fault: Fault, scene: Scene, before: float) -> bool:
    try:
        return fault.well(scene, before)
    except (httpx.HTTPError, psycopg.OperationalError, PlatformError, OSError, KeyError):
        return False


def _says_unhealthy(scene: Scene) -> bool:
    try:
        return any(status not in ("healthy", "-") for status in scene.lights().values())
    except (httpx.HTTPError, ValueError):
        return True


if __name__ == "__main__":
    app()
