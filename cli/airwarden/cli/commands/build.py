"""`airwarden build`: writes the configuration of Prometheus, Alertmanager and Grafana."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from airwarden.cli import drawing
from airwarden.cli.options import (
    DEFAULT,
    ConfigOption,
    OutputFormat,
    OutputOption,
    Part,
    RuleFormat,
    load_settings,
    located,
)
from airwarden.cli.printing import present


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("build")(_build)


def _build(
    config: ConfigOption = DEFAULT,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write into.")] = Path(
        "build"
    ),
    only: Annotated[
        list[Part] | None,
        typer.Option(help="Only this part, for a site that has the rest. Repeatable."),
    ] = None,
    rules_for: Annotated[
        RuleFormat, typer.Option(help="Who evaluates the rules.")
    ] = RuleFormat.PROMETHEUS,
    merge_into: Annotated[
        Path | None,
        typer.Option(help="Your alertmanager.yml: our part is merged into a copy of it."),
    ] = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Write Prometheus rules and scrape configuration, Alertmanager configuration, dashboards.

    Everything goes into one folder; what is there under the same names is replaced.
    """
    with (
        drawing.beside()
        if not only or Part.DASHBOARDS in only
        else nullcontext(drawing.here) as draw
    ):
        from airwarden.cli.outputs import write_all
        from airwarden.cli.parts import render_parts

        settings = load_settings(config)
        with located(config):
            files = render_parts(settings, only or (), rules_for, merge_into, draw)
    written = [str(path) for path in write_all(files, out)]
    present(written, output, lambda: typer.echo("\n".join(written)))
