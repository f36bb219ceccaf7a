"""How every command prints what it found: for people, or with `--output json` for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import typer

from airwarden.cli.options import OutputFormat


def present(found: Any, output: OutputFormat, show: Callable[[], None]) -> None:
    """Print what a command found.

    Args:
        found: What programs get: lists, mappings and plain values; its shape stands in
            `airwarden.cli.shapes`.
        output: Who reads it.
        show: Prints it for people.
    """
    if output is OutputFormat.JSON:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False, default=str))
    else:
        show()
