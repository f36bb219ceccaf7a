"""`airwarden scorecard`: what a playbook has earned."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from airwarden.cli.commands._operating import ClusterOption, connect, moment
from airwarden.cli.options import DEFAULT, ConfigOption, OutputFormat, OutputOption, read_text
from airwarden.cli.printing import present
from airwarden.core.errors import WrongInputError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("scorecard")(_scorecard)


def _scorecard(
    playbook: Annotated[str, typer.Argument(help="One playbook, with its firings.")] = "",
    config: ConfigOption = DEFAULT,
    cluster: ClusterOption = "*",
    replayed: Annotated[
        Path | None,
        typer.Option(
            help="Count the firings of a replay first: JSON lines (at, would_do, verdict)."
        ),
    ] = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Tell what playbooks did or would have done, how people judged it, and whether promotion is earned."""
    operator = connect(config)
    if replayed is not None:
        if not playbook or cluster == "*":
            raise WrongInputError("belongs to one playbook and one --cluster", place="--replayed")
        body = {
            "cluster": cluster,
            "reference": replayed.name,
            "firings": _firings(replayed),
        }
        operator.post(f"playbooks/{playbook}/replayed", body)
    path = f"playbooks/{playbook}" if playbook else "playbooks"
    found = operator.get(path, cluster=cluster)["playbooks"]
    present(found, output, lambda: _all(found))


def _all(found: list[dict[str, Any]]) -> None:
    for one in found:
        _show(one)


def _firings(path: Path) -> list[Any]:
    import json

    found: list[Any] = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if line.strip():
            try:
                found.append(json.loads(line))
            except ValueError as error:
                place = f"{path}:{number}"
                raise WrongInputError(f"is not JSON: {error}", place=place) from None
    return found


def _show(one: dict[str, Any]) -> None:
    counted = one["tally"]
    typer.echo(
        f"{one['playbook']} (cluster {one['cluster']}): {one['mode']}, has earned {one['earned']}"
    )
    if counted["fired"]:
        replayed = f", {counted['replayed']} of them replayed" if counted["replayed"] else ""
        typer.echo(
            f"  in shadow since {moment(counted['since'])}: {counted['fired']} firings{replayed};"
            f" judged {counted['right']} right, {counted['wrong']} wrong,"
            f" {counted['harmful']} harmful; {counted['cleared']} ended by themselves"
        )
    if counted["approved_runs"]:
        typer.echo(f"  {counted['approved_runs']} approved runs that healed")
    if one["missing"]:
        following = "approve" if one["earned"] == "shadow" else "auto"
        typer.echo(f"  for {following}: {'; '.join(one['missing'])}")
    else:
        typer.echo("  promotion is earned")
    if one["override"]:
        typer.echo(f"  acts without having earned it, by {one['override']}")
    for firing in one["firings"]:
        typer.echo(f"  {_firing(firing)}")


def _firing(one: dict[str, Any]) -> str:
    what = "; ".join(one["would_do"]) or "nothing"
    verb = "did" if one["acted"] else "would have done"
    alone = f", ended by itself {moment(one['cleared_at'])}" if one["cleared_at"] else ""
    said = one["judgement"] or "not judged: airwarden verdict"
    return f"{moment(one['at'])} incident {one['incident_id']}: {verb} {what}{alone} ({said})"
