"""`airwarden maintenance`: a time in which alerts are taken and nothing is done."""

from __future__ import annotations

from typing import Annotated

import typer

from airwarden.cli.commands._operating import ClusterOption, ReasonOption, connect, show_status
from airwarden.cli.options import DEFAULT, ConfigOption
from airwarden.core.errors import WrongInputError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("maintenance")(_maintenance)


def _maintenance(
    config: ConfigOption = DEFAULT,
    lasts: Annotated[str, typer.Option("--for", help="How long from now: 30m, 2h.")] = "",
    end: Annotated[bool, typer.Option("--end", help="End the open window now.")] = False,
    reason: ReasonOption = "",
    cluster: ClusterOption = "*",
) -> None:
    """Open a maintenance window from now on, end it, or with no option show how things stand."""
    if lasts and end:
        raise WrongInputError("give one of --for and --end, not both")
    operator = connect(config)
    if end:
        show_status(operator.post("maintenance", {"end": True, "cluster": cluster}))
    elif lasts:
        body = {"for": lasts, "reason": reason, "cluster": cluster}
        show_status(operator.post("maintenance", body))
    else:
        show_status(operator.get("status"))
