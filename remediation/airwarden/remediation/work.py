"""Who does the engine's pieces of work: a few threads, one piece per run or incident at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
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

    def stop(self, within: float) -> list[str]:
        """Begin nothing more and wait for the pieces under way, at most so many seconds.

        Returns:
            The keys of those that are under way still.
        """
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

    def stop(self, within: float) -> list[str]:
        """Nothing is ever under way."""
        return []


_Piece = tuple[str, Callable[[], None], Callable[[str], None]]


class ThreadedCrew:
    """A few threads; `wake` is called after each piece, since another may be due at once.

    The threads are daemons, unlike a `ThreadPoolExecutor`'s: a piece that hangs in a call must not keep
    a process alive that was asked to end.
    """

    def __init__(self, clock: Clock, wake: Callable[[], None], threads: int = 6) -> None:
        self._throttle = _Throttle(clock)
        self._wake = wake
        self._changed = threading.Condition()
        self._busy: set[str] = set()
        self._pieces: SimpleQueue[_Piece | None] = SimpleQueue()
        self._threads = self._unstarted = threads
        self._stopping = False

    def do(self, key: str, work: Callable[[], None], give_up: Callable[[str], None]) -> None:
        """Begin a piece unless one of that key is under way or resting."""
        with self._changed:
            if self._stopping or key in self._busy or self._throttle.resting(key):
                return
            self._busy.add(key)
            if self._unstarted:
                self._unstarted -= 1
                threading.Thread(target=self._serve, name="piece", daemon=True).start()
            self._pieces.put((key, work, give_up))

    def _serve(self) -> None:
        while (piece := self._pieces.get()) is not None:
            self._run(*piece)

    def _run(self, key: str, work: Callable[[], None], give_up: Callable[[str], None]) -> None:
        try:
            if not self._stopping:
                self._throttle.guarded(key, work, give_up)
        except BaseException:  # the piece is tried again; the thread has to live for the others
            _log.exception("the piece could not be given up", work=key)
        finally:
            with self._changed:
                self._busy.discard(key)
                self._changed.notify_all()
            self._wake()

    def stop(self, within: float) -> list[str]:
        """Wait for the pieces under way; what was not begun stays in the journal."""
        with self._changed:
            self._stopping = True
            for _ in range(self._threads):
                self._pieces.put(None)
            self._changed.wait_for(lambda: not self._busy, within)
            return sorted(self._busy)
