"""Slack's Socket Mode: a WebSocket server that hands out envelopes and waits for their acknowledgements.

Only what Socket Mode needs of RFC 6455: text in single frames, ping, pong and close; a client must mask.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import socket
import struct
import threading
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from localplatform.endpoints.slack import Slack

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


class SocketMode:
    """Serves one application's connections on a free port of 127.0.0.1.

    Args:
        slack: Gives out the tickets; each lets one connection in.

    Attributes:
        acknowledged: The envelopes that were acknowledged, in order.
        welcomed: How many connections have been let in so far.
    """

    def __init__(self, slack: Slack) -> None:
        self._slack = slack
        self.acknowledged: list[str] = []
        self.welcomed = 0
        self._open: list[socket.socket] = []
        self._changed = threading.Condition()
        self._server = socket.create_server(("127.0.0.1", 0))
        port = self._server.getsockname()[1]
        slack.socket_url = f"ws://127.0.0.1:{port}/link/?ticket={{ticket}}&app_id=A0LOCAL000"
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def connections(self) -> int:
        """How many stand now."""
        with self._changed:
            return len(self._open)

    def send(self, payload: Mapping[str, Any], *, envelope: str = "") -> str:
        """Hand a press to one of the connections; returns the envelope's id."""
        envelope = envelope or str(uuid.uuid4())
        body = {
            "envelope_id": envelope,
            "type": "interactive",
            "accepts_response_payload": True,
            "payload": payload,
        }
        self._write(body)
        return envelope

    def refresh(self) -> None:
        """Ask for new connections, as Slack does every few hours."""
        self._write({"type": "disconnect", "reason": "refresh_requested"})

    def cut(self) -> None:
        """Drop all connections without a word."""
        with self._changed:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Take no more and drop all."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.cut()

    def _write(self, body: Mapping[str, Any]) -> None:
        with self._changed:
            if not self._open:
                raise LookupError("nobody is connected")
            self._open[-1].sendall(_frame(_TEXT, json.dumps(body).encode()))

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError, struct.error), near:
            if not self._greet(near):
                return
            with self._changed:
                self._open.append(near)
                self.welcomed += 1
                near.sendall(
                    _frame(_TEXT, json.dumps({"type": "hello", "num_connections": 1}).encode())
                )
            try:
                self._listen(near)
            finally:
                with self._changed:
                    self._open.remove(near)

    def _greet(self, near: socket.socket) -> bool:
        head = b""
        while b"\r\n\r\n" not in head:
            data = near.recv(4096)
            if not data:
                return False
            head += data
        first, *lines = head.decode().split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        ticket = parse_qs(urlsplit(first.split(" ")[1]).query).get("ticket", [""])[0]
        key = headers.get("sec-websocket-key", "")
        if ticket not in self._slack.tickets or not key:
            near.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return False
        self._slack.tickets.discard(ticket)
        accept = base64.b64encode(
            hashlib.sha1(key.encode() + _MAGIC, usedforsecurity=False).digest()
        ).decode()
        near.sendall(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        return True

    def _listen(self, near: socket.socket) -> None:
        while True:
            kind, data = _read_frame(near)
            if kind == _CLOSE:
                return
            if kind == _PING:
                with self._changed:
                    near.sendall(_frame(_PONG, data))
            elif kind == _TEXT:
                told = json.loads(data)
                with self._changed:
                    self.acknowledged.append(str(told["envelope_id"]))


def _frame(kind: int, data: bytes) -> bytes:
    size = len(data)
    if size < 126:
        head = struct.pack("!BB", 0x80 | kind, size)
    elif size < 65536:
        head = struct.pack("!BBH", 0x80 | kind, 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | kind, 127, size)
    return head + data


def _read_frame(near: socket.socket) -> tuple[int, bytes]:
    first, second = _exactly(near, 2)
    size = second & 0x7F
    if not second & 0x80:
        raise ValueError("a client must mask what it sends")
    if size == 126:
        (size,) = struct.unpack("!H", _exactly(near, 2))
    elif size == 127:
        (size,) = struct.unpack("!Q", _exactly(near, 8))
    mask = _exactly(near, 4)
    data = _exactly(near, size)
    return first & 0x0F, bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))


def _exactly(near: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        data = near.recv(size - len(found))
        if not data:
            raise ValueError("the connection ended")
        found += data
    return found
