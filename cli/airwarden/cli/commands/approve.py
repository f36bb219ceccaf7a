"""`airwarden approve`: an operator's decision about a plan."""

from __future__ import annotations

import typer

from airwarden.cli.commands._operating import IncidentArgument, ReasonOption, decide
from airwarden.cli.options import DEFAULT, ConfigOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("approve")(_approve)


def _approve(
    incident: IncidentArgument, config: ConfigOption = DEFAULT, reason: ReasonOption = ""
) -> None:
    """Approve the plan that an incident waits with; it is made anew, and asked again if it changed."""
    decide(config, incident, "approve", reason)
