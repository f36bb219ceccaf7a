"""A TCP proxy that a test may freeze (bytes stop, connections stay) or make slow."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time


class FreezableProxy:
    """Forwards to a port of 127.0.0.1.

    Args:
        target: The port behind it.

    Attributes:
        delay: Seconds that each request is held on its way there.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._flows = threading.Event()
        self._flows.set()
        self._closing = False
        self._refuses = False
        self.delay = 0.0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def freeze(self) -> None:
        """Let nothing through from now on."""
        self._flows.clear()

    def thaw(self) -> None:
        """Let everything through again, what was held first."""
        self._flows.set()

    def cut(self) -> int:
        """Break every connection that exists; new ones are let through. Returns how many."""
        ends, self._sockets = self._sockets, []
        for end in ends:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        return len(ends) // 2

    def refuse(self) -> None:
        """Break every connection, and take no new one until `admit`: what is behind is gone."""
        self._refuses = True
        self.cut()

    def admit(self) -> None:
        """Take connections again."""
        self._refuses = False

    def close(self) -> None:
        """Close every connection."""
        self._closing = True
        self._flows.set()
        for end in (self._server, *self._sockets):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        while not self._closing:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            if self._refuses:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._target), timeout=5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            self._sockets += [near, far]
            for source, sink, held in ((near, far, True), (far, near, False)):
                arguments = (source, sink, held)
                threading.Thread(target=self._pump, args=arguments, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, held: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._flows.wait()
                if held:
                    time.sleep(self.delay)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
