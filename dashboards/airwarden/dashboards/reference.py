"""The page of `docs/reference/` about the dashboards, made from the dashboards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from airwarden.dashboards.events import EVENTS
from airwarden.dashboards.generate import boards
from airwarden.dashboards.names import BOARDS
from airwarden.dashboards.variables import FILTERS, WINDOWS

_HEAD = """\
# Dashboards

This page is generated (`make generate`); a test compares it with what it describes. How to bring them into Grafana:
[Bring the dashboards into Grafana](../how-to/import-dashboards.md).

Each leads to the others and keeps the time range and what was chosen. Lines are the thresholds of the alerts, after
the words in `airwarden.yaml`; `dashboard_url` of an alert leads to the dashboard of its subject.
"""


def render() -> str:
    """Return the page in Markdown."""
    lines = [_HEAD]
    lines += ["| dashboard | address | answers |", "|---|---|---|"]
    lines += [f"| [{b.name}](#{_anchor(b.name)}) | `{b.url}` | {b.question} |" for b in BOARDS]
    lines += ["", "## What a reader chooses", "", "| variable | values |", "|---|---|"]
    lines += ["| `ds` | the Prometheus to ask |"]
    lines += [f"| `{entry.name}` | `{entry.query}` |" for entry in FILTERS]
    lines += [
        f"| `window` | {WINDOWS.replace(',', ', ')}: what ratios and quantiles look back over |"
    ]
    lines += [
        "",
        "## Drawn across every graph",
        "",
        "| event | from the start | query |",
        "|---|---|---|",
    ]
    lines += [f"| {e.name} | {'yes' if e.enabled else 'no'} | `{e.expr}` |" for e in EVENTS]
    for board, built in zip(BOARDS, boards(), strict=True):
        lines += ["", f"## {board.name}", "", board.question, "", "| panel | shows |", "|---|---|"]
        lines += _panels(built)
    return "\n".join(lines) + "\n"


def _anchor(heading: str) -> str:
    return heading.lower().replace(" ", "-")


def _panels(built: dict[str, Any]) -> Iterator[str]:
    for panel in built["panels"]:
        if panel["type"] == "row":
            yield f"| **{panel['title']}** | |"
        else:
            yield _line(panel)
        yield from (_line(inside) for inside in panel.get("panels", ()))


def _line(panel: dict[str, Any]) -> str:
    return f"| {panel['title']} | {panel['description']} |".replace("\n", " ")
