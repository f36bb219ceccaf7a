"""Who does the engine's pieces of work: a few threads, one piece per run or incident at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import structlog

from airwarden.core.clock import Clock
from airwarden.core.errors import UnavailableError
from airwarden.remediation.journal.store import FencedError

_log = structlog.get_logger(__name__)

#: After this many unexpected errors in a row, a piece of work is given up.
GIVE_UP = 4
#: Seconds after which what the journal could not take is tried again.
_POSTPONED = 2.0


class Crew(Protocol):
    """Does pieces of work."""

    def do(self, key: str, work: Callable[[], None], give_up: Callable[[str], None]) -> None:
        """Begin a piece unless one of that key is under way or resting after an error.

        Args:
            key: Which run or incident.
            work: The piece; what it raises is logged.
            give_up: Called with the error's text after `GIVE_UP` unexpected errors in a row.
        """
        ...

    def stop(self) -> None:
        """Wait for the pieces under way."""
        ...


class _Throttle:
    """Lets what fails unexpectedly rest a little longer each time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._mutex = threading.Lock()
        self._rest: dict[str, tuple[int, float]] = {}

    def resting(self, key: str) -> bool:
        with self._mutex:
            return self._clock.elapsed() < self._rest.get(key, (0, 0.0))[1]

    def guarded(self, key: str, work: Callable[[], None], give_up: Callable[[str], None]) -> None:
        try:
            work()
        except FencedError as error:
            _log.info("work dropped", work=key, reason=str(error))
        except UnavailableError as error:
            _log.warning("work postponed", work=key, error=str(error))
            self._rests(key, _POSTPONED)
        except Exception as error:  # counted: after a few, a person gets the run
            _log.exception("work failed", work=key)
            if self._failed(key) >= GIVE_UP:
                give_up(f"{type(error).__name__}: {error}")
        else:
            with self._mutex:
                self._rest.pop(key, None)

    def _failed(self, key: str) -> int:
        with self._mutex:
            count = self._rest.get(key, (0, 0.0))[0] + 1
            self._rest[key] = (count, self._clock.elapsed() + min(60.0, 2.0**count))
            return count

    def _rests(self, key: str, seconds: float) -> None:
        with self._mutex:
            count = self._rest.get(key, (0, 0.0))[0]
            self._rest[key] = (count, self._clock.elapsed() + seconds)


class InlineCrew:
    """Does each piece on the spot, for tests with virtual time."""

    def __init__(self, clock: Clock) -> None:
        self._throttle = _Throttle(clock)

    def do(self, key: str, work: Callable[[], None], give_up: Callable[[str], None]) -> None:
        """Do a piece now, unless it rests after an error."""
        if not self._throttle.resting(key):
            self._throttle.guarded(key, work, give_up)

    def stop(self) -> None:
        """Nothing is ever under way."""


class ThreadedCrew:
    """A small pool; `wake` is called after each piece, since another may be due at once."""

    def __init__(self, clock: Clock, wake: Callable[[], None], threads: int = 6) -> None:
        self._throttle = _Throttle(clock)
        self._wake = wake
        self._mutex = threading.Lock()
        self._busy: set[str] = set()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="engine")

    def do(self, key: str, work: Callable[[], None], give_up: Callable[[str], None]) -> None:
        """Begin a piece unless one of that key is under way or resting."""
        with self._mutex:
            if key in self._busy or self._throttle.resting(key):
                return
            self._busy.add(key)
        self._pool.submit(self._run, key, work, give_up)

    def _run(self, key: str, work: Callable[[], None], give_up: Callable[[str], None]) -> None:
        try:
            self._throttle.guarded(key, work, give_up)
        except Exception:  # the piece is tried again; the thread has to live for the others
            _log.exception("giving up failed", work=key)
        finally:
            with self._mutex:
                self._busy.discard(key)
            self._wake()

    def stop(self) -> None:
        """Wait for the pieces under way; what was not begun stays in the journal."""
        self._pool.shutdown(wait=True, cancel_futures=True)
