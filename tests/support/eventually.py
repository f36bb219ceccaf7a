"""Waiting in tests: until a condition holds, with a deadline, never for a fixed time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(
    condition: Callable[[], T], *, within: float, every: float = 0.05, what: str = ""
) -> T:
    """Poll until `condition()` is truthy and return its value.

    Args:
        condition: Called repeatedly; an AssertionError counts as not yet.
        within: Seconds until the test fails.
        every: Seconds between two looks.
        what: What is waited for, for the failure's message.
    """
    end = time.monotonic() + within
    last: object = None
    while True:
        try:
            value = condition()
            if value:
                return value
            last = value
        except AssertionError as error:
            last = error
        if time.monotonic() > end:
            raise AssertionError(f"not within {within} s: {what or condition} (last: {last!r})")
        time.sleep(every)


def holds_for(
    condition: Callable[[], bool],
    *,
    seconds: float,
    every: float = 0.2,
    what: Callable[[], str] | str = "",
) -> None:
    """Assert that `condition()` stays true for that many seconds, looked at `every` so often."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not condition():
            words = what() if callable(what) else what
            raise AssertionError(f"did not hold for {seconds} s: {words or condition}")
        time.sleep(every)
