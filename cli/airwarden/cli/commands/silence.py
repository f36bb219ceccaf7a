"""`airwarden silence`: an hour of quiet about an incident."""

from __future__ import annotations

from typing import Annotated

import typer

from airwarden.cli.commands._operating import IncidentArgument, ReasonOption, order
from airwarden.cli.options import DEFAULT, ConfigOption, OutputFormat, OutputOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("silence")(_silence)


def _silence(
    incident: IncidentArgument,
    config: ConfigOption = DEFAULT,
    lasts: Annotated[str, typer.Option("--for", help="How long: 30m, 2h; at most 24h.")] = "1h",
    reason: ReasonOption = "",
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Silence an incident's alerts in Alertmanager for a while.

    Nobody is told of them then, and Airwarden does nothing about them. The silence matches what its
    alerts share, by their names and cluster; Alertmanager lists it, and ends it before its time.
    """
    order(config, incident, "silence", {"for": lasts, "reason": reason}, output)
