"""What the operators' commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from airwarden.cli.options import OutputFormat, load_settings
from airwarden.cli.printing import present

if TYPE_CHECKING:
    from airwarden.cli.operator import Operator
    from airwarden.core.settings import Settings

IncidentArgument = Annotated[int, typer.Argument(help="The incident's number.")]
ReasonOption = Annotated[str, typer.Option("--reason", "-r", help="Why; kept in the audit.")]
ClusterOption = Annotated[str, typer.Option("--cluster", help="One cluster only; * is all.")]
PlaybookOption = Annotated[str, typer.Option("--playbook", help="One playbook only.")]


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


def order(
    config: Path, incident: int, what: str, body: dict[str, Any], output: OutputFormat
) -> None:
    """Send an order about an incident and print how it stands."""
    view = connect(config).post(f"incidents/{incident}/{what}", body)
    present(view, output, lambda: show_standing(view))


def show_standing(view: dict[str, Any]) -> None:
    """Print one line about an incident."""
    typer.echo(
        f"incident {view['incident_id']}: {view['state']}: {view['reason'] or view['title']}"
    )


def show_status(status: dict[str, Any]) -> None:
    """Print what is stopped, and the windows that are open."""
    stops = [one for one in status["switches"] if one["scope"].partition("/")[0] == "kill"]
    for switch in stops:
        name = switch["scope"].partition("/")[2]
        what = f"the remedies of {name} are" if name else "all remedies are"
        who = f"{switch['set_by']}: {switch['reason']}"
        typer.echo(f"{what} stopped ({where(switch['cluster'])}; {who})")
    for window in status["windows"]:
        typer.echo(f"{window['kind']} ({where(window['cluster'])}) until {moment(window['ends'])}")
    if not stops and not status["windows"]:
        typer.echo("remedies run as their modes allow")


def where(cluster: str) -> str:
    """Say a cluster, or all, for people."""
    return "everywhere" if cluster == "*" else f"cluster {cluster}"


def moment(text: str | None) -> str:
    """Shorten a time of the API for people; empty for none."""
    return f"{text[:19].replace('T', ' ')} UTC" if text else ""
