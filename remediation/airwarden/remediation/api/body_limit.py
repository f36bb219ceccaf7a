"""A bound on request bodies, before anything is parsed or anybody is asked for a token."""

from __future__ import annotations

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """ASGI middleware that refuses bodies that are too large.

    Args:
        app: What it guards.
        streaming: The one path that bounds its body itself.
        limit: Bytes.
    """

    def __init__(self, app: ASGIApp, *, streaming: str, limit: int) -> None:
        self._app = app
        self._streaming = streaming
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on unless its body is, or turns out to be, too large."""
        if scope["type"] != "http" or scope["path"] == self._streaming:
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        announced = headers.get(b"content-length", b"0")
        if not announced.isdigit() or int(announced) > self._limit:
            refusal = JSONResponse({"detail": f"at most {self._limit} bytes are taken"}, 413)
            await refusal(scope, receive, send)
            return
        size = 0

        async def bounded() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self._limit:
                # Without an announced length it shows late; the framework answers 400 to this.
                raise ValueError(f"more than {self._limit} bytes")
            return message

        await self._app(scope, bounded, send)
