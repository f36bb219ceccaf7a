"""`airwarden close`: a person ends an incident."""

from __future__ import annotations

import typer

from airwarden.cli.commands._operating import IncidentArgument, ReasonOption, order
from airwarden.cli.options import DEFAULT, ConfigOption, OutputFormat, OutputOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("close")(_close)


def _close(
    incident: IncidentArgument,
    reason: ReasonOption,
    config: ConfigOption = DEFAULT,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """End an incident that people own, whatever its alerts say; its page is resolved."""
    order(config, incident, "close", {"reason": reason}, output)
