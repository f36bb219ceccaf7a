"""`airwarden pause`: the kill switch."""

from __future__ import annotations

import typer

from airwarden.cli.commands._operating import (
    ClusterOption,
    PlaybookOption,
    ReasonOption,
    connect,
    show_status,
)
from airwarden.cli.options import DEFAULT, ConfigOption, OutputFormat, OutputOption
from airwarden.cli.printing import present


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("pause")(_pause)


def _pause(
    reason: ReasonOption,
    config: ConfigOption = DEFAULT,
    cluster: ClusterOption = "*",
    playbook: PlaybookOption = "",
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Stop every remedy at once, until airwarden resume; survives restarts."""
    body = {"reason": reason, "cluster": cluster, "playbook": playbook}
    status = connect(config).post("pause", body)
    present(status, output, lambda: show_status(status))
