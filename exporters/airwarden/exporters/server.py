"""The HTTP side: `/metrics`, `/healthz`, `/readyz`, `POST /-/reload`. No handler waits for a collect."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from airwarden.exporters.exposition import OPENMETRICS, TEXT


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    gzipped: bool = False


@dataclass(frozen=True, slots=True)
class Routes:
    """What each address answers.

    Attributes:
        metrics: Called with (openmetrics, gzip).
        ready: Returns why it is not ready, empty when it is.
        reload: Reads the configuration again; returns why it was refused, empty when it is in force.
    """

    metrics: Callable[[bool, bool], bytes]
    ready: Callable[[], str]
    reload: Callable[[], str]


class MetricsServer:
    """An HTTP server in a thread of its own.

    Args:
        host: Address to listen on.
        port: Port; 0 for a free one.
        routes: What it answers.

    Raises:
        OSError: The address is taken.
    """

    def __init__(self, host: str, port: int, routes: Routes) -> None:
        handler = type("Handler", (_Handler,), {"routes": routes})
        self._server = _Server((host, port), handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="metrics-server", daemon=True
        )

    def start(self) -> None:
        """Start to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more and free the address."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


class _Handler(BaseHTTPRequestHandler):
    routes: Routes
    protocol_version = "HTTP/1.1"
    server_version = "airwarden"
    sys_version = ""
    timeout = 15  # a client that sends nothing does not keep a thread

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/metrics":
            self._send(self._metrics())
        elif path == "/healthz":
            self._send(Reply(200, b"ok\n"))
        elif path == "/readyz":
            why = self.routes.ready()
            self._send(Reply(503 if why else 200, f"{why or 'ready'}\n".encode()))
        elif path == "/":
            self._send(Reply(200, b"airwarden exporter: /metrics /healthz /readyz\n"))
        else:
            self._send(Reply(404, b"not found\n"))

    def do_POST(self) -> None:
        self.close_connection = True  # a body, if there is one, is not read
        if urlsplit(self.path).path != "/-/reload":
            self._send(Reply(404, b"not found\n"))
            return
        why = self.routes.reload()
        self._send(Reply(500 if why else 200, f"{why or 'reloaded'}\n".encode()))

    def _metrics(self) -> Reply:
        openmetrics = "application/openmetrics-text" in self.headers.get("Accept", "")
        zipped = "gzip" in self.headers.get("Accept-Encoding", "")
        body = self.routes.metrics(openmetrics, zipped)
        return Reply(200, body, OPENMETRICS if openmetrics else TEXT, gzipped=zipped)

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        if reply.gzipped:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing: one line per scrape and scraper helps nobody."""
