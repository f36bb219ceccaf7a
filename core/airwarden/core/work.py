"""The work in hand: by when it must have ended, and how old what it read is.

Whoever begins it opens it; whoever waits for another system within it asks how long it may still take. A
thread cannot be cancelled from outside, so it is each wait that ends in time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from airwarden.core.errors import UnavailableError


@dataclass(slots=True)
class Work:
    """One piece of work.

    Attributes:
        until: When it must have ended, by `time.monotonic`.
        lag: Seconds by which the most backward of its sources was behind; None where none was a replica.
    """

    until: float
    lag: float | None = None


_NOW: ContextVar[Work | None] = ContextVar("work", default=None)
_DETAILS: ContextVar[bool] = ContextVar("details", default=False)


@contextmanager
def work(seconds: float) -> Iterator[Work]:
    """Open a piece of work that may take so many seconds."""
    opened = Work(time.monotonic() + seconds)
    token = _NOW.set(opened)
    try:
        yield opened
    finally:
        _NOW.reset(token)


def left(most: float) -> float:
    """Return the seconds that one wait may take: at most `most`, and no more than the work has left.

    Raises:
        UnavailableError: It has none left.
    """
    now = _NOW.get()
    if now is None:
        return most
    rest = now.until - time.monotonic()
    if rest <= 0:
        raise UnavailableError("the time of this work is over")
    return min(most, rest)


def until(otherwise: float) -> float:
    """Return when the work in hand must have ended, by `time.monotonic`; `otherwise` where there is none."""
    now = _NOW.get()
    return otherwise if now is None else now.until


@contextmanager
def details() -> Iterator[None]:
    """Do what tells details: of what is scarce it may have a part."""
    token = _DETAILS.set(True)
    try:
        yield
    finally:
        _DETAILS.reset(token)


def are_details() -> bool:
    """Return whether the work in hand tells details."""
    return _DETAILS.get()


def read_from_replica(lag: float) -> None:
    """Note that the work in hand read from a replica that is so many seconds behind."""
    now = _NOW.get()
    if now is not None:
        now.lag = max(now.lag or 0.0, lag)
