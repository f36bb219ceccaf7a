"""A bound on request bodies, before anything is parsed or anybody is asked for a token."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """ASGI middleware that refuses bodies that are too large.

    Args:
        app: What it guards.
        streaming: Paths that bound their bodies themselves.
        limit: Bytes.
        larger: Path → bytes, where more is taken.
    """

    def __init__(
        self, app: ASGIApp, *, streaming: Collection[str], limit: int, larger: Mapping[str, int]
    ) -> None:
        self._app = app
        self._streaming = streaming
        self._limit = limit
        self._larger = larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on unless its body is, or turns out to be, too large."""
        if scope["type"] != "http" or scope["path"] in self._streaming:
            await self._app(scope, receive, send)
            return
        limit = self._larger.get(scope["path"], self._limit)
        headers = dict(scope["headers"])
        announced = headers.get(b"content-length", b"0")
        if not announced.isdigit() or int(announced) > limit:
            refusal = JSONResponse({"detail": f"at most {limit} bytes are taken"}, 413)
            await refusal(scope, receive, send)
            return
        size = 0

        async def bounded() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > limit:
                # Without an announced length it shows late; the framework answers 400 to this.
                raise ValueError(f"more than {limit} bytes")
            return message

        await self._app(scope, bounded, send)
