"""Letting deliveries in: bounded in size and in number, acknowledged only once they are durable."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import structlog

from airwarden.core.errors import AirwardenError, UnavailableError, WrongInputError
from airwarden.remediation import intake
from airwarden.remediation.journal.inbox import InboxWriter

_log = structlog.get_logger(__name__)

#: Bytes of bodies held in memory at once: four of the largest.
MAX_BUFFERED = 4 * intake.MAX_BODY
#: Deliveries waiting to be processed; beyond it Alertmanager is asked to come back.
MAX_PENDING = 10_000


class TooLargeError(AirwardenError):
    """A body is larger than any real delivery; a poll finds what it held."""


class IntakeGate:
    """Accepts webhook bodies.

    Args:
        writer: Stores them.
        pending: How many deliveries wait now.
        poll_soon: Called when something was refused or truncated: the poll will find it.
        wake: Called after each accepted delivery.
    """

    def __init__(
        self,
        writer: InboxWriter,
        pending: Callable[[], int],
        poll_soon: Callable[[], None],
        wake: Callable[[], None],
    ) -> None:
        self._writer = writer
        self._pending = pending
        self._poll_soon = poll_soon
        self._wake = wake
        self._mutex = threading.Lock()
        self._buffered = 0

    async def read(self, chunks: AsyncIterator[bytes], announced: int | None) -> bytes:
        """Read a body as it streams in, never more than is allowed.

        Raises:
            TooLargeError: It is larger than `intake.MAX_BODY`, by its header or in fact.
            UnavailableError: Too many bodies are being read at once.
        """
        if announced is not None and announced > intake.MAX_BODY:
            self._refuse(f"a body of {announced} bytes")
        parts: list[bytes] = []
        size = 0
        with self._held() as hold:
            async for chunk in chunks:
                size += len(chunk)
                if size > intake.MAX_BODY:
                    self._refuse(f"a body of more than {intake.MAX_BODY} bytes")
                hold(len(chunk))
                parts.append(chunk)
        return b"".join(parts)

    def accept(self, body: bytes) -> dict[str, int | bool]:
        """Check and store a body; returns what was taken, once it is durable.

        Raises:
            WrongInputError: It is malformed; nothing was stored.
            UnavailableError: It could not be stored, or too much waits: send it again.
        """
        if self._pending() > MAX_PENDING:
            self._poll_soon()
            raise UnavailableError("too many deliveries wait to be processed", retry_after=10)
        try:
            parsed = intake.parse_webhook(body)
        except WrongInputError as error:
            _log.warning("webhook refused", reason=str(error), size=len(body))
            self._poll_soon()
            raise
        new = self._writer.put(intake.delivery(body, len(parsed.alerts)))
        if parsed.truncated:
            _log.warning("webhook truncated", left_out=parsed.truncated)
            self._poll_soon()
        self._wake()
        return {"alerts": len(parsed.alerts), "new": new, "truncated": parsed.truncated}

    def _refuse(self, what: str) -> None:
        _log.warning("webhook refused", reason=what)
        self._poll_soon()
        raise TooLargeError(f"{what}: at most {intake.MAX_BODY} are taken")

    @contextmanager
    def _held(self) -> Iterator[Callable[[int], None]]:
        mine = 0

        def hold(size: int) -> None:
            nonlocal mine
            with self._mutex:
                if self._buffered + size > MAX_BUFFERED:
                    self._poll_soon()
                    raise UnavailableError("too many deliveries at once", retry_after=2)
                self._buffered += size
            mine += size

        try:
            yield hold
        finally:
            with self._mutex:
                self._buffered -= mine
