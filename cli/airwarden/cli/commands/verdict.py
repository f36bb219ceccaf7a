"""`airwarden verdict`: what a person says of a remedy."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from airwarden.cli.commands._operating import IncidentArgument, ReasonOption, connect
from airwarden.cli.options import DEFAULT, ConfigOption, OutputFormat, OutputOption
from airwarden.cli.printing import present


class Verdict(StrEnum):
    """What a person says."""

    RIGHT = "right"
    WRONG = "wrong"
    HARMFUL = "harmful"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("verdict")(_verdict)


def _verdict(
    incident: IncidentArgument,
    verdict: Annotated[Verdict, typer.Argument(help="What it was, or would have been.")],
    config: ConfigOption = DEFAULT,
    reason: ReasonOption = "",
    reference: Annotated[
        str, typer.Option("--ref", help="What was done instead: a ticket, a change.")
    ] = "",
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Judge what was done in an incident, or in shadow would have been: it counts for promotion.

    right: I would have done this. wrong: it was needless, or something else was called for. harmful: it
    did harm, or would have. A later verdict replaces an earlier one.
    """
    body = {"verdict": verdict.value, "reason": reason, "reference": reference}
    firing = connect(config).post(f"incidents/{incident}/verdict", body)
    what = "; ".join(firing["would_do"]) or "nothing"
    done = "it did" if firing["acted"] else "it would have done"
    said = f"incident {incident} is judged {firing['judgement']}: {done} {what}"
    present(firing, output, lambda: typer.echo(said))
