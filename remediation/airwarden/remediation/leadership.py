"""Who leads: a lease in the journal, renewed by its own thread, with a fence that this process obeys.

Numbers (Kubernetes 15/10/2, Patroni 30/10/10): the lease lives 15 s, is renewed every 5 s, a standby
looks every second, and a leader that could not renew for 10 s stops acting by itself, measured on a
clock that counts suspension.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import structlog

from airwarden.core.clock import Clock
from airwarden.core.errors import UnavailableError
from airwarden.remediation.journal import lease
from airwarden.remediation.journal.store import Fence, FencedError, Journal

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """Seconds. `self_fence` must be shorter than `ttl`."""

    ttl: float = 15.0
    renew: float = 5.0
    standby_poll: float = 1.0
    self_fence: float = 10.0


class Leadership:
    """This process's claim to lead."""

    def __init__(self, journal: Journal, clock: Clock, times: LeaseTimes | None = None) -> None:
        self.times = times or LeaseTimes()
        self.holder = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"
        self._journal = journal
        self._clock = clock
        self._mutex = threading.Lock()
        self._fence: Fence | None = None
        self._renewed = 0.0
        self._file: IO[str] | None = None
        self._old_is_dead = False
        #: Why the lease could not be written at the last try; None where it could.
        self.trouble: UnavailableError | None = None

    @property
    def fence(self) -> Fence:
        """The fence to work under; raises FencedError where this process does not lead."""
        with self._mutex:
            if self._fence is None or self._left() <= 0:
                raise FencedError(f"{self.holder} does not lead")
            return self._fence

    @property
    def leads(self) -> bool:
        """Whether this process leads now."""
        return self.remaining() > 0

    def remaining(self) -> float:
        """Return the seconds until this process stops acting unless it renews; 0 for a standby."""
        with self._mutex:
            return max(0.0, self._left()) if self._fence else 0.0

    def step(self) -> float:
        """Take or renew the lease once; returns the seconds after which to call again."""
        # Counted from before the call: a slow journal must shorten the time, not lengthen it.
        begun = self._clock.elapsed()
        self._take_file_lock()
        try:
            with self._journal.write(urgent=True) as tx:
                fence = lease.acquire(
                    tx, self.holder, self.times.ttl, old_is_dead=self._old_is_dead
                )
        except UnavailableError as error:
            _log.warning("lease not renewed", error=str(error))
            self.trouble = error
            return self.times.standby_poll
        self.trouble = None
        with self._mutex:
            if fence is not None:
                if self._fence != fence:
                    _log.info("leading", token=fence.token)
                self._renewed = begun
                self._old_is_dead = False
            elif self._fence is not None:
                _log.warning("another process leads now")
            self._fence = fence
        return self.times.renew if fence else self.times.standby_poll

    def stop(self) -> None:
        """Let go, so that a standby or the next start need not wait."""
        with self._mutex:
            fence, self._fence = self._fence, None
        try:
            if fence is not None:
                with self._journal.write(urgent=True) as tx:
                    lease.release(tx, fence)
        except UnavailableError as error:
            _log.warning("lease not released", error=str(error))
        if self._file is not None:
            self._file.close()
            self._file = None

    def _left(self) -> float:
        return self._renewed + self.times.self_fence - self._clock.elapsed()

    def _take_file_lock(self) -> None:
        """On SQLite: a lock that the kernel drops with the process proves that the holder is dead.

        A killed leader is then followed at once instead of after the lease's life. Without the lock
        (another live process has it) the lease alone decides.
        """
        file = self._journal.file
        if file is None or self._file is not None:
            return
        handle = Path(f"{file}.leader").open("w")  # noqa: SIM115 - kept while this process leads
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.close()
            return
        self._file = handle
        self._old_is_dead = True
