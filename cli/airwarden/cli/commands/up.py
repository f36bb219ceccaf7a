"""`airwarden up`: all of it on one machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airwarden.cli.options import DEFAULT, ConfigOption

if TYPE_CHECKING:
    from airwarden.cli.up.stack import Stack
    from airwarden.core.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("up")(_up)


def _up(
    config: ConfigOption = DEFAULT,
    folder: Annotated[
        Path | None,
        typer.Option("--state", help="State folder; var/up beside the settings file by default."),
    ] = None,
) -> None:
    """Run exporter and remediator, and Prometheus and Alertmanager where none is configured.

    State, logs and tokens are in the state folder; a second start goes on from there. Ctrl-C stops
    everything.
    """
    from airwarden.cli.up import state
    from airwarden.cli.up.stack import Stack

    place = (folder or config.resolve().parent / state.DEFAULT).resolve()
    with state.owned(place):
        stack = Stack(config, place, typer.echo)
        try:
            stack.start()
            _introduce(stack, place)
            stack.run()
        finally:
            typer.echo("stopping")
            stack.stop()
    typer.echo("stopped")


def _console(settings: Settings) -> str:
    """Return where the console is, and with what one signs in if nobody has a password yet."""
    if not settings.remediator.console.enabled:
        return "off (remediator.console.enabled)"
    address = f"{settings.remediator_url}/console/"
    token = settings.remediator.api_token
    if token is None or token.file is None:
        return address
    return f"{address} (any name, and the token in {token.file})"


def _introduce(stack: Stack, place: Path) -> None:
    """Print where everything is."""
    settings = stack.settings
    watched = ", ".join(f"{one.name} at {one.airflow.url}" for one in settings.clusters)
    rows = (
        ("watching", watched),
        ("mode", f"{settings.remediator.mode.value} (remediator.mode in the settings)"),
        ("exporter", f"{settings.exporter_url}/metrics"),
        ("remediator", settings.remediator_url),
        ("console", _console(settings)),
        ("prometheus", f"{settings.prometheus.url}/alerts"),
        ("alertmanager", settings.alertmanager.url),
        ("dashboards", str(stack.generated / "grafana")),
        ("logs", str(place / "logs")),
        ("state", str(place)),
    )
    for name, value in rows:
        typer.echo(f"  {name:<13}{value}")
    names = {child.name for child in stack.children}
    if "prometheus" not in names:
        typer.echo(
            f"Prometheus is yours: have it load {stack.generated}/prometheus/rules/*.yml and scrape"
            f" what {stack.generated}/prometheus/prometheus.yml names"
        )
    typer.echo("Ctrl-C stops everything.")
