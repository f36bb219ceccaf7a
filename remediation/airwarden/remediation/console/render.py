"""Templates: read once, escaped always, and what they may ask for."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airwarden.core.durations import format_duration
from airwarden.remediation.console.web import BASE
from airwarden.remediation.storytelling import lasted

if TYPE_CHECKING:
    import jinja2

_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
#: What a title ends with where it names its subject by labels.
_SUBJECT = re.compile(r" \((?:\w+=[^()]*)\)$")
#: Characters of a value that is shown whole.
_WIDTH = 200


@cache
def static() -> Mapping[str, tuple[bytes, str]]:
    """Return name → content and kind of what pages load."""
    found: dict[str, tuple[bytes, str]] = {}
    for one in (files("airwarden.remediation.console") / "static").iterdir():
        kind = _KINDS.get("." + one.name.rpartition(".")[2])
        if kind is not None:
            found[one.name] = (one.read_bytes(), kind)
    return found


@cache
def version_of(name: str) -> str:
    """Return what of a file's address changes with its content."""
    return hashlib.sha256(static()[name][0]).hexdigest()[:12]


@cache
def environment() -> jinja2.Environment:
    """Return the templates."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.PackageLoader("airwarden.remediation.console"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "ago": ago,
        "clock": clock,
        "iso": iso,
        "lasting": lasting,
        "low": low,
        "moment": moment,
        "plain": plain,
        "brief": brief,
        "quoted": lambda text: quote(str(text), safe=""),
    }
    made.globals |= {"base": BASE, "asset": asset}
    return made


def asset(name: str) -> str:
    """Return the address of a file that pages load; another one when its content is."""
    return f"{BASE}/static/{name}?v={version_of(name)}"


def iso(at: datetime) -> str:
    """Return a moment as machines read it."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def clock(at: datetime) -> str:
    """Return the time of day, in UTC."""
    return f"{at.astimezone(UTC):%H:%M:%S}"


def moment(at: datetime) -> str:
    """Return date and time, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def ago(at: datetime, now: datetime) -> str:
    """Return how long ago, or in how long, something is."""
    seconds = (now - at).total_seconds()
    return f"{lasted(seconds)} ago" if seconds >= 0 else f"in {lasted(-seconds)}"


def lasting(value: float | timedelta) -> str:
    """Return a length of time."""
    if isinstance(value, timedelta):
        return format_duration(value)
    return lasted(value)


def low(value: object) -> str:
    """Return a state as people write it: `human owned`."""
    return str(value).lower().replace("_", " ")


def brief(title: str) -> str:
    """Return an incident's title without the labels that stand beside it anyway."""
    return _SUBJECT.sub("", title)


def plain(value: Any) -> str:
    """Return a value of a reading as people read it; a long one is cut."""
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
