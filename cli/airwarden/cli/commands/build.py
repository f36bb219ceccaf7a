"""`airwarden build`: writes the configuration of Prometheus, Alertmanager and Grafana."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from airwarden.cli.options import DEFAULT, ConfigOption, load_settings, located


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("build")(_build)


def _build(
    config: ConfigOption = DEFAULT,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write into.")] = Path(
        "build"
    ),
) -> None:
    """Write Prometheus rules and scrape configuration, Alertmanager configuration, dashboards.

    Everything goes into one folder; what is there under the same names is replaced.
    """
    from airwarden.cli.outputs import render_all, write_all

    settings = load_settings(config)
    with located(config):
        files = render_all(settings)
    for path in write_all(files, out):
        typer.echo(path)
