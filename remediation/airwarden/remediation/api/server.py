"""uvicorn in a thread of ours: bound before anything else starts, stopped cleanly."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from airwarden.core.errors import UnavailableError, WrongInputError
from airwarden.remediation.api.protocol import BoundedProtocol

#: Connections that are answered at once; beyond it 503.
MAX_CONNECTIONS = 1024

#: Returns the TLS context for a new connection.
TlsContext = Callable[[], ssl.SSLContext]
#: Seconds that a thread computes before another that waits has its turn.
_SWITCH = 0.0005


def _renewing(now: TlsContext) -> ssl.SSLContext:
    """Return a context that hands each new connection to the one that counts then."""
    context = now()

    def pick(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = now()

    # Called for each greeting, also for one that names no server.
    context.sni_callback = pick
    return context


class Server:
    """Serves the application.

    Args:
        app: The application.
        host: Address to listen on.
        port: Port; 0 takes a free one, which `port` tells afterwards.
        tls: Returns the TLS context for a new connection; None speaks plain HTTP.

    Raises:
        WrongInputError: The address cannot be bound.
    """

    def __init__(
        self, app: FastAPI, host: str, port: int, *, tls: TlsContext | None = None
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # With the protocol named, asyncio lets each connection send at once (TCP_NODELAY). Without it an
        # answer's body waits on a kept connection until its head is acknowledged: 40 ms.
        self._socket = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
        except OSError as error:
            self._socket.close()
            raise WrongInputError(
                f"cannot listen on {host}:{port}: {error.strerror}", place="remediator.listen"
            ) from None
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app,
            http=BoundedProtocol,
            log_config=None,
            access_log=False,
            server_header=False,
            # Who speaks is the connection's other end: what a header says, a stranger could say.
            proxy_headers=False,
            lifespan="off",
            timeout_graceful_shutdown=2,
            backlog=2048,
            limit_concurrency=MAX_CONNECTIONS,
        )
        if tls is not None:
            config.load()
            config.ssl = _renewing(tls)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="http", daemon=True
        )

    def start(self, within: float = 10.0) -> None:
        """Begin to serve; returns once connections are taken."""
        # A request's way to the disk and back passes several threads. Beside a busy engine each
        # passing costs a switch interval, of which five milliseconds are the default.
        sys.setswitchinterval(_SWITCH)
        self._thread.start()
        end = time.monotonic() + within
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > end:
                raise UnavailableError("the HTTP server did not start")
            time.sleep(0.01)

    @property
    def alive(self) -> bool:
        """Whether it serves."""
        return self._thread.is_alive()

    def stop(self, within: float) -> None:
        """Finish what is being answered, in so many seconds, and close the port; also if never started."""
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(within)
        self._socket.close()
