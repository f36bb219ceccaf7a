"""`airwarden resume`: the kill switch."""

from __future__ import annotations

import typer

from airwarden.cli.commands._operating import (
    ClusterOption,
    PlaybookOption,
    ReasonOption,
    connect,
    show_status,
)
from airwarden.cli.options import DEFAULT, ConfigOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("resume")(_resume)


def _resume(
    reason: ReasonOption,
    config: ConfigOption = DEFAULT,
    cluster: ClusterOption = "*",
    playbook: PlaybookOption = "",
) -> None:
    """Allow remedies again after airwarden pause or the kill switch; only a person may."""
    body = {"reason": reason, "cluster": cluster, "playbook": playbook}
    show_status(connect(config).post("resume", body))
