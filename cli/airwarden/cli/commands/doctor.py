"""`airwarden doctor`: what can be seen and done where."""

from __future__ import annotations

from typing import Annotated

import typer

from airwarden.cli.options import DEFAULT, ConfigOption, FormatOption, OutputFormat, load_settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(_doctor)


def _doctor(
    config: ConfigOption = DEFAULT,
    output: FormatOption = OutputFormat.TEXT,
    sql: Annotated[
        bool, typer.Option("--sql", help="Always show the SQL that makes the database roles.")
    ] = False,
) -> None:
    """Reach every configured system and say what may and may not be seen and done there.

    Changes nothing and tells nobody. Exit code 1 when something required is not there.
    """
    import json

    from airwarden.cli.doctor.coverage import ABSENT
    from airwarden.cli.doctor.examine import examine, schema_folders, show
    from airwarden.cli.doctor.finding import Outcome

    settings = load_settings(config)
    findings = list(examine(settings))
    if output is OutputFormat.JSON:
        typer.echo(json.dumps([finding.as_json() for finding in findings], indent=2))
    else:
        troubled = any(
            "database" in finding.system
            and finding.outcome is not Outcome.OK
            and finding.subject not in ABSENT
            for finding in findings
        )
        show(findings, schemas=schema_folders(settings) if sql or troubled else ())
    if any(finding.outcome is Outcome.FAILED for finding in findings):
        raise typer.Exit(1)
