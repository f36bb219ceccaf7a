"""`airwarden pause`: the kill switch."""

from __future__ import annotations

from typing import Annotated

import typer

from airwarden.cli.commands._operating import ClusterOption, connect, show_status
from airwarden.cli.options import DEFAULT, ConfigOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("pause")(_pause)


def _pause(
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; kept in the audit.")],
    config: ConfigOption = DEFAULT,
    cluster: ClusterOption = "*",
) -> None:
    """Stop every remedy at once, until airwarden resume; survives restarts."""
    show_status(connect(config).post("pause", {"reason": reason, "cluster": cluster}))
