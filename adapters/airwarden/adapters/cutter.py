"""Cuts a database connection that takes longer than it may."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
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
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None

    def _cut(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            if self._socket is not None:
                self._socket.shutdown(socket.SHUT_RDWR)
