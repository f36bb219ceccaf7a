"""The table of `airwarden incidents`, and what its filters mean."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from airwarden.core.durations import parse_duration
from airwarden.core.errors import WrongInputError
from airwarden.remediation.decide.states import IncidentState
from airwarden.remediation.storytelling import lasted

_OVER = frozenset(state.value for state in IncidentState if state.terminal)
#: How a severity looks on a terminal.
SEVERITY_STYLE = {"critical": "bold red", "warning": "yellow"}
#: Columns from which on a state stands on one line.
_WIDE = 110
_WAITING = {
    "ESCALATED": "needs a person",
    "NO_PLAYBOOK": "needs a person",
    "HUMAN_OWNED": "a person has it",
}


def states(given: Sequence[str]) -> list[str]:
    """Return states as the API spells them; raises WrongInputError with the nearest one."""
    known = {state.value.lower().replace("_", "-"): state.value for state in IncidentState}
    found = []
    for name in given:
        plain = name.strip().lower().replace("_", "-")
        if plain not in known:
            near = difflib.get_close_matches(plain, known, n=1)
            raise WrongInputError(
                f"there is no state {name!r}",
                place="--state",
                hint=f"did you mean {near[0]}?" if near else f"one of {', '.join(known)}",
            )
        found.append(known[plain])
    return found


def moment(text: str, now: datetime | None = None) -> datetime:
    """Return the moment that `2h`, a date or a time of day on a date means; UTC without a zone.

    Raises:
        WrongInputError: It is none of these.
    """
    try:
        return (now or datetime.now(UTC)) - parse_duration(text)
    except (ValueError, OverflowError):
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise WrongInputError(
            f"{text!r} is neither a length of time nor a date",
            place="--since",
            hint="write for example 2h, 3d, 2026-03-01 or 2026-03-01T04:00",
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def show(found: Sequence[dict[str, Any]], *, open_only: bool, limit: int) -> None:
    """Print the table, and how many of them wait for a person."""
    if not found:
        typer.echo("no open incidents" if open_only else "no incidents match")
        return
    console = Console()
    table = Table(box=None, pad_edge=False)
    for title in ("no.", "began", "severity"):
        table.add_column(title, no_wrap=True)
    table.add_column("state", max_width=17 if console.width < _WIDE else None)
    table.add_column("what", overflow="fold")
    now = datetime.now(UTC)
    for one in sorted(found, key=lambda one: not needs_person(one)):
        table.add_row(*_row(one, now))
    console.print(table)
    waiting = sum(needs_person(one) for one in found)
    said = f"{len(found)} incident{'s' if len(found) > 1 else ''}"
    said += f", {waiting} wait{'s' if waiting == 1 else ''} for a person" if waiting else ""
    first = next((one for one in found if needs_person(one)), found[0])
    typer.echo(f"\n{said}; airwarden explain {first['incident_id']} tells its story")
    if len(found) == limit:
        typer.echo(
            f"only the newest {limit} are shown: --limit shows more, --state or --since fewer"
        )


def needs_person(one: Mapping[str, Any]) -> bool:
    """Return whether it waits for a person."""
    return one["state"] in ("ESCALATED", "NO_PLAYBOOK") or bool(one["approval_expires_at"])


def _row(one: dict[str, Any], now: datetime) -> list[str]:
    style = SEVERITY_STYLE.get(one["severity"], "dim")
    return [
        f"{one['incident_id']}",
        _ago(one["opened_at"], now),
        f"[{style}]{escape(one['severity'])}[/]",
        state_of(one, now),
        _what(one),
    ]


def _ago(text: str, now: datetime) -> str:
    return f"{lasted(max((now - datetime.fromisoformat(text)).total_seconds(), 0))} ago"


def state_of(one: Mapping[str, Any], now: datetime) -> str:
    """Return where it stands, in rich's markup."""
    name = str(one["state"]).lower().replace("_", " ")
    if one["approval_expires_at"]:
        left = (datetime.fromisoformat(one["approval_expires_at"]) - now).total_seconds()
        return f"[bold]needs your yes[/] ({lasted(max(left, 0))} left)"
    if one["state"] in _WAITING:
        who = f" ({escape(one['owner'])})" if one["owner"] else ""
        return f"[bold]{_WAITING[one['state']]}[/]{who}"
    if one["state"] in _OVER:
        return f"[dim]{name}[/]"
    return name


def _place(one: Mapping[str, Any]) -> str:
    return f"cluster {one['cluster']}, {one['playbook'] or 'no playbook'}"


def _what(one: dict[str, Any]) -> str:
    lines = [escape(one["title"]), f"[dim]{escape(_place(one))}[/]"]
    if one["reason"]:
        lines.append(f"[dim]{escape(one['reason'])}[/]")
    marks = []
    if one["paged"]:
        marks.append("paged")
    if one["recurrence"]:
        marks.append(f"came back {one['recurrence']}×")
    if one["alerts_total"] > 1:
        marks.append(f"{one['alerts_total']} alerts")
    if marks:
        lines.append(f"[dim]({', '.join(marks)})[/]")
    return "\n".join(lines)
