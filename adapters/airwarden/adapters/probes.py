"""Whether an external dependency answers: one HTTP request, or one TCP connection."""

from __future__ import annotations

import socket


class HttpProbe:
    """A GET that must answer below 500 within the deadline: 4xx still proves that it works.

    Args:
        url: Where to ask.
        timeout: Seconds in all for connecting and for the answer's head.
        expect: The only status that counts; 0 for any below 500.
    """

    def __init__(self, url: str, *, timeout: float = 2.0, expect: int = 0) -> None:
        self._url = url
        self._timeout = timeout
        self._expect = expect

    def check(self) -> bool:
        """Return True if it answers as declared; never raises."""
        import httpx

        try:
            with httpx.stream("GET", self._url, timeout=self._timeout, trust_env=False) as answer:
                status = answer.status_code
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            return False
        return status == self._expect if self._expect else status < 500


class TcpProbe:
    """A TCP connection.

    Args:
        host: Name or address.
        port: Port.
        timeout: Seconds.
    """

    def __init__(self, host: str, port: int, *, timeout: float = 2.0) -> None:
        self._address = (host, port)
        self._timeout = timeout

    def check(self) -> bool:
        """Return True if the connection is accepted; never raises."""
        try:
            socket.create_connection(self._address, timeout=self._timeout).close()
        except OSError:
            return False
        return True
