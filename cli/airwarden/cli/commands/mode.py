"""`airwarden mode`: what a playbook may do, at run time."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from airwarden.cli.commands._operating import ClusterOption, ReasonOption, connect, moment, where
from airwarden.cli.options import DEFAULT, ConfigOption, OutputFormat, OutputOption
from airwarden.cli.printing import present
from airwarden.core.errors import WrongInputError


class NewMode(StrEnum):
    """A mode, or the settings' word."""

    OFF = "off"
    SHADOW = "shadow"
    APPROVE = "approve"
    AUTO = "auto"
    SETTINGS = "settings"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("mode")(_mode)


def _mode(
    playbook: Annotated[str, typer.Argument(help="A playbook; * is all.")] = "",
    mode: Annotated[
        NewMode | None, typer.Argument(help="What it may do; settings takes the switch back.")
    ] = None,
    config: ConfigOption = DEFAULT,
    reason: ReasonOption = "",
    cluster: ClusterOption = "*",
    lasts: Annotated[str, typer.Option("--for", help="For a while only: 2h. Only lowers.")] = "",
    override: Annotated[
        str, typer.Option(help="An admin's reason to raise it before it is earned.")
    ] = "",
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Show the modes in force and what lowers them, or change one.

    The lowest of the settings and the switches is in force. Lowering takes a reason; raising has to be
    earned (airwarden scorecard), and never goes beyond what the settings allow.
    """
    operator = connect(config)
    if mode is None:
        if lasts or override or reason:
            raise WrongInputError("is missing: which mode is it to be", place="MODE")
        path = "playbooks" if playbook in ("", "*") else f"playbooks/{playbook}"
        _show(operator.get(path, cluster=cluster)["playbooks"], output)
        return
    body: dict[str, Any] = {"reason": reason, "cluster": cluster, "override": override}
    body["mode"] = None if mode is NewMode.SETTINGS else mode.value
    if lasts:
        body["for"] = lasts
    _show(operator.post(f"playbooks/{playbook}/mode", body)["playbooks"], output)


def _show(found: list[dict[str, Any]], output: OutputFormat) -> None:
    present(found, output, lambda: _modes(found))


def _modes(found: list[dict[str, Any]]) -> None:
    for one in found:
        typer.echo(f"{one['playbook']} ({where(one['cluster'])}): {one['mode']}")
        if one["mode"] != one["settings_mode"]:
            typer.echo(f"  the settings say {one['settings_mode']}")
        for switch in one["switches"]:
            until = f" until {moment(switch['until'])}" if switch["until"] else ""
            typer.echo(f"  {switch['mode']}{until} by {switch['set_by']}: {switch['reason']}")
        if one["override"]:
            typer.echo(f"  not earned; overridden by {one['override']}")
