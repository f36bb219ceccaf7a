"""`airwarden playbooks`: what the playbooks would have done with alerts that are over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from airwarden.cli.options import (
    DEFAULT,
    ConfigOption,
    LogFormat,
    LogLevel,
    OutputFormat,
    OutputOption,
    load_settings,
)
from airwarden.cli.printing import present
from airwarden.core.errors import WrongInputError

if TYPE_CHECKING:
    from airwarden.remediation.simulating import Simulated


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Try the playbooks out on alerts of the past.")
    group.callback()(_group)
    group.command("simulate")(_simulate)
    app.add_typer(group, name="playbooks")


def _group() -> None:
    """Try the playbooks out on alerts of the past."""


def _simulate(
    history: Annotated[
        Path | None,
        typer.Argument(
            help="JSON lines, or a JSON list, of alerts as Alertmanager's API shows them: labels,"
            " startsAt, endsAt. Without it Prometheus is asked."
        ),
    ] = None,
    config: ConfigOption = DEFAULT,
    days: Annotated[
        float, typer.Option(min=0.01, max=400, help="How far back Prometheus is asked.")
    ] = 7.0,
    step: Annotated[int, typer.Option(min=1, max=3600, help="Seconds between its samples.")] = 30,
    as_configured: Annotated[
        bool,
        typer.Option(
            "--as-configured", help="In the modes of the settings; by default all may act."
        ),
    ] = False,
    playbook: Annotated[str, typer.Option("--playbook", help="One playbook only.")] = "",
    firings: Annotated[
        bool,
        typer.Option("--firings", help="JSON lines for airwarden scorecard PLAYBOOK --replayed."),
    ] = False,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Replay a recorded alert history: what would have been done, and why not.

    The engine itself replays it in virtual time, on a journal that is thrown away; nothing is reached but
    Prometheus, if it is asked. Assumed is what nobody recorded: that each fault was there while its alert
    fired, that actions found what the labels name, and that they helped. What only the live platform can
    tell (how many workers were left, what an action itself refuses) is not judged.
    """
    import json
    from dataclasses import asdict

    from airwarden.cli import logs, people, recorded
    from airwarden.cli.remediating import playbook_set, site_actions
    from airwarden.remediation.decide.states import Mode
    from airwarden.remediation.simulating import Simulation

    # Only what goes wrong: the engine tells of each lease that it takes in virtual time.
    logs.configure(LogFormat.CONSOLE, LogLevel.WARNING)
    settings = load_settings(config)
    playbooks = playbook_set(settings)
    if playbook and playbook not in playbooks.by_name:
        raise WrongInputError(f"there is no playbook {playbook!r}", place="--playbook")
    if firings and not playbook:
        raise WrongInputError("belongs to one --playbook", place="--firings")
    past = recorded.of_file(history) if history else recorded.of_prometheus(settings, days, step)
    simulation = Simulation(
        playbooks,
        site_actions(settings),
        people.windows(settings, playbooks),
        mode=None if as_configured else Mode.AUTO,
    )
    found = [one for one in simulation.run(past) if playbook in ("", one.playbook)]
    if firings:
        for one in found:
            typer.echo(json.dumps(_firing(one)))
    else:
        present([asdict(one) for one in found], output, lambda: _show(found, len(past)))


def _firing(one: Simulated) -> dict[str, Any]:
    cleared = one.ended_at.isoformat() if one.ended_at and not one.did else None
    return {
        "at": one.at.isoformat(),
        "would_do": [what for _, what in one.did],
        **({"cleared_at": cleared} if cleared else {}),
    }


def _show(found: Sequence[Simulated], alerts: int) -> None:
    if not found:
        typer.echo(f"{alerts} alerts: no incident")
        return
    for one in found:
        named = ", ".join(f"{name} ×{n}" if n > 1 else name for name, n in one.alerts.items())
        again = f", came back {one.recurrences} time(s)" if one.recurrences else ""
        typer.echo(f"{_moment(one.at)} {one.cluster}: {one.title}{again}")
        typer.echo(f"  {named or 'alerts of a storm'} → {one.playbook or 'no playbook'}")
        for at, what in one.did:
            typer.echo(f"  {_moment(at)} would have done: {what}")
        if one.why_not:
            typer.echo(f"  {'nothing more' if one.did else 'nothing'}: {one.why_not}")
        if one.paged_at:
            typer.echo(f"  {_moment(one.paged_at)} would have paged")
    acted = sum(bool(one.did) for one in found)
    paged = sum(one.paged_at is not None for one in found)
    effects = sum(len(one.did) for one in found)
    typer.echo(
        f"{alerts} alerts, {len(found)} incidents: {acted} treated with {effects} effect(s), {paged} paged"
    )


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
