"""Waiting for a condition, always with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from localplatform.errors import DeadlineExceeded

T = TypeVar("T")


def wait_until(
    check: Callable[[], T | None], *, seconds: float, what: str, every: float = 0.2
) -> T:
    """Call ``check`` until it gives something true, and return that.

    ``seconds`` is the deadline, ``every`` the pause between calls, in seconds.
    Errors of ``check`` that mean "not there yet" (``OSError``, and what derives from
    it) count as not yet; the last one is quoted when the deadline passes.

    Raises :class:`DeadlineExceeded` with ``what``, the thing awaited, in its message.
    """
    deadline = time.monotonic() + seconds
    last_error: OSError | None = None
    while True:
        try:
            found = check()
        except OSError as error:
            last_error = error
        else:
            if found:
                return found
        if time.monotonic() >= deadline:
            hint = f" (last error: {last_error})" if last_error else ""
            raise DeadlineExceeded(f"{what}: not within {seconds:.0f} s{hint}")
        time.sleep(every)
