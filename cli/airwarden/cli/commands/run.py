"""`airwarden run`: a playbook, by hand, on a target that a person names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from airwarden.cli.commands._operating import ReasonOption, connect, show_standing
from airwarden.cli.options import DEFAULT, ConfigOption, OutputFormat, OutputOption
from airwarden.cli.printing import present
from airwarden.core.errors import ConflictError, WrongInputError

if TYPE_CHECKING:
    from airwarden.cli.operator import Operator

#: Seconds that a dry run may take: every step reads the live platform.
_REHEARSAL = 120.0
#: Seconds between two looks at a run that is waited for.
_LOOK_EVERY = 1.0
_OURS = ("OPEN", "TRIAGE", "REMEDIATING", "STABILIZING")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(_run)


def _run(
    playbook: Annotated[str, typer.Argument(help="The playbook's name.")],
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            "-t",
            help="LABEL=VALUE, as an alert would name it; repeatable. A bare value is for a playbook"
            " with one such label.",
        ),
    ] = None,
    config: ConfigOption = DEFAULT,
    cluster: Annotated[str, typer.Option("--cluster", help="Which, where there are several.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan; do nothing.")] = False,
    since: Annotated[
        str, typer.Option("--since", help="How long ago the fault began, for example 2h.")
    ] = "",
    reason: ReasonOption = "",
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask; takes what is shown.")
    ] = False,
    wait: Annotated[bool, typer.Option(help="Follow the run until it is over.")] = True,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Run a playbook by hand: show what it would do now, ask, and do exactly that.

    The same checks, guards, journal and audit as with an alert; your yes is for the effects shown, and
    for no others: what is planned later waits for airwarden approve. Exit code 1 where it did not heal.
    """
    import sys

    operator = connect(config)
    order = _target(target or [])
    order |= {"cluster": cluster} if cluster else {}
    order |= {"since": since} if since else {}
    path = f"playbooks/{playbook}/run"
    found = operator.post(path, {**order, "dry_run": True}, within=_REHEARSAL)["rehearsal"]
    if dry_run:
        present(found, output, lambda: _show(found))
        return
    people = output is OutputFormat.TEXT
    if people or not yes:
        _show(found, err=not people)
    if found["stopped"]:
        raise ConflictError(f"nothing is done: {found['stopped']}")
    if not reason:
        raise WrongInputError("is missing: why, for the audit", place="--reason")
    if not yes:
        if not sys.stdin.isatty():
            raise WrongInputError(
                "nobody is there to be asked", place="run", hint="--yes takes what is shown"
            )
        typer.confirm("do this?", abort=True, err=not people)
    body = {**order, "reason": reason, "plan": found["plan"]}
    view = operator.post(path, body, within=_REHEARSAL)["incident"]
    if people:
        show_standing(view)
    if wait:
        view = _follow(operator, int(view["incident_id"]), tell=people)
    present(view, output, lambda: show_standing(view) if wait else None)
    if wait and view["state"] != "RESOLVED":
        raise typer.Exit(1)


def _target(given: list[str]) -> dict[str, Any]:
    """Read the targets: labels, or one bare value, which the remediator puts to its label."""
    labels: dict[str, str] = {}
    bare = [one for one in given if "=" not in one]
    for one in given:
        name, equals, value = one.partition("=")
        if equals and (not value or name in labels):
            raise WrongInputError(f"{one!r} has no value, or is there twice", place="--target")
        if equals:
            labels[name] = value
    if len(bare) > 1:
        raise WrongInputError(f"{bare[1]!r} has no label: write LABEL=VALUE", place="--target")
    return {"target": labels, **({"name": bare[0]} if bare else {})}


def _show(found: dict[str, Any], *, err: bool = False) -> None:
    typer.echo("\n".join(_lines(found)), err=err)


def _lines(found: dict[str, Any]) -> Iterator[str]:
    target = ", ".join(f"{k}={v}" for k, v in sorted(found["target"].items()))
    yield f"{found['playbook']} on cluster {found['cluster']}{f', {target}' if target else ''}"
    said = {True: "the fault is there", False: "the fault is not there", None: "cannot be read"}
    yield f"  confirm: {said[found['confirmed']]}: {found['reading']}"
    if found["confirmed"] is False:
        yield "  unless that changes, nothing is done"
    for step in found["steps"]:
        yield f"  {step['step']}: {step['sentence'] or 'not done'}"
        yield from (f"    {effect}" for effect in step["effects"])
        if step["refusal"]:
            so = "left out" if step["optional"] else "it would end here, or wait"
            yield f"    {so}: {step['refusal']}"
    if found["stopped"]:
        yield f"  stopped: {found['stopped']}"
    yield f"plan {found['plan']}, danger {found['danger']}; nothing was done"


def _follow(operator: Operator, incident: int, *, tell: bool) -> dict[str, Any]:
    """Print the run's story until it is in no hands but people's; return how it stands then."""
    import time

    told: set[tuple[str, str]] = set()
    while True:
        view: dict[str, Any] = operator.get(f"incidents/{incident}")
        for line in view["timeline"] if tell else ():
            if (line["at"], line["sentence"]) not in told:
                told.add((line["at"], line["sentence"]))
                typer.echo(f"  {line['at'][11:19]} {line['sentence']}")
        if view["state"] not in _OURS:
            return view
        time.sleep(_LOOK_EVERY)
