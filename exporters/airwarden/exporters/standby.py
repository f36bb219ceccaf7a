"""One of several exporters is active, so that sums over all of them count nothing twice.

Who it is, a lease says that all of them look at. The active one serves what it collects while its lease
lives by its own clock, which counts suspension: one that was frozen and wakes up serves none of it before
the lease is its own again. The others collect nothing, and serve what they say about themselves.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from airwarden.core.ports import Lease

_log = structlog.get_logger(__name__)


class Standby:
    """Follows the lease in a thread of its own.

    A lease that ran out because the place where it is kept does not answer stops the serving and not the
    collecting: if nobody else had it meanwhile, the counters go on where they were.

    Args:
        lease: Ours, or another exporter's.
        begin: Called when this exporter becomes the active one.
        end: Called when another one has.
    """

    def __init__(self, lease: Lease, *, begin: Callable[[], None], end: Callable[[], None]) -> None:
        self._lease = lease
        self._begin = begin
        self._end = end
        self._collects = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="lease", daemon=True)

    @property
    def serves(self) -> bool:
        """Whether what is collected here may be served now."""
        return self._collects and self._lease.remaining() > 0

    def start(self) -> None:
        """Begin to follow it."""
        self._thread.start()

    def stop(self) -> None:
        """Let go of the lease, so that another exporter need not wait until it has run out."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(10)
        self._lease.stop()

    def follow(self) -> float:
        """Look at the lease once; return the seconds until the next look."""
        pause = self._lease.step()
        if self._lease.claimed and not self._collects:
            _log.info("this exporter is the active one")
            self._begin()
            self._collects = True
        elif not self._lease.claimed and self._collects:
            _log.warning("another exporter is the active one")
            self._collects = False
            self._end()
        return pause

    def _loop(self) -> None:
        pause = 0.0
        while not self._stopped.wait(pause):
            try:
                pause = self.follow()
            except (
                Exception
            ) as error:  # whatever it was: the lease runs out, and another one has it
                _log.error("lease not followed", error=repr(error), exc_info=error)
                pause = 1.0
