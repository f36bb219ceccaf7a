"""`airwarden airflow`: files for Airflow's side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_OutOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="File or folder to write it to; none: printed."),
]
_ForceOption = Annotated[bool, typer.Option("--force", help="Replace a file that differs.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        help="Write the files that Airflow itself runs: the listener, the canaries."
    )
    group.command("listener")(_listener)
    group.command("canary")(_canary)
    app.add_typer(group, name="airflow")


def _listener(out: _OutOption = None, force: _ForceOption = False) -> None:
    """Print the plugin that tells the exporter why a task failed, or write it to Airflow's plugins folder.

    One file for Airflow 2.10, 2.11 and 3 that needs nothing but Airflow. How it is set up stands in it.
    """
    from airwarden.cli import airflow_files

    _give(airflow_files.listener(), airflow_files.LISTENER, out, force=force)


def _canary(
    queue: Annotated[
        list[str], typer.Option("--queue", "-q", help="A queue to prove; may be repeated.")
    ] = ["default"],  # noqa: B006 - typer reads the default and never changes it
    every: Annotated[str, typer.Option("--every", help="The pause between two runs.")] = "2m",
    pool: Annotated[str, typer.Option("--pool", help="An Airflow pool of their own.")] = "",
    out: _OutOption = None,
    force: _ForceOption = False,
) -> None:
    """Print the canary DAGs, one a queue, or write them to Airflow's folder of DAGs.

    A run that ends well proves the whole way through scheduler, executor, broker and a worker of that
    queue; AirflowCanaryMissing tells when that stops.
    """
    from airwarden.cli import airflow_files

    _give(airflow_files.canary(queue, every, pool), airflow_files.CANARY, out, force=force)


def _give(text: str, name: str, out: Path | None, *, force: bool) -> None:
    from airwarden.cli import airflow_files

    if out is None:
        typer.echo(text, nl=False)
        return
    file, changed = airflow_files.write(text, name, out, force=force)
    typer.echo(f"{file}: {'written' if changed else 'is as it should be'}")
