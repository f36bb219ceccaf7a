"""`airwarden windows`: maintenance, freezes and quiet hours, once or again and again."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from airwarden.cli.commands._operating import ClusterOption, ReasonOption, connect
from airwarden.cli.commands._windows import show_windows
from airwarden.cli.options import DEFAULT, ConfigOption, OutputFormat, OutputOption
from airwarden.cli.printing import present


class WindowKind(StrEnum):
    """What a window means."""

    MAINTENANCE = "maintenance"
    FREEZE = "freeze"
    QUIET = "quiet"


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    group = typer.Typer(
        no_args_is_help=True, help="Maintenance, freezes and quiet hours, by time zone."
    )
    group.command("list")(_list)
    group.command("add")(_add)
    group.command("end")(_end)
    app.add_typer(group, name="windows")


def _list(config: ConfigOption = DEFAULT, output: OutputOption = OutputFormat.TEXT) -> None:
    """List the windows that are open or will be, those of the settings first."""
    show_windows(connect(config).get("windows")["windows"], output)


def _add(
    kind: Annotated[WindowKind, typer.Argument(help="What it means.")],
    lasts: Annotated[str, typer.Option("--for", help="How long: 8h, 2d.")],
    config: ConfigOption = DEFAULT,
    starts: Annotated[
        str, typer.Option(help="First beginning, local time: 2026-01-30T18:00; else now.")
    ] = "",
    repeats: Annotated[
        str, typer.Option(help="How it repeats (RFC 5545): FREQ=WEEKLY;BYDAY=FR.")
    ] = "",
    timezone: Annotated[str, typer.Option(help="Whose clock: Europe/Berlin.")] = "UTC",
    until: Annotated[str, typer.Option(help="No repetition after this local time.")] = "",
    cluster: ClusterOption = "*",
    playbook: Annotated[
        list[str] | None, typer.Option(help="Only this playbook; give it again for more.")
    ] = None,
    reason: ReasonOption = "",
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Add a window: from now on, or from --starts on, and again as --repeats says.

    maintenance: nothing is done. freeze: nothing but pages. quiet: danger A only, B after approval.
    """
    body: dict[str, Any] = {
        "kind": kind.value,
        "for": lasts,
        "repeats": repeats,
        "timezone": timezone,
        "cluster": cluster,
        "playbooks": list(playbook or ()),
        "reason": reason,
    }
    body |= {name: value for name, value in (("starts", starts), ("until", until)) if value}
    show_windows([connect(config).post("windows", body)], output)


def _end(
    number: Annotated[int, typer.Argument(help="The window's number.")],
    config: ConfigOption = DEFAULT,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """End a window now, with all its repetitions; those of the settings are ended there."""
    one = connect(config).post(f"windows/{number}/end", {})
    present([one], output, lambda: typer.echo(f"{one['kind']} {one['id']} is over"))
