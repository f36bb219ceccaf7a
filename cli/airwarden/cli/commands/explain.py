"""`airwarden explain`: an incident's story in sentences."""

from __future__ import annotations

import typer

from airwarden.cli.commands._operating import IncidentArgument, connect
from airwarden.cli.options import DEFAULT, ConfigOption, OutputFormat, OutputOption
from airwarden.cli.printing import present


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("explain")(_explain)


def _explain(
    incident: IncidentArgument,
    config: ConfigOption = DEFAULT,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Tell an incident: what fired, what was read, what was done or held back and why, what now."""
    answer = connect(config).get(f"incidents/{incident}/explain")
    present(answer["explanation"], output, lambda: typer.echo(answer["text"]))
