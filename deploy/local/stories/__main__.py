"""`make demo`: start a real platform, break it, watch it being healed, and say how it went."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from localplatform import lifecycle
from localplatform.errors import PlatformError
from localplatform.faults import undo_all
from localplatform.layout import REPOSITORY, Platform
from localplatform.progress import Steps
from stories import installation, measured, registry
from stories.alone import COMMITTED, Alone, commit, measure
from stories.outcome import Outcome, table, write_report
from stories.scene import Scene
from stories.story import Story, tell
from stories.timeline import Event, Mark, Timeline

REPORT = REPOSITORY / "var" / "demo" / "report.json"
_STYLES = {
    Mark.FAULT: "bold red",
    Mark.LIGHTS: "yellow",
    Mark.METRIC: "cyan",
    Mark.ALERT: "magenta",
    Mark.ACTION: "bold blue",
    Mark.REFUSED: "bold blue",
    Mark.PAGED: "bold yellow",
    Mark.VERIFIED: "green",
    Mark.RESOLVED: "bold green",
    Mark.NOTE: "dim",
}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    stories: Annotated[
        str,
        typer.Option(
            help="Which: `all`, or names with commas. Empty: the first five.", envvar="STORIES"
        ),
    ] = "",
    keep: Annotated[
        bool, typer.Option(help="Leave everything running and print the URLs.", envvar="KEEP")
    ] = False,
    alone: Annotated[
        bool,
        typer.Option(help="Measure what Airflow does without Airwarden instead.", envvar="ALONE"),
    ] = False,
    record: Annotated[
        bool,
        typer.Option(help="Keep what came of it, for the documentation.", envvar="RECORD"),
    ] = False,
    state: Annotated[Path | None, typer.Option(help="The platform's state folder.")] = None,
) -> None:
    """Tell the stories on a real platform; exit 0 only if each ended as declared."""
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    chosen = registry.choose(stories)
    began = time.monotonic()
    try:
        platform = lifecycle.up(state, steps=Steps(console))
        undo_all(platform)
        if alone:
            installation.remove(platform)
            _measure_alone(console, platform, chosen)
            lifecycle.down(state, steps=Steps(console))
            raise typer.Exit(0)
        installed = installation.install(platform, steps=Steps(console))
    except (PlatformError, installation.InstallationError) as error:
        console.print(f"[red]{error}[/]")
        if not keep:
            lifecycle.down(state, steps=Steps(console))
        raise typer.Exit(1) from None
    _say_where_the_console_is(console, installed)
    try:
        outcomes = [_tell(console, platform, installed, story) for story in chosen]
        write_report(REPORT, outcomes)
        if record:
            measured.keep(outcomes)
        _close(console, installed, outcomes, time.monotonic() - began)
        if keep:
            _print_urls(console, platform, installed)
    finally:
        if not keep:
            lifecycle.down(state, steps=Steps(console))
    raise typer.Exit(0 if all(outcome.ok for outcome in outcomes) else 1)


def _tell(
    console: Console, platform: Platform, installed: installation.Installation, story: Story
) -> Outcome:
    console.print(f"\n[bold]{story.name}[/]: {story.title} [dim](must end: {story.expected})[/]")

    def show(event: Event) -> None:
        console.print(
            f"  {event.seconds:6.1f} s  [{_STYLES[event.mark]}]{event.mark:<9}[/] {event.text}",
        )

    scene = Scene(
        platform=platform,
        timeline=Timeline(show),
        remediator_url=installed.remediator_url,
        api_token=installed.api_token,
        endpoints_url=installed.endpoints_url,
    )
    outcome = tell(story, scene, airflow_alone=_alone(story))
    undo_all(platform)
    if outcome.complaint:
        console.print(f"  [red]{outcome.complaint}[/]")
    return outcome


def _alone(story: Story) -> str:
    """Return what Airflow alone did in this story, from the committed measurement."""
    found = json.loads(COMMITTED.read_text())["stories"] if COMMITTED.exists() else {}
    return str(found.get(story.name, {}).get("words", "not measured"))


def _measure_alone(console: Console, platform: Platform, chosen: Sequence[Story]) -> None:
    found: dict[str, Alone] = {}
    for story in chosen:
        console.print(f"\n[bold]{story.name}[/], without Airwarden")
        timeline = Timeline(lambda event: console.print(f"  {event.seconds:6.1f} s  {event.text}"))
        scene = Scene(
            platform=platform, timeline=timeline, remediator_url="", api_token="", endpoints_url=""
        )
        found[story.name] = measure(story, scene)
        console.print(f"  {found[story.name].words}")
        undo_all(platform)
    commit(found)
    console.print(f"\nwritten to {COMMITTED}")


def _close(
    console: Console,
    installed: installation.Installation,
    outcomes: Sequence[Outcome],
    seconds: float,
) -> None:
    console.print()
    console.print(table(outcomes))
    told = sum(outcome.ok for outcome in outcomes)
    console.print(f"{told} of {len(outcomes)} stories ended as declared, in {seconds:.0f} s.")
    console.print(f"journal:    {installed.folder / 'journal.db'}")
    console.print(f"dashboards: {REPOSITORY / 'dashboards' / 'grafana'}")
    console.print(f"report:     {REPORT}")


def _print_urls(console: Console, platform: Platform, installed: installation.Installation) -> None:
    console.print("\nStill running (make down stops it):")
    for name, url in (
        ("Airflow", platform.airflow.url),
        ("Prometheus", platform.monitoring.prometheus_url + "/classic/graph"),
        ("Alertmanager", platform.monitoring.alertmanager_url + "/api/v2/alerts"),
        ("exporter", installed.exporter_url + "/metrics"),
        ("messages", installed.endpoints_url + "/_received"),
    ):
        console.print(f"  {name:<13} {url}")
    _say_where_the_console_is(console, installed)


def _say_where_the_console_is(console: Console, installed: installation.Installation) -> None:
    """Print what a browser needs: before the first story too, which can be watched from there."""
    console.print(f"\nThe console: {installed.remediator_url}/console/", style="bold")
    token = installed.folder / "api.token"
    shown = token.relative_to(REPOSITORY) if token.is_relative_to(REPOSITORY) else token
    console.print(f"  sign in with any name, and the token that this prints: cat {shown}")


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    app()
