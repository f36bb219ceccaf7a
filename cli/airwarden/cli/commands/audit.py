"""`airwarden audit`: the audit as evidence, exported and verified without asking the remediator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from airwarden.cli.options import DEFAULT, ConfigOption, OutputFormat, OutputOption

_CheckpointsOption = Annotated[
    Path | None,
    typer.Option("--checkpoints", help="File of checkpoints; remediator.audit.checkpoint_file."),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Export the audit, and verify that nobody changed it.")
    group.command("export")(_export)
    group.command("verify")(_verify)
    app.add_typer(group, name="audit")


def _export(
    config: ConfigOption = DEFAULT,
    after: Annotated[
        int | None,
        typer.Option("--after", min=0, help="Begin after this entry; 0 for the first there is."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File to write; one that exists is continued."),
    ] = None,
) -> None:
    """Write the audit as JSON lines, oldest first, to a file or to stdout.

    Read from the journal itself, also while the remediator is stopped. A file that exists is gone on
    with where it ends; what follows must fit its last line.
    """
    from airwarden.cli.audit_export import export

    export(config, after=after, output=out)


def _verify(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Exported or archived files, in order; none: the journal."),
    ] = None,
    config: ConfigOption = DEFAULT,
    checkpoints: _CheckpointsOption = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Follow the audit link by link: in the journal that the settings name, or in exported files.

    It must pass through every checkpoint that was signed off. Exit code 1 when something does not
    hold.
    """
    from airwarden.cli.audit_verify import verify

    if not verify(config, files or [], checkpoints, output):
        raise typer.Exit(1)
