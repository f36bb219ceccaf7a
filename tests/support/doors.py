"""What stands between Airwarden and an Airflow elsewhere: TLS by a private authority, an HTTP proxy."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from urllib.parse import urlsplit


def private_authority(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 that signs itself; return it, and it with its key."""
    certificate, key, both = folder / "ca.pem", folder / "key.pem", folder / "server.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=airwarden test", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    both.write_text(key.read_text() + certificate.read_text())
    return certificate, both


class Door:
    """Listens on a free port of 127.0.0.1 and passes each connection on.

    Attributes:
        passed: The addresses that connections were opened to, in order.
    """

    def __init__(self) -> None:
        self.passed: list[str] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def join(self, near: socket.socket) -> tuple[socket.socket, socket.socket]:
        """Return both ends of a connection that has just come in, ready for bytes to flow."""
        raise NotImplementedError

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        try:
            ends = self.join(near)
        except (OSError, ValueError):
            near.close()
            return
        there = threading.Thread(target=_pump, args=ends, daemon=True)
        there.start()
        _pump(ends[1], ends[0])
        there.join()
        for end in ends:
            end.close()

    def open(self, host: str, port: int) -> socket.socket:
        """Connect onwards, and take note of it."""
        self.passed.append(f"{host}:{port}")
        return socket.create_connection((host, port), timeout=30)


class TlsFront(Door):
    """Speaks TLS outside and plain HTTP to a port of 127.0.0.1 inside."""

    def __init__(self, target: int, certificate_and_key: Path) -> None:
        self._target = target
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate_and_key)
        super().__init__()

    def join(self, near: socket.socket) -> tuple[socket.socket, socket.socket]:
        """Shake hands; whoever does not trust us is gone by now."""
        return self._context.wrap_socket(near, server_side=True), self.open(
            "127.0.0.1", self._target
        )


class ForwardProxy(Door):
    """An HTTP proxy: CONNECT for TLS, and plain requests with an absolute address."""

    def join(self, near: socket.socket) -> tuple[socket.socket, socket.socket]:
        """Read the request's head and connect to where it points."""
        head = b""
        while b"\r\n\r\n" not in head:
            data = near.recv(65536)
            if not data:
                raise ValueError("no request")
            head += data
        method, address, version = head.split(b"\r\n", 1)[0].decode().split(" ")
        if method == "CONNECT":
            host, _, port = address.rpartition(":")
            far = self.open(host, int(port))
            near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            return near, far
        parts = urlsplit(address)
        far = self.open(parts.hostname or "", parts.port or 80)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        rest = head.split(b"\r\n", 1)[1]
        far.sendall(f"{method} {path} {version}\r\nConnection: close\r\n".encode() + rest)
        return near, far


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
