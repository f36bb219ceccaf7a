"""`airwarden top`: the same screen, live."""

from __future__ import annotations

from typing import Annotated

import typer

from airwarden.cli.options import DEFAULT, ConfigOption, OutputFormat, OutputOption
from airwarden.cli.printing import present


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("top")(_top)


def _top(
    config: ConfigOption = DEFAULT,
    every: Annotated[
        float, typer.Option(min=0.5, max=300, help="Seconds between two readings.")
    ] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Show it once and end.")] = False,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Watch schedulers, queues, workers, alerts and incidents live; q or Ctrl-C leaves.

    Without a terminal, with --once or for programs it is shown once, as airwarden status shows it with
    a row for each worker.
    """
    import sys
    from dataclasses import asdict

    from rich.console import Console

    from airwarden.cli.standing import read
    from airwarden.cli.standing_sources import sources
    from airwarden.cli.standing_text import screen

    asked = sources(config)
    if output is OutputFormat.TEXT and not once and sys.stdin.isatty() and sys.stdout.isatty():
        from airwarden.cli.watching import watch

        watch(lambda: screen(read(asked), live=True), every)
        return
    found = read(asked)
    text = screen(found, live=True)
    present(asdict(found), output, lambda: Console(highlight=False).print(text))
    if found.unknown:
        raise typer.Exit(1)
