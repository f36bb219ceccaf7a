"""TLS for our servers: certificate and key from files, taken up anew when they are renewed."""

from __future__ import annotations

import ssl
import threading
from dataclasses import dataclass
from pathlib import Path

import structlog

from airwarden.core.errors import WrongInputError

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files.

    Attributes:
        cert: The server's certificate, its chain behind it.
        key: Its key, without a passphrase.
        client_ca: Who must have signed a client's certificate; None asks clients for none.
    """

    cert: Path
    key: Path
    client_ca: Path | None = None


class RenewedContext:
    """The TLS context of the files as they are now; safe for threads.

    Args:
        files: Which; looked at for each connection, read when one has changed.
        place: The settings' key, for messages.

    Raises:
        WrongInputError: They cannot be used now.
    """

    def __init__(self, files: TlsFiles, *, place: str) -> None:
        self._files, self._place = files, place
        self._lock = threading.Lock()
        self._seen = self._stamps()
        self._context = _context(files, place)

    def now(self) -> ssl.SSLContext:
        """Return the context for a new connection; files that cannot be used leave the last one."""
        with self._lock:
            stamps = self._stamps()
            if stamps != self._seen:
                self._seen = stamps
                try:
                    self._context = _context(self._files, self._place)
                    _log.info("certificate renewed", file=str(self._files.cert))
                except WrongInputError as error:
                    _log.error("certificate not renewed, the last one stays", error=str(error))
            return self._context

    def _stamps(self) -> tuple[tuple[int, int, int], ...]:
        files = (self._files.cert, self._files.key, self._files.client_ca)
        return tuple(_stamp(file) for file in files if file is not None)


def _stamp(file: Path) -> tuple[int, int, int]:
    try:
        found = file.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def _context(files: TlsFiles, place: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # A key that asks for a passphrase would ask at the terminal: it is refused instead.
        context.load_cert_chain(files.cert, files.key, password="")
    except (OSError, ValueError) as error:
        raise WrongInputError(
            f"certificate {files.cert} with key {files.key} cannot be used: {_why(error)}",
            place=place,
            hint="give a PEM certificate and its own key without a passphrase, both readable",
        ) from None
    if files.client_ca is not None:
        try:
            context.load_verify_locations(files.client_ca)
        except (OSError, ValueError) as error:
            raise WrongInputError(
                f"{files.client_ca} cannot be used: {_why(error)}",
                place=f"{place}.client_ca_file",
            ) from None
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
