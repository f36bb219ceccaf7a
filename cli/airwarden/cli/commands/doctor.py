"""`airwarden doctor`: what can be seen and done where."""

from __future__ import annotations

from typing import Annotated

import typer

from airwarden.cli.options import DEFAULT, ConfigOption, OutputFormat, OutputOption, load_settings
from airwarden.cli.printing import present


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(_doctor)


def _doctor(
    config: ConfigOption = DEFAULT,
    output: OutputOption = OutputFormat.TEXT,
    sql: Annotated[
        bool, typer.Option("--sql", help="Always show the SQL that makes the database roles.")
    ] = False,
) -> None:
    """Reach every configured system and say what may and may not be seen and done there.

    Changes nothing and tells nobody. Exit code 1 when something required is not there.
    """
    from airwarden.cli.doctor.coverage import ABSENT
    from airwarden.cli.doctor.examine import examine, schema_folders, show
    from airwarden.cli.doctor.finding import Outcome

    settings = load_settings(config)
    findings = list(examine(settings))
    troubled = any(
        "database" in finding.system
        and finding.outcome is not Outcome.OK
        and finding.subject not in ABSENT
        for finding in findings
    )
    schemas = schema_folders(settings) if sql or troubled else ()
    found = [finding.as_json() for finding in findings]
    present(found, output, lambda: show(findings, schemas=schemas))
    if any(finding.outcome is Outcome.FAILED for finding in findings):
        raise typer.Exit(1)
