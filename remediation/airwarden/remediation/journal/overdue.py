"""Transactions that wait for an answer which will not come: their connections are cut.

The server's own timeouts end what it is working on. They do not help where the network has swallowed
the answer: then the client would wait until the kernel gives the connection up, which takes minutes
or, where something between acknowledges every packet, for ever.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection

from airwarden.core.clock import Clock


class Overdue:
    """Knows the transactions under way, and cuts those that have been for too long."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._mutex = threading.Lock()
        self._open: dict[int, tuple[Any, float]] = {}

    @contextmanager
    def watched(self, connection: Connection) -> Iterator[None]:
        """Watch a PostgreSQL connection as long as the block lasts."""
        driver = connection.connection.dbapi_connection
        key = id(driver)
        with self._mutex:
            self._open[key] = driver, self._clock.elapsed()
        try:
            yield
        finally:
            with self._mutex:
                self._open.pop(key, None)

    def cut(self, after: float) -> int:
        """Cut the connections of transactions older than `after` seconds; returns how many.

        Whoever waits on one gets UnavailableError.
        """
        now = self._clock.elapsed()
        with self._mutex:
            late = [driver for driver, begun in self._open.values() if now - begun > after]
            for driver in late:
                # The descriptor is the driver's: a copy of it is shut, and the driver sees the end.
                with (
                    contextlib.suppress(OSError, ValueError),
                    socket.socket(fileno=os.dup(driver.fileno())) as copy,
                ):
                    copy.shutdown(socket.SHUT_RDWR)
        return len(late)
