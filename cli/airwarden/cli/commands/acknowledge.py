"""`airwarden acknowledge`: a person takes an incident over."""

from __future__ import annotations

import typer

from airwarden.cli.commands._operating import IncidentArgument, ReasonOption, order
from airwarden.cli.options import DEFAULT, ConfigOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("acknowledge")(_acknowledge)


def _acknowledge(
    incident: IncidentArgument, config: ConfigOption = DEFAULT, reason: ReasonOption = ""
) -> None:
    """Take an escalated incident over: it is yours, and its page is acknowledged."""
    order(config, incident, "acknowledge", {"reason": reason})
