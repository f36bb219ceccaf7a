"""`airwarden approve`: an operator's yes to a plan."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from airwarden.cli.commands._operating import (
    IncidentArgument,
    ReasonOption,
    connect,
    moment,
    show_standing,
)
from airwarden.cli.options import DEFAULT, ConfigOption, OutputFormat, OutputOption
from airwarden.cli.printing import present
from airwarden.core.errors import ConflictError, WrongInputError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("approve")(_approve)


def _approve(
    incident: IncidentArgument,
    config: ConfigOption = DEFAULT,
    reason: ReasonOption = "",
    plan: Annotated[
        str,
        typer.Option("--plan", help="Only the plan of this hash, as airwarden explain shows it."),
    ] = "",
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask; takes what is shown.")
    ] = False,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Show the plan that an incident waits with, and approve exactly that one.

    It is made anew then: the same content is executed within a minute, another one is asked for again.
    """
    import sys

    operator = connect(config)
    waiting = operator.get(f"incidents/{incident}")["approval"]
    if waiting is None:
        raise ConflictError(
            f"incident {incident} waits for no decision: look with airwarden explain {incident}"
        )
    if plan and not str(waiting["plan"]).startswith(plan):
        raise ConflictError(
            f"the plan is {waiting['plan']} now, not {plan}: look with airwarden explain {incident}"
        )
    if output is OutputFormat.TEXT or not (plan or yes):
        _show(waiting, err=output is OutputFormat.JSON)
    if not plan and not yes:
        if not sys.stdin.isatty():
            raise WrongInputError(
                "nobody is there to be asked",
                place="approve",
                hint=f"give --plan {waiting['plan']}, or --yes for whatever is shown",
            )
        typer.confirm("approve this?", abort=True, err=output is OutputFormat.JSON)
    body = {"reason": reason, "nonce": waiting["nonce"]}
    view = operator.post(f"incidents/{incident}/approve", body)
    present(view, output, lambda: show_standing(view))


def _show(waiting: dict[str, Any], *, err: bool) -> None:
    until = moment(waiting["expires_at"])
    typer.echo(f"plan {waiting['plan']}, to be decided until {until}:", err=err)
    for effect in waiting["effects"]:
        typer.echo(f"  {effect}", err=err)
    if waiting["changed"]:
        typer.echo("it differs from the plan that was asked about before:", err=err)
        for line in waiting["changed"]:
            typer.echo(f"  {line}", err=err)
