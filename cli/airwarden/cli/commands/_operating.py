"""What the operators' commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from airwarden.cli.options import load_settings

if TYPE_CHECKING:
    from airwarden.cli.operator import Operator
    from airwarden.core.settings import Settings

IncidentArgument = Annotated[int, typer.Argument(help="The incident's number.")]
ReasonOption = Annotated[str, typer.Option("--reason", "-r", help="Why; kept in the audit.")]
ClusterOption = Annotated[str, typer.Option("--cluster", help="One cluster only; * is all.")]


def connect(config: Path) -> Operator:
    """Return a connection to the remediator that the settings name, or that `up` runs."""
    from airwarden.cli.operator import Operator

    return Operator(settings_of(config))


def settings_of(config: Path) -> Settings:
    """Return the settings, with what an `up` that runs beside the file has filled in."""
    import os

    from airwarden.cli.up import state

    found = state.of_running(config.resolve().parent / state.DEFAULT)
    return load_settings(config, environ={**os.environ, **found})


def decide(config: Path, incident: int, decision: str, reason: str) -> None:
    """Send a decision and print how the incident stands."""
    view = connect(config).post(f"incidents/{incident}/{decision}", {"reason": reason})
    typer.echo(
        f"incident {view['incident_id']}: {view['state']}: {view['reason'] or view['title']}"
    )


def show_status(status: dict[str, Any]) -> None:
    """Print whether remedies are stopped, and the maintenance windows that are open."""
    stops = [switch for switch in status["switches"] if switch["scope"] == "kill"]
    for switch in stops:
        who = f"{switch['set_by']}: {switch['reason']}"
        typer.echo(f"all remedies are stopped ({_where(switch['cluster'])}; {who})")
    for window in status["maintenance"]:
        typer.echo(f"maintenance ({_where(window['cluster'])}) until {window['until']}")
    if not stops and not status["maintenance"]:
        typer.echo("remedies run as their modes allow")


def _where(cluster: str) -> str:
    return "everywhere" if cluster == "*" else f"cluster {cluster}"
