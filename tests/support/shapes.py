"""Holds what commands print with `--output json` to the shapes that are documented."""

from __future__ import annotations

import json
from typing import Any

from airwarden.cli.shapes import SHAPES


def shaped(command: str, printed: str) -> Any:
    """Return what a command printed; fails where it is no JSON of the command's shape.

    Args:
        command: As `SHAPES` names it.
        printed: All of its stdout.
    """
    shape = SHAPES[command]
    found = json.loads(printed)
    assert isinstance(found, list if shape.many else dict), printed[:300]
    for one in found if shape.many else [found]:
        if shape.of is str:
            assert isinstance(one, str)
        else:
            assert set(one) == shape.keys, command
    return found
