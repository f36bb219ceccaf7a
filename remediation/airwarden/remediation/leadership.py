"""Who leads: a lease in the journal, renewed by its own thread, with a fence that this process obeys.

Numbers (Kubernetes 15/10/2, Patroni 30/10/10): the lease lives 15 s, is renewed every 5 s, a standby
looks every second, and a leader that could not renew for 10 s stops acting by itself, measured on a
clock that counts suspension.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import structlog

from airwarden.core.clock import Clock
from airwarden.core.errors import UnavailableError, WrongInputError
from airwarden.remediation.decide.succession import Watch, may_take, watch
from airwarden.remediation.journal import lease
from airwarden.remediation.journal.store import LEADER, Fence, FencedError, Journal, Tx

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """Seconds. `self_fence` must be shorter than `ttl`."""

    ttl: float = 15.0
    renew: float = 5.0
    standby_poll: float = 1.0
    self_fence: float = 10.0


class Leadership:
    """This process's claim to lead.

    Args:
        journal: Where the lease is kept.
        clock: Time; its elapsed seconds count suspension.
        times: How long it lasts, and how often it is looked at.
        name: Which lease.
    """

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        times: LeaseTimes | None = None,
        *,
        name: str = LEADER,
    ) -> None:
        self.times = times or LeaseTimes()
        self._name = name
        self.holder = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"
        self._journal = journal
        self._clock = clock
        self._mutex = threading.Lock()
        self._fence: Fence | None = None
        self._renewed = 0.0
        self._file: IO[str] | None = None
        self._old_is_dead = False
        self._watch: Watch | None = None
        self._highest = 0
        #: Why the lease could not be written at the last try; None where it could.
        self.trouble: UnavailableError | None = None
        #: When the journal last took a step of the lease, on the clock that counts suspension.
        self.answered_at = clock.elapsed()

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

    @property
    def claimed(self) -> bool:
        """Whether this process led when the journal last answered; the lease may have run out since."""
        with self._mutex:
            return self._fence is not None

    def permit(self, fence: Fence, within: float) -> Callable[[], None]:
        """Return what is asked right before each send of one effect.

        It raises FencedError once this process no longer leads under `fence`, or `within` seconds
        are over: a process that was suspended meanwhile must not send what it had in hand.
        """
        until = self._clock.elapsed() + within

        def check() -> None:
            if self.fence != fence:
                raise FencedError(f"{self.holder} leads anew: what it had in hand is dropped")
            if self._clock.elapsed() > until:
                raise FencedError(f"the effect's {within:g} s were over before it was sent")

        return check

    def claim(self) -> None:
        """Make sure that no other process works on the same SQLite file.

        Raises:
            WrongInputError: One does.
        """
        if self._journal.file is None or self._take_file_lock():
            return
        raise WrongInputError(
            f"another remediator ({_holder_of(_lock_file(self._journal.file))}) works with"
            f" {self._journal.file}",
            place="remediator.journal.url",
            hint="stop that one; several replicas need a PostgreSQL journal",
        )

    def step(self) -> float:
        """Take or renew the lease once; returns the seconds after which to call again."""
        # Counted from before the call: a slow journal must shorten the time, not lengthen it.
        begun = self._clock.elapsed()
        self._take_file_lock()
        try:
            with self._journal.write(urgent=True) as tx:
                fence = lease.acquire(
                    tx,
                    self.holder,
                    self.times.ttl,
                    free=lambda found: self._free(tx, found),
                    above=self._highest,
                    name=self._name,
                )
        except UnavailableError as error:
            self.trouble = error
            _log.warning("lease not renewed", error=str(error))
            return self.times.standby_poll
        self.trouble = None
        self.answered_at = self._clock.elapsed()
        with self._mutex:
            if fence is not None:
                if self._fence != fence:
                    _log.info("leading", token=fence.token)
                self._renewed = begun
                self._old_is_dead = False
                self._watch, self._highest = None, fence.token
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
                    lease.release(tx, fence, name=self._name)
        except UnavailableError as error:
            _log.warning("lease not released", error=str(error))
        self.abandon()

    def abandon(self) -> None:
        """Drop the lock on the file as the kernel does for a process that dies."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _left(self) -> float:
        return self._renewed + self.times.self_fence - self._clock.elapsed()

    def _free(self, tx: Tx, found: lease.Lease | None) -> bool:
        """Judge another's lease, or a missing one, by the journal's time and by what was watched."""
        elapsed = self._clock.elapsed()
        seen = found.seen(tx.now) if found is not None else None
        self._watch = watch(self._watch, seen, elapsed)
        if seen is not None:
            self._highest = max(self._highest, seen.token)
        slack = 2 * self.times.standby_poll
        return self._old_is_dead or may_take(self._watch, seen, elapsed, slack=slack)

    def _take_file_lock(self) -> bool:
        """On SQLite: a lock that the kernel drops with the process proves that the holder is dead.

        A killed leader is then followed at once instead of after the lease's life. Returns False
        where another live process has it; where the file system knows no locks, the lease alone
        decides.
        """
        file = self._journal.file
        if file is None or self._file is not None:
            return True
        handle = _lock_file(file).open("a+")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            handle.close()
            return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
        handle.truncate(0)
        handle.write(f"pid {os.getpid()}")
        handle.flush()
        self._file = handle
        self._old_is_dead = True
        return True


def _lock_file(journal: Path) -> Path:
    return Path(f"{journal}.leader")


def _holder_of(lock: Path) -> str:
    """Return what the process that has the lock wrote of itself."""
    try:
        return lock.read_text() or "pid unknown"
    except OSError:
        return "pid unknown"
