"""A long-running program's life: wait for signals, reload on SIGHUP, stop on SIGTERM and SIGINT."""

from __future__ import annotations

import queue
import signal
from collections.abc import Callable
from types import FrameType


def hold_hangups() -> None:
    """Ignore SIGHUP until `wait`: while a program starts, its settings are being read anyway."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def wait(*, reload: Callable[[], object], tick: Callable[[], None] | None = None) -> signal.Signals:
    """Return the signal that asks to stop; call from the main thread.

    Args:
        reload: Called for each SIGHUP, outside the signal handler.
        tick: Called about twice a second while nothing happens.
    """
    arrived: queue.SimpleQueue[int] = queue.SimpleQueue()

    def note(number: int, _frame: FrameType | None) -> None:
        arrived.put(number)

    previous = {
        number: signal.signal(number, note)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    }
    try:
        while True:
            try:
                number = arrived.get(timeout=0.5)
            except queue.Empty:
                if tick is not None:
                    tick()
                continue
            if number != signal.SIGHUP:
                return signal.Signals(number)
            reload()
    finally:
        for known, handler in previous.items():
            signal.signal(known, handler)
