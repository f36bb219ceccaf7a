"""`airwarden status`: everything on one screen."""

from __future__ import annotations

import typer

from airwarden.cli.options import DEFAULT, ConfigOption, OutputFormat, OutputOption
from airwarden.cli.printing import present


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status")(_status)


def _status(config: ConfigOption = DEFAULT, output: OutputOption = OutputFormat.TEXT) -> None:
    """Show on one screen how everything stands: platform, queues, alerts, incidents, remedies.

    Read from Prometheus, Alertmanager and the remediator. Exit code 1 when one of them does not answer;
    what the others say is shown all the same.
    """
    from dataclasses import asdict

    from rich.console import Console

    from airwarden.cli.standing import read
    from airwarden.cli.standing_sources import sources
    from airwarden.cli.standing_text import screen

    found = read(sources(config))
    present(asdict(found), output, lambda: Console(highlight=False).print(screen(found)))
    if found.unknown:
        raise typer.Exit(1)
