"""The fault proxy between a client and a real TCP server."""

from __future__ import annotations

import socket
import socketserver
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from localplatform.layout import REPOSITORY
from support.eventually import eventually
from support.servers import Child, answers, free_port

DELAY_MS = 600


class _Echo(socketserver.StreamRequestHandler):
    """Answers each line with the same line."""

    def handle(self) -> None:
        for line in self.rfile:
            self.wfile.write(line)


class _EchoServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


class Proxied:
    """An echo server behind a proxy that runs as its own process."""

    def __init__(self, folder: Path, upstream: int) -> None:
        self.port = free_port()
        self.control = free_port()
        self.child = Child(
            [sys.executable, "-m", "localplatform.proxy", "--listen", str(self.port),
             "--upstream", str(upstream), "--control", str(self.control)],
            folder / "proxy.log",
            {"PYTHONPATH": str(REPOSITORY / "deploy" / "local")},
        )  # fmt: skip
        eventually(self._ready, within=15, what="the proxy answers")

    def _ready(self) -> bool:
        self.child.check()
        return answers(self.control)

    def command(self, path: str) -> dict[str, object]:
        answer = httpx.put(f"http://127.0.0.1:{self.control}/{path}", timeout=5)
        document: dict[str, object] = answer.raise_for_status().json()
        return document

    def client(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=5)


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[Proxied]:
    with _EchoServer(("127.0.0.1", 0), _Echo) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        proxy = Proxied(tmp_path, server.server_address[1])
        yield proxy
        proxy.child.stop()
        server.shutdown()
        thread.join()


def receive(client: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size and (chunk := client.recv(65536)):
        received += chunk
    return received


def ask(client: socket.socket, line: bytes) -> bytes:
    client.sendall(line)
    return receive(client, len(line))


def test_bytes_pass_unchanged(proxied: Proxied) -> None:
    block = b"".join(b"%d:%s\n" % (n, b"x" * 1000) for n in range(500))
    with proxied.client() as client:
        assert ask(client, b"hello\n") == b"hello\n"
        sender = threading.Thread(target=client.sendall, args=(block,))
        sender.start()
        received = receive(client, len(block))
        sender.join()
        assert received == block


def test_a_client_is_heard_that_speaks_before_the_upstream_is_reached(proxied: Proxied) -> None:
    # PostgreSQL's clients do. Bytes lost here would hang a session until a server's timeout.
    for number in range(100):
        with proxied.client() as client:
            line = b"hasty %d\n" % number
            assert ask(client, line) == line


def test_a_delay_holds_each_request_and_keeps_their_order(proxied: Proxied) -> None:
    with proxied.client() as client:
        ask(client, b"warm\n")
        assert proxied.command(f"delay?ms={DELAY_MS}")["delay_ms"] == DELAY_MS
        started = time.monotonic()
        assert ask(client, b"slow\n") == b"slow\n"
        assert time.monotonic() - started >= DELAY_MS / 1000
        # What is sent after the delay ends must not overtake what it still holds.
        client.sendall(b"held\n")
        assert proxied.command("resume")["delay_ms"] == 0
        client.sendall(b"free\n")
        assert receive(client, 10) == b"held\nfree\n"
        started = time.monotonic()
        assert ask(client, b"fast\n") == b"fast\n"
        assert time.monotonic() - started < DELAY_MS / 1000


def test_refusing_spares_the_connections_that_exist(proxied: Proxied) -> None:
    with proxied.client() as client:
        ask(client, b"before\n")
        assert proxied.command("refuse")["accepting"] is False
        with pytest.raises(ConnectionRefusedError):
            proxied.client()
        assert ask(client, b"still\n") == b"still\n"
    assert proxied.command("resume")["accepting"] is True
    with proxied.client() as client:
        assert ask(client, b"again\n") == b"again\n"


def test_cutting_ends_the_connections_that_exist_only(proxied: Proxied) -> None:
    with proxied.client() as client:
        ask(client, b"before\n")
        proxied.command("cut")
        with pytest.raises(ConnectionResetError):
            client.recv(64)
    with proxied.client() as client:
        assert ask(client, b"after\n") == b"after\n"


def test_a_client_that_leaves_is_forgotten(proxied: Proxied) -> None:
    with proxied.client() as client:
        ask(client, b"x\n")
        assert proxied.command("delay?ms=0")["connections"] == 1
    eventually(lambda: proxied.command("delay?ms=0")["connections"] == 0, within=5)


def test_an_unknown_command_and_a_wrong_number_are_refused(proxied: Proxied) -> None:
    base = f"http://127.0.0.1:{proxied.control}"
    assert httpx.put(f"{base}/explode").status_code == 404
    assert httpx.put(f"{base}/delay?ms=soon").status_code == 400
