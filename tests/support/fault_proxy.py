"""An HTTP proxy between an adapter and the real system that can be slow, fail, half-answer and lie.

It understands requests, so a fault can be put on one kind of call, before or after the effect: that is
what a TCP proxy (`support.proxy`) cannot do. Every request that reached the real system is in `reached`.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

#: Headers that belong to one connection and are not passed on.
_HOP = frozenset({"connection", "transfer-encoding", "content-length", "content-encoding", "date"})


@dataclass(frozen=True)
class Fault:
    """What happens to a request.

    Attributes:
        wait: Seconds before anything else.
        reach: Whether the real system gets it.
        status: Answer with this status instead of the system's.
        headers: With these headers beside.
        body: With this body; None: an error as Airflow words it.
        rewrite: Changes the system's JSON before it is passed on.
        alter: Changes the system's body, whatever it is, before it is passed on.
        before: Done when the request has come, and before the system gets it.
        ends: How the answer ends: `whole`, `half` of the body, `reset` without any, `never`, or
            `drip`, a byte now and then.
    """

    wait: float = 0.0
    reach: bool = True
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    rewrite: Callable[[Any], Any] | None = None
    alter: Callable[[bytes], bytes] | None = None
    before: Callable[[], object] | None = None
    ends: str = "whole"


def refuse(status: int, **headers: str) -> Fault:
    """Answer with an error; the system hears nothing."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault(reach=False, status=status, headers=named)


#: The effect happens and its reply is lost, in each way that a network has.
REPLY_RESET = Fault(ends="reset")
REPLY_CUT_IN_HALF = Fault(ends="half")
REPLY_NEVER = Fault(ends="never")
BAD_GATEWAY_AFTERWARDS = Fault(status=502, body=b"<html>Bad Gateway</html>")
#: The request is lost: nothing happens.
REQUEST_RESET = Fault(reach=False, ends="reset")
REQUEST_NEVER = Fault(reach=False, ends="never")


@dataclass
class _Rule:
    method: str
    path: re.Pattern[str]
    fault: Fault
    times: int
    holding: bytes


class FaultProxy:
    """Forwards to `target`, a base URL; `url` is where it listens."""

    def __init__(self, target: str) -> None:
        self.reached: list[tuple[str, str]] = []
        self.asked: list[tuple[str, str]] = []
        self._rules: list[_Rule] = []
        self._mutex = threading.Lock()
        self._closing = threading.Event()
        self._bodies: list[bytes] = []
        self._http = httpx.Client(base_url=target, timeout=60, trust_env=False)
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def on(
        self, method: str, path: str, fault: Fault, *, times: int = 1, holding: str = ""
    ) -> None:
        """Put a fault on the next `times` requests of a method whose path matches (0: all).

        With `holding`, only on those with that text in their body.
        """
        with self._mutex:
            self._rules.append(_Rule(method, re.compile(path), fault, times, holding.encode()))

    def mend(self) -> None:
        """Forget every fault."""
        with self._mutex:
            self._rules.clear()

    def count(self, method: str, path: str = "", *, holding: str = "") -> int:
        """Return how many such requests reached the real system."""
        return sum(
            m == method and re.search(path, p) is not None and holding.encode() in body
            for (m, p), body in zip(self.reached, self._bodies, strict=True)
        )

    def close(self) -> None:
        """Stop; answers that never end end now."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._http.close()

    def fault_for(self, method: str, path: str, body: bytes) -> Fault:
        """Return what is to happen to this request, and count it."""
        with self._mutex:
            self.asked.append((method, path))
            for rule in self._rules:
                meant = rule.method in (method, "*") and rule.path.search(path)
                if meant and rule.holding in body:
                    rule.times -= 1
                    if rule.times == 0:
                        self._rules.remove(rule)
                    return rule.fault
        return Fault()

    def forward(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Any:
        """Let the real system have the request; returns its response."""
        with self._mutex:
            self.reached.append((method, path))
            self._bodies.append(body)
        kept = {name: value for name, value in headers.items() if name.lower() not in _HOP}
        return self._http.request(method, path, headers=kept, content=body)

    def rest(self, seconds: float) -> bool:
        """Wait; returns True where the proxy is closing."""
        return self._closing.wait(seconds)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    proxy: FaultProxy


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _serve(self) -> None:
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = proxy.fault_for(self.command, self.path, body)
        if fault.before is not None:
            fault.before()
        if fault.wait and proxy.rest(fault.wait):
            return
        status, headers, content = 200, {}, b"{}"
        if fault.reach:
            answer = proxy.forward(self.command, self.path, dict(self.headers), body)
            status, content = answer.status_code, answer.content
            headers = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP}
            if fault.rewrite is not None and status < 400:
                content = json.dumps(fault.rewrite(json.loads(content))).encode()
            if fault.alter is not None:
                content = fault.alter(content)
        if fault.status:
            error = json.dumps({"detail": f"made up: {fault.status}"}).encode()
            status, content = fault.status, error if fault.body is None else fault.body
            headers = {"Content-Type": "application/json", **fault.headers}
        self._answer(fault, status, headers, content)

    def _answer(self, fault: Fault, status: int, headers: Mapping[str, str], body: bytes) -> None:
        if fault.ends == "never":
            self.server.proxy.rest(600)
        if fault.ends in ("never", "reset"):
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            self.connection.close()
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fault.ends == "drip":
            self.close_connection = True
            for at in range(len(body)):
                self.wfile.write(body[at : at + 1])
                if self.server.proxy.rest(0.2):
                    return
            return
        if fault.ends == "half":
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.close_connection = True
            return
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve  # noqa: N815 - inherited names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
        """Say nothing."""

    def finish(self) -> None:
        """Close a connection that may be closed already."""
        try:
            super().finish()
        except (OSError, ValueError):
            self.close_connection = True
