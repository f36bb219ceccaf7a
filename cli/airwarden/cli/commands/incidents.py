"""`airwarden incidents`: what is wrong now, and what was."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from airwarden.cli.commands._operating import connect
from airwarden.cli.options import DEFAULT, ConfigOption, FormatOption, OutputFormat


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("incidents")(_incidents)


def _incidents(
    config: ConfigOption = DEFAULT,
    output: FormatOption = OutputFormat.TEXT,
    everything: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    cluster: Annotated[str, typer.Option("--cluster", help="Of one cluster only.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 100,
) -> None:
    """List incidents, newest first."""
    import json

    answer = connect(config).get(
        "incidents",
        open="false" if everything else "true",
        cluster=cluster or None,
        limit=limit,
    )
    found: list[dict[str, Any]] = answer["incidents"]
    if output is OutputFormat.JSON:
        typer.echo(json.dumps(found, indent=2))
        return
    if not found:
        typer.echo("no incidents" if everything else "no open incidents")
        return
    _show(found)


def _show(found: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("no.", "opened", "severity", "state", "cluster", "what", box=None, pad_edge=False)
    for one in found:
        what = one["title"] + (f"\n{one['reason']}" if one["reason"] else "")
        if one["approval"]:
            what += f"\nwaits for a yes: airwarden explain {one['incident_id']}"
        opened = str(one["opened_at"])[:16].replace("T", " ")
        table.add_row(
            one["incident_id"],
            opened,
            one["severity"],
            one["state"].lower().replace("_", " "),
            escape(one["cluster"]),
            escape(what),
        )
    Console().print(table)
