"""The command line: ``python -m localplatform up | down | status | purge | fault …``."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from localplatform import fault_commands, lifecycle
from localplatform.errors import PlatformError
from localplatform.layout import Platform

StateOption = Annotated[
    Path | None,
    typer.Option("--state", help="State folder (default: AIRWARDEN_PLATFORM_STATE, var/platform)."),
]

app = typer.Typer(help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(fault_commands.app, name="fault")


@app.command()
def up(
    state: StateOption = None,
    monitoring: Annotated[
        bool, typer.Option("--with-monitoring/--no-monitoring", help="Prometheus, Alertmanager.")
    ] = True,
    max_connections: Annotated[
        int | None, typer.Option(help="PostgreSQL's limit; kept from the last start if not given.")
    ] = None,
) -> None:
    """Start the platform and wait until it is healthy."""
    started = time.monotonic()
    platform = lifecycle.up(state, with_monitoring=monitoring, max_connections=max_connections)
    console = Console(highlight=False)
    console.print(f"up in {time.monotonic() - started:.1f} s; described in", end=" ")
    console.print(str(platform.state_dir / "platform.json"), soft_wrap=True)
    _print_urls(platform, console, monitoring)


@app.command()
def down(state: StateOption = None) -> None:
    """Stop the platform; nothing of it stays running."""
    ended = lifecycle.down(state)
    print(f"stopped {len(ended)} processes")


@app.command()
def purge(state: StateOption = None) -> None:
    """Stop the platform and delete everything it kept."""
    lifecycle.purge(state)


@app.command()
def status(state: StateOption = None) -> None:
    """Show what runs; exit code 1 when the platform is down."""
    found = lifecycle.status(state)
    if not found.running:
        print("down")
        raise typer.Exit(1)
    table = Table("program", "state", "pid", "seconds")
    for info in found.programs:
        table.add_row(info.name, info.state, str(info.pid or ""), f"{lifecycle.uptime(info):.0f}")
    console = Console()
    console.print(table)
    _print_urls(Platform.load(state.resolve() if state else None), console, True)


def _print_urls(platform: Platform, console: Console, with_monitoring: bool) -> None:
    rows = [
        ("Airflow", f"{platform.airflow.url}  (user {platform.airflow.admin}, password in "
                    f"{platform.airflow.admin_password_file})"),
        ("supervisord", platform.supervisord.url.removesuffix("/RPC2")),
        ("PostgreSQL", f"{platform.postgres.host}:{platform.postgres.proxy_port} (proxy), "
                       f"{platform.postgres.port} (direct)"),
        ("Redis", platform.redis.url),
        ("dependency", platform.dependency.url),
    ]  # fmt: skip
    if with_monitoring:
        rows.append(("Prometheus", platform.monitoring.prometheus_url))
        rows.append(("Alertmanager", platform.monitoring.alertmanager_url))
    for name, value in rows:
        console.print(f"  {name:<13}{value}", soft_wrap=True)


def main() -> None:
    """Run the command line; an expected failure is one message and exit code 2."""
    try:
        app()
    except PlatformError as error:
        print(f"localplatform: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
