"""A TCP proxy that can be slow, refuse, or cut connections: one route, told over HTTP.

Run as its own supervised process::

    python -m localplatform.proxy --listen 21001 --upstream 21002 --control 21003

Control (loopback, JSON answers): ``GET /`` tells the state; ``PUT /delay?ms=N`` holds
every chunk sent towards the server for N ms, so each request and answer takes that much
longer; ``PUT /refuse`` refuses new connections and leaves the old ones; ``PUT /cut`` ends
those that exist; ``PUT /resume`` ends every fault.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import struct
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

LOOPBACK = "127.0.0.1"


class Route:
    """One listening port, one upstream port, and the fault in force between them.

    Lives in the event loop's thread; other threads go through :meth:`apply`.
    """

    def __init__(self, listen: int, upstream: int) -> None:
        self.listen = listen
        self.upstream = upstream
        self.delay_seconds = 0.0
        self.connections: set[ClientSide] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Start (again) to accept connections."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                lambda: ClientSide(self), LOOPBACK, self.listen, backlog=512
            )

    async def apply(self, command: str, milliseconds: float = 0.0) -> dict[str, Any]:
        """Carry out one command of the control interface and return the state after it.

        Raises ``KeyError`` for a command it does not know.
        """
        match command:
            case "state":
                pass
            case "delay":
                self.delay_seconds = milliseconds / 1000
            case "refuse":
                if self._server is not None:
                    self._server.close()
                    self._server = None
            case "cut":
                for connection in tuple(self.connections):
                    connection.reset()
            case "resume":
                self.delay_seconds = 0.0
                await self.open()
            case _:
                raise KeyError(command)
        return {
            "listen": self.listen,
            "upstream": self.upstream,
            "accepting": self._server is not None,
            "delay_ms": round(self.delay_seconds * 1000, 3),
            "connections": len(self.connections),
        }


class ClientSide(asyncio.Protocol):
    """The connection that a client opened; owns the one to the upstream."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.transport: asyncio.Transport | None = None
        self.server: ServerSide | None = None
        self._held: deque[tuple[float, bytes | None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect to the upstream; what the client sends meanwhile is held."""
        self.transport = cast(asyncio.Transport, transport)
        self.route.connections.add(self)
        self._connecting = self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        try:
            _, self.server = await self._loop.create_connection(
                lambda: ServerSide(self), LOOPBACK, self.route.upstream
            )
        except OSError:
            self.abort()
            return
        if self.transport is None or self.transport.is_closing():
            self.server.abort()
        else:
            self._release()

    def data_received(self, data: bytes) -> None:
        """Pass the bytes on, at once or after the delay in force; never out of order."""
        if self.server is not None and self.route.delay_seconds == 0 and not self._held:
            self._pass_on(data)
        else:
            self._hold(data)

    def eof_received(self) -> bool:
        """End the upstream connection after what is still held."""
        self._hold(None)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection and end its other half."""
        self.route.connections.discard(self)
        if exc is not None or not self._held:
            self.abort()

    def pause_writing(self) -> None:
        """Stop reading from the upstream while this client cannot keep up."""
        if self.server is not None and self.server.transport is not None:
            self.server.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read from the upstream again."""
        if self.server is not None and self.server.transport is not None:
            self.server.transport.resume_reading()

    def abort(self) -> None:
        """Drop both halves without ceremony."""
        if self._timer is not None:
            self._timer.cancel()
        self._held.clear()
        if self.transport is not None:
            self.transport.abort()
        if self.server is not None:
            self.server.abort()

    def reset(self) -> None:
        """Drop both halves so that the client sees a reset, not an orderly end."""
        if self.transport is not None:
            raw = self.transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.abort()

    def _hold(self, data: bytes | None) -> None:
        due = self._loop.time() + self.route.delay_seconds
        if self._held:
            due = max(due, self._held[-1][0])
        self._held.append((due, data))
        if self._timer is None and self.server is not None:
            self._timer = self._loop.call_at(due, self._release)

    def _release(self) -> None:
        self._timer = None
        while self._held and self._held[0][0] <= self._loop.time():
            self._pass_on(self._held.popleft()[1])
        if self._held:
            self._timer = self._loop.call_at(self._held[0][0], self._release)

    def _pass_on(self, data: bytes | None) -> None:
        upstream = self.server.transport if self.server is not None else None
        if upstream is None or upstream.is_closing():
            return
        if data is None:
            upstream.close()
        else:
            upstream.write(data)


class ServerSide(asyncio.Protocol):
    """The connection to the upstream on behalf of one client."""

    def __init__(self, client: ClientSide) -> None:
        self.client = client
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Pass the answer on at once."""
        transport = self.client.transport
        if transport is not None and not transport.is_closing():
            transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the client's half: with a reset if the upstream broke, else in order."""
        transport = self.client.transport
        if transport is None:
            return
        if exc is None:
            transport.close()
        else:
            transport.abort()

    def pause_writing(self) -> None:
        """Stop reading from the client while the upstream cannot keep up."""
        if self.client.transport is not None and not self.client.transport.is_closing():
            self.client.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read from the client again."""
        if self.client.transport is not None and not self.client.transport.is_closing():
            self.client.transport.resume_reading()

    def abort(self) -> None:
        """Drop the connection."""
        if self.transport is not None:
            self.transport.abort()


class _Control(BaseHTTPRequestHandler):
    """The control interface; ``server.route`` and ``server.loop`` are set by :func:`serve`."""

    server: _ControlServer

    def do_GET(self) -> None:
        """Tell the state."""
        self._answer("state", 0.0)

    def do_PUT(self) -> None:
        """Carry out the command that is the path."""
        parts = urlsplit(self.path)
        try:
            milliseconds = float(parse_qs(parts.query).get("ms", ["0"])[0])
        except ValueError:
            self.send_error(400, "ms must be a number of milliseconds")
            return
        self._answer(parts.path.strip("/"), milliseconds)

    def _answer(self, command: str, milliseconds: float) -> None:
        future = asyncio.run_coroutine_threadsafe(
            self.server.route.apply(command, milliseconds), self.server.loop
        )
        try:
            body = json.dumps(future.result(timeout=5)).encode()
        except KeyError:
            self.send_error(404, "commands: delay?ms=N, refuse, cut, resume")
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
        """Print one line a request to standard output, which supervisord keeps."""
        print(format % args, flush=True)


class _ControlServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, route: Route, loop: asyncio.AbstractEventLoop) -> None:
        self.route = route
        self.loop = loop
        super().__init__((LOOPBACK, port), _Control)


async def serve(listen: int, upstream: int, control: int) -> None:
    """Run the proxy and its control interface until cancelled."""
    route = Route(listen, upstream)
    await route.open()
    server = _ControlServer(control, route, asyncio.get_running_loop())
    threading.Thread(target=server.serve_forever, name="control", daemon=True).start()
    try:
        await asyncio.Event().wait()
    finally:
        server.shutdown()
        server.server_close()


def main() -> None:
    """Run one proxy from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    for name in ("listen", "upstream", "control"):
        parser.add_argument(f"--{name}", type=int, required=True, help="loopback port")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.listen, arguments.upstream, arguments.control))


if __name__ == "__main__":
    main()
