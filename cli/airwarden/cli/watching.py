"""A screen that is drawn anew every few seconds, until q is pressed."""

from __future__ import annotations

import select
import signal
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console, RenderableType
from rich.live import Live

_LEAVE = frozenset({"q", "Q", "\x03", "\x04", "\x1b"})
#: Seconds within which a key is seen.
_LOOK = 0.1


class _Readings:
    """Takes a reading at a time, beside the keyboard: a source that does not answer freezes no key."""

    def __init__(self, take: Callable[[], RenderableType]) -> None:
        self._take = take
        self._thread: threading.Thread | None = None
        self._found: RenderableType | None = None
        self._error: BaseException | None = None

    @property
    def idle(self) -> bool:
        """Whether none is under way, nor one that nobody has asked for."""
        return self._thread is None

    def begin(self) -> None:
        """Begin a reading."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._found = self._take()
        except BaseException as error:  # raised where it is asked for
            self._error = error

    def done(self) -> RenderableType | None:
        """Return the reading when it is there, once; None while it is not. Raises what it raised."""
        if self._thread is None or self._thread.is_alive():
            return None
        self._thread = None
        if self._error is not None:
            raise self._error
        return self._found


def watch(take: Callable[[], RenderableType], every: float) -> None:
    """Show what is taken until q, Escape, Ctrl-C or Ctrl-D; the terminal is left as it was.

    Args:
        take: Reads and returns what is shown.
        every: Seconds between two readings.
    """
    readings = _Readings(take)
    console = Console(highlight=False)
    with _keys(), Live("reading …", console=console, screen=True, auto_refresh=False) as live:
        live.refresh()
        readings.begin()
        due = time.monotonic() + every
        while not _left():
            found = readings.done()
            if found is not None:
                live.update(found, refresh=True)
            if readings.idle and time.monotonic() >= due:
                due = time.monotonic() + every
                readings.begin()


@contextmanager
def _keys() -> Iterator[None]:
    """Give keys at once and unseen; Ctrl-C and an end from outside leave as q does."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        raise _LeaveError

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    handlers = {one: signal.signal(one, leave) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        tty.setcbreak(descriptor)
        yield
    except _LeaveError:
        pass
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)


class _LeaveError(Exception):
    """A person, or the system, wants to leave."""


def _left() -> bool:
    ready, _, _ = select.select([sys.stdin], [], [], _LOOK)
    if not ready:
        return False
    key = sys.stdin.read(1)
    return not key or key in _LEAVE
