"""Letting deliveries in: bounded in size and in number, acknowledged only once they are durable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar

import structlog
from fastapi.concurrency import run_in_threadpool

from airwarden.core.errors import AirwardenError, UnavailableError
from airwarden.remediation import intake
from airwarden.remediation.journal.inbox import Backlog, Delivery, InboxWriter

_log = structlog.get_logger(__name__)

#: Bytes of bodies held in memory at once: four of the largest.
MAX_BUFFERED = 4 * intake.MAX_BODY
#: Alerts waiting to be worked off; beyond it Alertmanager is asked to come back.
MAX_PENDING = 100_000
#: Deliveries that wait for the disk at once, and seconds that one waits.
MAX_WAITING, PATIENCE = 1000, 5.0
#: Bytes up to which a body is read where it arrives: handing it to a thread would take longer.
_SMALL = 32 * 1024


class TooLargeError(AirwardenError):
    """A body is larger than any real delivery; a poll finds what it held."""

    http_status: ClassVar[int] = 413


class GroupCommit:
    """Stores deliveries, all that wait in one transaction: a flush costs the same for a hundred.

    Args:
        writer: Stores them.
    """

    def __init__(self, writer: InboxWriter) -> None:
        self._writer = writer
        self._waiting: list[tuple[Delivery, asyncio.Future[bool]]] = []
        self._task: asyncio.Task[None] | None = None

    async def put(self, delivery: Delivery) -> bool:
        """Return once the delivery is durable; False where it was there before.

        Raises:
            UnavailableError: It is not known to be stored: the sender has to send it again.
        """
        if len(self._waiting) >= MAX_WAITING:
            raise UnavailableError("too many deliveries wait for the journal", retry_after=PATIENCE)
        stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((delivery, stored))
        if self._task is None:
            self._task = asyncio.create_task(self._commit())
        try:
            return await asyncio.wait_for(stored, PATIENCE)
        except TimeoutError:
            raise UnavailableError("journal: writers queue up", retry_after=PATIENCE) from None

    async def _commit(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                try:
                    news = await run_in_threadpool(self._writer.put_all, [one for one, _ in batch])
                except Exception as error:  # whoever waits is told, whatever it was
                    why = UnavailableError(f"the delivery was not stored: {error}")
                    for _, stored in batch:
                        if not stored.done():
                            stored.set_exception(why)
                    continue
                for (_, stored), new in zip(batch, news, strict=True):
                    if not stored.done():
                        stored.set_result(new)
        finally:
            self._task = None


class IntakeGate:
    """Accepts webhook bodies; used from one event loop.

    Args:
        writer: Stores them.
        backlog: What waits now, as it was last looked at.
        poll_soon: Called when something was refused or truncated: the poll will find it.
        wake: Called after each accepted delivery.
        truncated: Told how many alerts a delivery had left out.
    """

    def __init__(
        self,
        writer: InboxWriter,
        backlog: Callable[[], Backlog],
        poll_soon: Callable[[], None],
        wake: Callable[[], None],
        truncated: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._commits = GroupCommit(writer)
        self._backlog = backlog
        self._poll_soon = poll_soon
        self._wake = wake
        self._truncated = truncated
        self._buffered = 0
        self._looked: Backlog | None = None
        self._since = 0

    async def take(self, chunks: AsyncIterator[bytes], announced: int | None) -> dict[str, int]:
        """Read a body as it streams in, store it, and return what was taken once it is durable.

        Args:
            chunks: The body.
            announced: Its size in bytes by the request's header, None where there is none.

        Raises:
            TooLargeError: It is larger than `intake.MAX_BODY`, by its header or in fact.
            WrongInputError: It is malformed; nothing was stored.
            UnavailableError: It could not be stored, or too much waits: send it again.
        """
        try:
            with self._held() as hold:
                self._check_backlog()
                return await self._accept(await self._read(chunks, announced, hold))
        except AirwardenError as error:
            _log.warning("webhook refused", reason=str(error))
            self._poll_soon()
            raise

    async def _read(
        self, chunks: AsyncIterator[bytes], announced: int | None, hold: Callable[[int], None]
    ) -> bytes:
        if announced is not None and announced > intake.MAX_BODY:
            raise _too_large(f"a body of {announced} bytes")
        parts: list[bytes] = []
        size = 0
        async for chunk in chunks:
            size += len(chunk)
            if size > intake.MAX_BODY:
                raise _too_large(f"a body of more than {intake.MAX_BODY} bytes")
            hold(len(chunk))
            parts.append(chunk)
        return b"".join(parts)

    async def _accept(self, body: bytes) -> dict[str, int]:
        if len(body) <= _SMALL:
            parsed = intake.parse_webhook(body)
        else:
            parsed = await run_in_threadpool(intake.parse_webhook, body)
        count = len(parsed.alerts)
        new = await self._commits.put(intake.delivery(body, count))
        self._since += count
        if parsed.truncated:
            _log.warning("webhook truncated", left_out=parsed.truncated)
            self._truncated(parsed.truncated)
            self._poll_soon()
        self._wake()
        return {"alerts": count, "new": new, "truncated": parsed.truncated}

    def _check_backlog(self) -> None:
        """Refuse while too much waits: what was looked at last, and what came since."""
        backlog = self._backlog()
        if backlog is not self._looked:
            self._looked, self._since = backlog, 0
        if backlog.alerts + self._since > MAX_PENDING:
            raise UnavailableError("too many alerts wait to be worked off", retry_after=10)

    @contextmanager
    def _held(self) -> Iterator[Callable[[int], None]]:
        """Count the memory of a body until it is stored."""
        mine = 0

        def hold(size: int) -> None:
            nonlocal mine
            if self._buffered + size > MAX_BUFFERED:
                raise UnavailableError("too many deliveries at once", retry_after=2)
            self._buffered += size
            mine += size

        try:
            yield hold
        finally:
            self._buffered -= mine


def _too_large(what: str) -> TooLargeError:
    return TooLargeError(f"{what}: at most {intake.MAX_BODY} are taken")
