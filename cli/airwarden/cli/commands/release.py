"""`airwarden release`: a person gives an incident back."""

from __future__ import annotations

import typer

from airwarden.cli.commands._operating import IncidentArgument, ReasonOption, order
from airwarden.cli.options import DEFAULT, ConfigOption, OutputFormat, OutputOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("release")(_release)


def _release(
    incident: IncidentArgument,
    config: ConfigOption = DEFAULT,
    reason: ReasonOption = "",
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Give an incident back that you, or somebody else, had taken: remedies may act on it again."""
    order(config, incident, "release", {"reason": reason}, output)
