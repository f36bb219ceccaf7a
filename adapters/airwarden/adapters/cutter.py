"""Cuts a database connection that takes longer than it may."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[dict[str, Any]]


class Cutter:
    """Cuts a connection when a block takes longer than it may.

    The server's own timeout does not fire when the server, or a proxy before it, is frozen: only
    shutting the socket down ends the wait then.
    """

    def __init__(self, connection: Connection, seconds: float) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = socket.socket(fileno=os.dup(connection.fileno()))
        self._seconds = seconds

    def __enter__(self) -> None:
        _WATCH.add(self, self._seconds)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None

    def cut(self) -> None:
        """Shut the socket down, if the block has not ended."""
        with self._lock, contextlib.suppress(OSError):
            if self._socket is not None:
                self._socket.shutdown(socket.SHUT_RDWR)


class _Watch:
    """One thread for all of them: a thread for each query costs more than most queries do."""

    def __init__(self) -> None:
        self._sooner = threading.Condition()
        self._due: list[tuple[float, int, Cutter]] = []
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None

    def add(self, cutter: Cutter, seconds: float) -> None:
        """Have it cut so many seconds from now; what has ended by then is forgotten then."""
        entry = (time.monotonic() + seconds, next(self._numbers), cutter)
        with self._sooner:
            heapq.heappush(self._due, entry)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="cutter", daemon=True)
                self._thread.start()
            elif self._due[0] is entry:
                self._sooner.notify()

    def _run(self) -> None:
        while True:
            with self._sooner:
                while not self._due or self._due[0][0] > time.monotonic():
                    pause = self._due[0][0] - time.monotonic() if self._due else None
                    self._sooner.wait(None if pause is None else max(0.0, pause))
                _, _, cutter = heapq.heappop(self._due)
            cutter.cut()


_WATCH = _Watch()
