"""The HTTP side: `/metrics`, `/healthz`, `/readyz`, `POST /-/reload` and what else is given.

No handler waits for a collect. Metrics and orders need the credential where one is configured; the two
probes of liveness tell nothing and need none.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import urlsplit

import structlog

from airwarden.exporters.door import Door
from airwarden.exporters.negotiation import Format, negotiate, takes_gzip

_log = structlog.get_logger(__name__)
#: Connections at once; more are closed at once, so that nobody can take all threads and memory.
MAX_CONNECTIONS = 128
#: Seconds that a client may take to greet, to send, or to say nothing between two requests. Longer than
#: the usual interval of scrapes, so that a scraper keeps its connection.
_PATIENCE, _HANDSHAKE = 65.0, 5.0
#: Seconds that a collector's thread computes before one that waits, such as a scrape's, has its turn. A
#: scrape passes several times from waiting to computing: at Python's five milliseconds each it was slow.
_SWITCH = 0.0005


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Posted:
    """A POST request that was let in.

    Attributes:
        path: Its path.
        query: What stands behind the question mark.
        headers: Its headers; looked up in any case.
        body: All of its body.
    """

    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


class Admits(Protocol):
    """Lets in who shows a credential; see `Door`."""

    @property
    def challenge(self) -> str:
        """What a refusal asks for, as `WWW-Authenticate` has it."""
        ...

    def admits(self, authorization: str) -> bool:
        """Return whether an `Authorization` header carries the credential."""
        ...


@dataclass(frozen=True, slots=True)
class Post:
    """An address that takes bodies.

    Attributes:
        answer: Called with the whole request, in a thread of its own.
        door: Who may send; None is open to whoever reaches the address.
        limit: Most bytes of a body; a longer one is refused unread.
    """

    answer: Callable[[Posted], Reply]
    door: Admits | None = None
    limit: int = 65_536


@dataclass(frozen=True, slots=True)
class Routes:
    """What each address answers.

    Attributes:
        metrics: Called with the format and whether it is to be compressed by gzip.
        ready: Returns why it is not ready, empty when it is.
        reload: Reads the configuration again; returns what became of it.
        door: Who may read metrics and order a reload; None is open to whoever reaches the address.
        posts: Path → what takes bodies there.
        reads: Path → what is to be read there, by the same credential as the metrics; called with what
            stands behind the question mark.
    """

    metrics: Callable[[Format, bool], bytes]
    ready: Callable[[], str]
    reload: Callable[[], Reply]
    door: Door | None = None
    posts: Mapping[str, Post] = field(default_factory=dict)
    reads: Mapping[str, Callable[[str], Reply]] = field(default_factory=dict)


class MetricsServer:
    """An HTTP server in a thread of its own.

    Args:
        host: Address to listen on.
        port: Port; 0 for a free one.
        routes: What it answers.
        tls: Returns the TLS context for a new connection; None speaks plain HTTP.

    Raises:
        OSError: The address is taken.
    """

    def __init__(
        self,
        host: str,
        port: int,
        routes: Routes,
        *,
        tls: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        handler = type("Handler", (_Handler,), {"routes": routes})
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        server = type(
            "Server",
            (_Server,),
            {"address_family": family, "tls": staticmethod(tls) if tls is not None else None},
        )
        self._server = server((host, port), handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="metrics-server", daemon=True
        )

    def start(self) -> None:
        """Start to answer."""
        sys.setswitchinterval(_SWITCH)
        self._thread.start()

    def stop(self) -> None:
        """Answer no more and free the address."""
        if self._thread.ident is not None:
            self._server.shutdown()
        self._server.server_close()
        if self._thread.ident is not None:
            self._thread.join(5)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    tls: Callable[[], ssl.SSLContext] | None = None

    def __init__(self, *args: Any) -> None:
        self._room = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__(*args)

    def server_bind(self) -> None:
        """Bind, and do not look up the host's name as the base does: that may wait for a resolver."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._room.acquire(blocking=False):
            _log.warning("connection refused: too many at once", most=MAX_CONNECTIONS)
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._room.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Greet a TLS client in its own thread: one that never greets back delays nobody."""
        if self.tls is None:
            super().finish_request(request, client_address)
            return
        request.settimeout(_HANDSHAKE)
        with self.tls().wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)
            with contextlib.suppress(OSError):
                secured.unwrap()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say in one line what ended a connection; a scraper that went away is nobody's fault."""
        error = sys.exc_info()[1]
        if isinstance(error, ssl.SSLError):
            _log.info("TLS connection refused", client=client_address[0], error=error.reason)
        elif not isinstance(error, OSError):
            _log.error("request failed", error=repr(error), exc_info=error)


