"""`airwarden resume`: the kill switch."""

from __future__ import annotations

from typing import Annotated

import typer

from airwarden.cli.commands._operating import ClusterOption, connect, show_status
from airwarden.cli.options import DEFAULT, ConfigOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("resume")(_resume)


def _resume(
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; kept in the audit.")],
    config: ConfigOption = DEFAULT,
    cluster: ClusterOption = "*",
) -> None:
    """Allow remedies again after airwarden pause or the kill switch."""
    show_status(connect(config).post("resume", {"reason": reason, "cluster": cluster}))
