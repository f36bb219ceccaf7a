"""The program's entry point: the list of commands, and one way to report what went wrong."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from airwarden.cli import failures
from airwarden.cli.commands import (
    acknowledge,
    airflow,
    approve,
    audit,
    backtest,
    build,
    check,
    close,
    deny,
    doctor,
    explain,
    exporter,
    incidents,
    init,
    maintenance,
    mode,
    pause,
    playbooks,
    release,
    remediator,
    resume,
    scorecard,
    up,
    verdict,
    why,
    windows,
)
from airwarden.cli.commands import (
    run as run_by_hand,
)

app = typer.Typer(
    name="airwarden",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"airwarden {version('airwarden')}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    _debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks instead of one clear message.")
    ] = False,
) -> None:
    """Monitoring, alerting and self-healing control plane for Apache Airflow."""


for _command in (
    init, doctor, backtest, up, build, check, exporter, remediator,
    why, airflow, incidents, explain, approve, deny, acknowledge, release, close, pause, resume, maintenance, windows,
    run_by_hand, playbooks, mode, scorecard, verdict, audit,
):  # fmt: skip
    _command.register(app)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code.

    0: done; 1: findings, or a system could not be reached or refused; 2: wrong input, nothing was
    changed; 70: an error of ours.
    """
    try:
        app(args=list(arguments))
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if "--debug" in arguments:
            raise
        return failures.report(error)
    return 0


def main() -> None:
    """Run the command line."""
    sys.exit(run(sys.argv[1:]))
