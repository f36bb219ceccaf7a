"""The program's entry point: the list of commands, and one way to report what went wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

from airwarden.cli import failures

# None of pydantic's plugins is ours, and to look for some reads the metadata of every package installed.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

#: In the order in which help lists them; each is a module of `commands` of the same name.
COMMANDS = (
    "init", "doctor", "backtest", "up", "build", "check", "exporter", "remediator",
    "status", "top", "why", "airflow", "incidents", "explain", "approve", "deny", "acknowledge", "release", "silence",
    "close", "pause", "resume",
    "maintenance", "windows", "run", "playbooks", "mode", "scorecard", "verdict", "audit", "password",
)  # fmt: skip


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"airwarden {version('airwarden')}")
        raise typer.Exit


def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    _debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks instead of one clear message.")
    ] = False,
) -> None:
    """Monitoring, alerting and self-healing control plane for Apache Airflow."""


def application(names: Sequence[str] = COMMANDS) -> typer.Typer:
    """Return the program with these commands."""
    app = typer.Typer(
        name="airwarden",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for name in names:
        import_module(f"airwarden.cli.commands.{name}").register(app)
    return app


def _asked_for(arguments: Sequence[str]) -> Sequence[str]:
    """Return the one command that is asked for: reading the others' options takes longer than to run it."""
    first = next((one for one in arguments if not one.startswith("-")), "")
    return (first,) if first in COMMANDS else COMMANDS


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code.

    The codes and what they mean are `failures.EXIT_CODES`.
    """
    try:
        application(_asked_for(arguments))(args=list(arguments), prog_name="airwarden")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except KeyboardInterrupt:
        return failures.INTERRUPTED
    except Exception as error:
        if "--debug" in arguments:
            raise
        return failures.report(error)
    return 0


def main() -> None:
    """Run the command line."""
    sys.exit(run(sys.argv[1:]))
