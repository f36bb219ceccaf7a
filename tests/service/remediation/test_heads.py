"""What is outside a request's body is bounded: headers and trailers that never end end the connection."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import pytest

from airwarden.remediation.api.protocol import MAX_HEAD
from support.remediator import WEBHOOK_TOKEN, Running

_START = (
    b"POST /api/v1/alerts HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + WEBHOOK_TOKEN.encode()
)
_CHUNKED = _START + b"\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"
#: What a sender who is up to no good sends: how it begins, and what it goes on with.
ENDLESS = {
    "header": (_START + b"\r\nX-Long: ", b"a" * 4096),
    "headers": (_START + b"\r\n", b"X-One: of many\r\n" * 256),
    "address": (b"GET /", b"a" * 4096),
    "trailers": (_CHUNKED + b"0\r\n", b"X-One: of many\r\n" * 256),
    "name of a chunk": (_CHUNKED + b"1", b";a" * 2048),
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("heads")
    running = Running(f"sqlite:///{folder / 'journal.db'}")
    yield running
    running.stop()


@pytest.mark.parametrize("kind", ENDLESS)
def test_what_never_ends_ends_its_connection(running: Running, kind: str) -> None:
    begin, more = ENDLESS[kind]
    sent = len(begin)
    with socket.create_connection(
        ("127.0.0.1", running.http.base_url.port), timeout=20
    ) as connection:
        connection.sendall(begin)
        try:
            for part in repeat(more, 16 * 1024 * 1024 // len(more)):
                connection.sendall(part)
                sent += len(part)
        except OSError:
            pass
    # What the sockets themselves hold comes on top.
    assert sent < MAX_HEAD + 8 * 1024 * 1024
    assert running.get("/api/v1/status")


def test_a_body_in_many_small_pieces_is_taken(running: Running) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'{"version": "4", "status": "firing", "groupLabels": {"a": "'
        yield from repeat(b"0123456789" * 10, 30_000)
        yield b'"}, "alerts": []}'

    headers = {"Authorization": f"Bearer {WEBHOOK_TOKEN}"}
    answer = running.http.post("/api/v1/alerts", content=pieces(), headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"alerts": 0, "new": True, "truncated": 0})
