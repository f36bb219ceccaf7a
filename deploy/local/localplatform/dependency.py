"""The external service that some DAGs need: up until told to be down.

``GET /`` answers 200, or 503 while down; ``GET /invoices`` gives a small JSON document or
503; ``PUT /control/down`` and ``PUT /control/up`` switch. It starts up, and counts what it
was asked while down (``GET /control``), so a story can say how many calls were spared.
"""

from __future__ import annotations

import argparse
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LOOPBACK = "127.0.0.1"


class DependencyServer(ThreadingHTTPServer):
    """The server and its one switch."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__((LOOPBACK, port), _Handler)
        self._lock = threading.Lock()
        self._up = True
        self._served = 0
        self._refused = 0

    def switch(self, up: bool) -> None:
        """Make the service answer, or not."""
        with self._lock:
            self._up = up

    def count_call(self) -> bool:
        """Count one call and return whether it is to be answered."""
        with self._lock:
            if self._up:
                self._served += 1
            else:
                self._refused += 1
            return self._up

    def state(self) -> dict[str, object]:
        """Return the switch and the counters."""
        with self._lock:
            return {"up": self._up, "served": self._served, "refused": self._refused}


class _Handler(BaseHTTPRequestHandler):
    server: DependencyServer

    def do_GET(self) -> None:
        """Answer as the service, or tell the switch's state under ``/control``."""
        if self.path == "/control":
            self._send(200, self.server.state())
        elif self.server.count_call():
            self._send(200, {"status": "ok", "invoices": [1, 2, 3]})
        else:
            self._send(503, {"error": "billing-api is down"})

    def do_PUT(self) -> None:
        """Switch the service."""
        if self.path not in ("/control/up", "/control/down"):
            self._send(404, {"error": "PUT /control/up or /control/down"})
            return
        self.server.switch(self.path.endswith("up"))
        self._send(200, self.server.state())

    def _send(self, status: int, document: dict[str, object]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
        """Print one line a request to standard output, which supervisord keeps."""
        print(format % args, flush=True)


def main() -> None:
    """Run the service from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--port", type=int, required=True, help="loopback port")
    with DependencyServer(parser.parse_args().port) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