class _Handler(BaseHTTPRequestHandler):
    routes: Routes
    protocol_version = "HTTP/1.1"
    server_version = "airwarden"
    sys_version = ""
    timeout = _PATIENCE
    wbufsize = -1  # head and body leave together
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        path = address.path
        if path == "/healthz":
            self._send(Reply(200, b"ok\n"))
        elif path == "/readyz":
            why = self.routes.ready()
            self._send(Reply(503 if why else 200, f"{why or 'ready'}\n".encode()))
        elif path == "/":
            self._send(Reply(200, b"airwarden exporter: /metrics /healthz /readyz\n"))
        elif path != "/metrics" and path not in self.routes.reads:
            self._send(Reply(404, b"not found\n"))
        elif self._admitted(self.routes.door):
            read = self.routes.reads.get(path)
            self._send(read(address.query) if read is not None else self._metrics())

    def do_POST(self) -> None:
        address = urlsplit(self.path)
        path = address.path
        if path in self.routes.posts:
            self._take(self.routes.posts[path], path, address.query)
            return
        self.close_connection = True  # a body, if there is one, is not read
        if path != "/-/reload":
            self._send(Reply(404, b"not found\n"))
        elif self._admitted(self.routes.door):
            self._send(self.routes.reload())

    def handle_expect_100(self) -> bool:
        """Let a client send its body at once; the base leaves this in the buffer."""
        goes_on = super().handle_expect_100()
        self.wfile.flush()
        return goes_on

    def _metrics(self) -> Reply:
        wanted = negotiate(self.headers.get("Accept", ""))
        zipped = takes_gzip(self.headers.get("Accept-Encoding", ""))
        headers = {"Vary": "Accept, Accept-Encoding"}
        if zipped:
            headers["Content-Encoding"] = "gzip"
        return Reply(200, self.routes.metrics(wanted, zipped), wanted.content_type, headers)

    def _take(self, post: Post, path: str, query: str) -> None:
        """Read a body of announced and bounded length, from those who may send one."""
        announced = self.headers.get("Content-Length", "")
        refusal = None
        if not (announced.isascii() and announced.isdigit()):
            refusal = Reply(411, b"a Content-Length is required\n")
        elif len(announced) > 12 or int(announced) > post.limit:
            refusal = Reply(413, f"at most {post.limit} bytes are taken\n".encode())
        self.close_connection = self.close_connection or refusal is not None
        if not self._admitted(post.door):
            return
        if refusal is None:
            body = self.rfile.read(int(announced))
            headers: Any = self.headers  # finds a name in any case, as a mapping does not
            request = Posted(path, query, headers, body)
            refusal = post.answer(request) if len(body) == int(announced) else None
        if refusal is not None:
            self._send(refusal)

    def _admitted(self, door: Admits | None) -> bool:
        """Return whether the request may go on; it is answered where it may not."""
        if door is None or door.admits(self.headers.get("Authorization", "")):
            return True
        self.close_connection = True
        _log.warning("request refused: no valid credential", client=self.client_address[0])
        headers = {"WWW-Authenticate": door.challenge}
        self._send(Reply(401, b"a valid credential is required\n", headers=headers))
        return False

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing: one line per scrape and scraper helps nobody."""
