"""The program's entry point."""

from __future__ import annotations

import typer

app = typer.Typer(name="airwarden", no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def _root() -> None:
    """Monitoring, alerting and self-healing control plane for Apache Airflow."""


def main() -> None:
    """Run the command line."""
    app()
