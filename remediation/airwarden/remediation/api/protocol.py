"""HTTP of one connection: parsed in C, and bounded outside its body too."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Bytes of a request line, headers, trailers and the framing of chunks, beyond as many as the body has.
MAX_HEAD = 64 * 1024


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol on httptools, which keeps whatever headers and trailers it is sent.

    The parser in Python, which has a limit of its own, takes a millisecond of processor time for a request:
    a fifth of what there is at 200 of them a second. The body's limit is the application's.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._bare = 0
        self._body = 0

    def data_received(self, data: bytes) -> None:
        """Parse what came, and end a connection whose request is nothing but headers."""
        self._bare += len(data)
        super().data_received(data)
        if self._bare > MAX_HEAD + self._body and not self.transport.is_closing():
            self.send_400_response("The request's headers are too large.")

    def on_message_begin(self) -> None:
        """Count anew."""
        self._bare = self._body = 0
        super().on_message_begin()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body, which is counted elsewhere."""
        self._bare -= len(body)
        self._body += len(body)
        super().on_body(body)
