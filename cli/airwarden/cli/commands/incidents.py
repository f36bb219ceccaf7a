"""`airwarden incidents`: what is wrong now, and what was."""

from __future__ import annotations

from typing import Annotated

import typer

from airwarden.cli.commands._operating import connect
from airwarden.cli.options import DEFAULT, ConfigOption, OutputFormat, OutputOption
from airwarden.cli.printing import present


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("incidents")(_incidents)


def _incidents(
    config: ConfigOption = DEFAULT,
    output: OutputOption = OutputFormat.TEXT,
    everything: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    state: Annotated[
        list[str] | None,
        typer.Option("--state", help="In this state: escalated, remediating, …; may be repeated."),
    ] = None,
    cluster: Annotated[str, typer.Option("--cluster", help="Of one cluster only.")] = "",
    playbook: Annotated[str, typer.Option("--playbook", help="Of one playbook only.")] = "",
    since: Annotated[
        str,
        typer.Option(
            "--since", help="That changed since then: 2h, 3d, 2026-03-01, 2026-03-01T04:00."
        ),
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 100,
) -> None:
    """List incidents, those that wait for a person first, then newest first.

    Without options those that are open; --state and --since ask for those that are over, too.
    """
    from airwarden.cli.incident_list import moment, show, states

    wanted = states(state or [])
    begin = moment(since) if since else None
    open_only = not (everything or wanted or begin)
    answer = connect(config).get(
        "incidents",
        open="true" if open_only else "false",
        state=wanted or None,
        cluster=cluster or None,
        playbook=playbook or None,
        since=begin.isoformat() if begin else None,
        limit=limit,
    )
    found = answer["incidents"]
    present(found, output, lambda: show(found, open_only=open_only, limit=limit))
