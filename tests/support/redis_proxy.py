"""A proxy before a real Redis that answers some commands itself, with what a test wants to be read."""

from __future__ import annotations

import contextlib
import socket
import threading

#: How an answer ends instead of bytes.
HANG, CUT = "hang", "cut"


class RedisProxy:
    """Forwards to a port of 127.0.0.1; one request and its reply at a time, as a client of Redis asks.

    Args:
        target: The Redis behind it.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._lies: dict[bytes, list[bytes | str]] = {}
        self._closing = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Its address, database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    def answer(self, command: str, reply: bytes | str, *, times: int = 0) -> None:
        """Answer the next `times` requests that hold a command like this (0: all).

        Bytes are sent instead of Redis' reply; `hang` sends nothing, `cut` half of the reply.
        """
        self._lies[command.encode()] = [reply] * (times or 100_000)

    def close(self) -> None:
        """Close the listening socket; what hangs is let go."""
        self._closing.set()
        self._server.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError), near:
            far = socket.create_connection(("127.0.0.1", self._target), timeout=5)
            with far:
                while asked := near.recv(65536):
                    if not self._reply(near, far, asked):
                        return

    def _reply(self, near: socket.socket, far: socket.socket, asked: bytes) -> bool:
        lie = self._lie(asked)
        if isinstance(lie, bytes):
            near.sendall(lie)
            return True
        if lie == HANG:
            self._closing.wait(600)
            return False
        far.sendall(asked)
        reply = far.recv(65536)
        near.sendall(reply[: len(reply) // 2] if lie == CUT else reply)
        return lie != CUT

    def _lie(self, asked: bytes) -> bytes | str | None:
        for command, replies in self._lies.items():
            if command in asked and replies:
                return replies.pop()
        return None
