"""A proxy before a real PostgreSQL that loses requests and replies, half-answers, and answers itself.

It looks for what a test names in what a client sends; statements here are short, and come in one piece.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """What happens to a statement.

    Attributes:
        before: Done when it has come, and before PostgreSQL gets it.
        reach: Whether PostgreSQL gets it.
        says: Sent to the client instead of what PostgreSQL answers.
        ends: How the answer ends: `whole`, `half` of its first piece, `reset` without any, or `never`.
    """

    before: Callable[[], object] | None = None
    reach: bool = True
    says: bytes = b""
    ends: str = "whole"


def error(code: str, text: str, *, severity: str = "ERROR") -> Fault:
    """An error as PostgreSQL would word it; a fatal one ends the connection."""
    fields = b"".join(f"{kind}{value}\0".encode() for kind, value in _fields(code, text, severity))
    said = _message(b"E", fields + b"\0")
    if severity == "FATAL":
        return Fault(reach=False, says=said, ends="reset")
    return Fault(reach=False, says=said + _message(b"Z", b"I"))


def _fields(code: str, text: str, severity: str) -> tuple[tuple[str, str], ...]:
    return ("S", severity), ("V", severity), ("C", code), ("M", text)


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


@dataclass
class _Rule:
    holding: bytes
    fault: Fault
    times: int


@dataclass(eq=False)
class _Link:
    """One connection, and what becomes of what PostgreSQL sends on it."""

    near: socket.socket
    far: socket.socket
    fault: Fault | None = None

    def reset(self) -> None:
        for end in (self.near, self.far):
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)
            end.close()


class PostgresProxy:
    """Forwards to a port of 127.0.0.1.

    Args:
        target: The PostgreSQL behind it.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._rules: list[_Rule] = []
        self._links: list[_Link] = []
        self._reached: list[bytes] = []
        self._mutex = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def on(self, holding: str, fault: Fault, *, times: int = 1) -> None:
        """Let this happen to the next `times` statements that hold a text (0: to all)."""
        with self._mutex:
            self._rules.append(_Rule(holding.encode(), fault, times or 1_000_000))

    def count(self, holding: str) -> int:
        """Return how many statements that hold a text have reached PostgreSQL."""
        with self._mutex:
            return sum(holding.encode() in one for one in self._reached)

    def close(self) -> None:
        """Close every connection."""
        self._server.close()
        for link in self._links:
            link.reset()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
                far = socket.create_connection(("127.0.0.1", self._target), timeout=5)
            except OSError:
                return
            far.settimeout(None)
            link = _Link(near, far)
            self._links.append(link)
            for pump in (self._ask, self._answer):
                threading.Thread(target=pump, args=(link,), daemon=True).start()

    def _ask(self, link: _Link) -> None:
        with contextlib.suppress(OSError):
            while sent := link.near.recv(65536):
                fault = self._fault(sent)
                if fault is not None and fault.before is not None:
                    fault.before()
                if fault is not None and not fault.reach:
                    link.near.sendall(fault.says)
                    if fault.ends == "reset":
                        break
                    continue
                link.fault = fault
                with self._mutex:
                    self._reached.append(sent)
                link.far.sendall(sent)
        link.reset()

    def _answer(self, link: _Link) -> None:
        with contextlib.suppress(OSError):
            while said := link.far.recv(65536):
                ends = link.fault.ends if link.fault is not None else "whole"
                if ends in ("whole", "half"):
                    link.near.sendall(said[: len(said) // 2] if ends == "half" else said)
                if ends in ("half", "reset"):
                    break
        link.reset()

    def _fault(self, sent: bytes) -> Fault | None:
        with self._mutex:
            for rule in self._rules:
                if rule.times and rule.holding in sent:
                    rule.times -= 1
                    return rule.fault
        return None
