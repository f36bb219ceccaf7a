"""`airwarden deny`: an operator's no to a plan."""

from __future__ import annotations

import typer

from airwarden.cli.commands._operating import IncidentArgument, ReasonOption, order
from airwarden.cli.options import DEFAULT, ConfigOption, OutputFormat, OutputOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("deny")(_deny)


def _deny(
    incident: IncidentArgument,
    config: ConfigOption = DEFAULT,
    reason: ReasonOption = "",
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Deny the plan that an incident waits with; a person is called instead."""
    order(config, incident, "deny", {"reason": reason}, output)
