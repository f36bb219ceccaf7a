"""`airwarden explain`: an incident's story in sentences."""

from __future__ import annotations

import typer

from airwarden.cli.commands._operating import IncidentArgument, connect
from airwarden.cli.options import DEFAULT, ConfigOption, FormatOption, JsonOption, OutputFormat


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("explain")(_explain)


def _explain(
    incident: IncidentArgument,
    config: ConfigOption = DEFAULT,
    output: FormatOption = OutputFormat.TEXT,
    as_json: JsonOption = False,
) -> None:
    """Tell an incident: what fired, what was read, what was done or held back and why, what now."""
    import json

    answer = connect(config).get(f"incidents/{incident}/explain")
    if as_json or output is OutputFormat.JSON:
        typer.echo(json.dumps(answer["explanation"], indent=2))
    else:
        typer.echo(answer["text"])
