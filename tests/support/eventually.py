"""Waiting in tests: until a condition holds, with a deadline, never for a fixed time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
#: Seconds that whatever is waited for may take at least: how soon it comes says how busy the machine is.
PATIENCE = 60.0


def eventually(
    condition: Callable[[], T],
    *,
    within: float,
    every: float = 0.05,
    what: str = "",
    promised: bool = False,
) -> T:
    """Poll until `condition()` is truthy and return its value.

    Args:
        condition: Called repeatedly; an AssertionError counts as not yet.
        within: Seconds that it takes at most on a machine with little to do; the test fails after
            :data:`PATIENCE` if that is longer.
        every: Seconds between two looks.
        what: What is waited for, for the failure's message.
        promised: Those seconds are what the code promises, so the test fails after them.
    """
    within = within if promised else max(within, PATIENCE)
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
