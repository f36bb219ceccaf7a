"""`airwarden acknowledge`: a person takes an incident over."""

from __future__ import annotations

import typer

from airwarden.cli.commands._operating import IncidentArgument, ReasonOption, order
from airwarden.cli.options import DEFAULT, ConfigOption, OutputFormat, OutputOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("acknowledge")(_acknowledge)


def _acknowledge(
    incident: IncidentArgument,
    config: ConfigOption = DEFAULT,
    reason: ReasonOption = "",
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Take an incident over: it is yours, its page is acknowledged, and nothing more is done by itself.

    What was being remedied stops before its next effect; airwarden explain says what is still in force.
    airwarden release gives it back.
    """
    order(config, incident, "acknowledge", {"reason": reason}, output)
