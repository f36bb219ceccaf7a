"""XML-RPC calls with a deadline, sent once.

The standard library's transport sends a request a second time when a kept connection was closed:
harmless for reads, a second signal for an effect. Here each call has its own connection.
"""

from __future__ import annotations

import base64
import http.client
import socket
import xmlrpc.client
from typing import Any
from urllib.parse import urlsplit

from airwarden.adapters.bounded import PIECE, whole
from airwarden.core.errors import RejectedError, UnavailableError, WrongInputError
from airwarden.core.work import left


class Fault(Exception):  # noqa: N818 - XML-RPC's own term
    """The server understood and refused."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        self.text = text
        super().__init__(f"{text} ({code})")


class Answer(Exception):  # noqa: N818 - what came instead of one
    """The request was sent and its answer did not come, or could not be read."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class XmlRpc:
    """One XML-RPC server.

    Args:
        url: `http://`, `https://` or `unix://` followed by a socket's path.
        username: For basic authentication; none if empty.
        password: Never printed.
        timeout: Seconds for connecting, and for the whole answer.
    """

    def __init__(self, url: str, *, username: str, password: str, timeout: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https", "unix"):
            raise WrongInputError(f"{url!r}: expected http://, https:// or unix://")
        self._scheme = parts.scheme
        self._host = parts.hostname or ""
        self._port = parts.port
        self._path = parts.path
        self._timeout = timeout
        self._where = url if parts.scheme == "unix" else f"{parts.hostname}:{parts.port}"
        self._headers = {"Content-Type": "text/xml", "Accept": "text/xml"}
        if username:
            secret = base64.b64encode(f"{username}:{password}".encode()).decode()
            self._headers["Authorization"] = f"Basic {secret}"

    def call(self, method: str, *arguments: object) -> Any:
        """Call a method once and return its value.

        Raises:
            UnavailableError: No connection: nothing was sent.
            RejectedError: Wrong credentials, or no XML-RPC there.
            Fault: The server refused.
            Answer: The answer was lost.
        """
        connection = self._connection()
        try:
            try:
                connection.connect()
            except OSError as error:
                raise UnavailableError(f"{self._where} is not reachable: {error}") from None
            return self._exchange(connection, method, arguments)
        finally:
            connection.close()

    def _exchange(
        self, connection: http.client.HTTPConnection, method: str, arguments: tuple[object, ...]
    ) -> Any:
        body = xmlrpc.client.dumps(arguments, method).encode()  # type: ignore[arg-type]
        try:
            path = "/RPC2" if self._scheme == "unix" else self._path or "/RPC2"
            connection.request("POST", path, body, self._headers)
            response = connection.getresponse()
            pieces = iter(lambda: response.read1(PIECE), b"")
            answer = whole(pieces, within=self._timeout)
        except (OSError, http.client.HTTPException, UnavailableError) as error:
            raise Answer(f"{self._where} did not answer {method}: {error!r}") from None
        if response.status in (401, 403):
            raise RejectedError(f"{self._where} refused the user name or password")
        if response.status != 200:
            raise Answer(f"{self._where} answered {method} with HTTP {response.status}")
        try:
            values, _ = xmlrpc.client.loads(answer, use_builtin_types=True)
        except xmlrpc.client.Fault as fault:
            raise Fault(int(fault.faultCode), str(fault.faultString)) from None
        except Exception as error:  # what is no XML-RPC fails in many ways
            raise Answer(f"{self._where} answered {method} with no XML-RPC: {error}") from None
        if len(values) != 1:
            raise Answer(f"{self._where} answered {method} with {len(values)} values")
        return values[0]

    def _connection(self) -> http.client.HTTPConnection:
        if self._scheme == "unix":
            return _UnixConnection(self._path, left(self._timeout))
        kind = (
            http.client.HTTPSConnection if self._scheme == "https" else http.client.HTTPConnection
        )
        return kind(self._host, self._port, timeout=left(self._timeout))
