"""Numbers in sentences: `1 task`, `3 tasks`, `twice`."""

from __future__ import annotations


def counted(number: int, one: str) -> str:
    """Return a number with its noun, an `s` where it is not one."""
    return f"{number} {one}" if number == 1 else f"{number} {one}s"


def times(number: int) -> str:
    """Return how often, as people say it."""
    return {1: "once", 2: "twice"}.get(number, f"{number} times")
