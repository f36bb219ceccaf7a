"""How windows are shown."""

from __future__ import annotations

from typing import Any

import typer

from airwarden.cli.commands._operating import moment, where
from airwarden.cli.options import OutputFormat
from airwarden.cli.printing import present

KEYS = ("maintenance", "freeze", "quiet")


def show_windows(found: list[dict[str, Any]], output: OutputFormat) -> None:
    """Print windows, for people or for programs."""
    text = "\n".join(map(_line, found)) or "no windows"
    present(found, output, lambda: typer.echo(text))


def _line(one: dict[str, Any]) -> str:
    number = f"{one['kind']} {one['id']}" if one["id"] else f"{one['kind']} {one['name']!r}"
    when = (
        f"open until {moment(one['ends'])}"
        if one["open"]
        else f"from {moment(one['begins'])} until {moment(one['ends'])}"
    )
    again = f", again by {one['repeats']} ({one['timezone']})" if one["repeats"] else ""
    books = f", {', '.join(one['playbooks'])} only" if one["playbooks"] else ""
    because = f": {one['reason']}" if one["reason"] else ""
    return f"{number}: {when}, {where(one['cluster'])}{books}{again}; {one['set_by']}{because}"
