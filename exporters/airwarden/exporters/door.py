"""Who may read and order: one basic or bearer credential, compared in constant time."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from collections.abc import Callable

import structlog

from airwarden.core.errors import AirwardenError

_log = structlog.get_logger(__name__)


class Door:
    """Lets in who shows the credential; safe for threads.

    Args:
        secret: Reads the password or token anew, so that a renewed file counts from the next request on;
            raises AirwardenError. While it cannot be read, the one read last stays in force.
        username: With a name: basic authentication. Empty: a bearer token.

    Raises:
        AirwardenError: The secret cannot be read now.
    """

    def __init__(self, secret: Callable[[], str], *, username: str = "") -> None:
        self._secret = secret
        self._username = username
        self._scheme = "basic" if username else "bearer"
        #: What a refusal asks for, as `WWW-Authenticate` has it.
        self.challenge = 'Basic realm="airwarden", charset="UTF-8"' if username else "Bearer"
        self._lock = threading.Lock()
        self._expected = self._digest(secret())
        self._readable = True

    def admits(self, authorization: str) -> bool:
        """Return whether an `Authorization` header carries the credential."""
        self._renew()
        scheme, _, shown = authorization.partition(" ")
        same = hmac.compare_digest(_hashed(shown.strip()), self._expected)
        return same and scheme.lower() == self._scheme

    def _renew(self) -> None:
        with self._lock:
            try:
                self._expected = self._digest(self._secret())
            except AirwardenError as error:
                if self._readable:
                    _log.error("credential not read, the last one stays", error=str(error))
                self._readable = False
            else:
                self._readable = True

    def _digest(self, secret: str) -> bytes:
        if not self._username:
            return _hashed(secret)
        return _hashed(base64.b64encode(f"{self._username}:{secret}".encode()).decode())


def _hashed(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
