"""The `ChatSocket` port over Slack's Socket Mode: for sites that nobody outside can reach.

The library's client keeps the connection up once it stands; until it stands, this tries. Its own log is
not let through: at failures it would print the connection's address, whose ticket is a secret.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import structlog

from airwarden.adapters.slack import no_proxy_of_the_environment
from airwarden.core.errors import RejectedError
from airwarden.core.settings.base import LOOPBACK

if TYPE_CHECKING:
    import socket
    import ssl

    from slack_sdk.socket_mode.builtin import SocketModeClient
    from slack_sdk.socket_mode.client import BaseSocketModeClient
    from slack_sdk.socket_mode.request import SocketModeRequest

_log = structlog.get_logger(__name__)
#: Seconds before the second attempt to connect, and the most before any.
_FIRST_WAIT, _MOST_WAIT = 1.0, 60.0


class SlackSocket:
    """Hands on what was pressed, as it comes over a standing connection.

    Args:
        app_token: The app's token (`xapp-…`, scope `connections:write`); never printed.
        base_url: The Web API's address with a slash at its end.
        deadline: Seconds for one call.
        proxy: An HTTP proxy's URL, or None; the environment's is not used.
        ping_every: Seconds between two looks at whether the connection stands; one that is gone is made anew.
    """

    def __init__(
        self,
        app_token: str,
        *,
        base_url: str = "https://slack.com/api/",
        deadline: float = 5.0,
        proxy: str | None = None,
        ping_every: float = 3.0,
    ) -> None:
        self._ping_every = ping_every
        self._token, self._base_url, self._deadline = app_token, base_url, deadline
        self._proxy = proxy
        self._client: SocketModeClient | None = None
        self._closed = threading.Event()
        self._lock = threading.Lock()

    def open(self, handle: Callable[[Mapping[str, Any]], None]) -> None:
        """Begin to connect in a thread of its own, and try again for as long as it takes."""
        thread = threading.Thread(
            target=self._connect, args=(handle,), name="slack-socket", daemon=True
        )
        thread.start()

    @property
    def connected(self) -> bool:
        """Whether the connection stands now."""
        return self._client is not None and self._client.is_connected()

    def close(self) -> None:
        """Hang up for good."""
        self._closed.set()
        # The library waits seconds for its own threads: nobody who stops has those.
        threading.Thread(target=self._hang_up, name="slack-hang-up", daemon=True).start()

    def _hang_up(self) -> None:
        with self._lock:
            if self._client is not None:
                self._client.close()

    def _connect(self, handle: Callable[[Mapping[str, Any]], None]) -> None:
        wait = _FIRST_WAIT
        while not self._closed.is_set():
            try:
                with self._lock:
                    if self._closed.is_set():
                        return
                    if self._client is None:
                        self._client = self._make(handle)
                self._client.connect()
            except Exception as error:  # whatever it was, buttons work again once it stands
                # Its class alone: the text may hold the address with its ticket.
                why = str(error) if isinstance(error, RejectedError) else type(error).__name__
                _log.warning("no connection to Slack for buttons", error=why, again_in=wait)
                self._closed.wait(wait)
                wait = min(_MOST_WAIT, 2 * wait)
            else:
                _log.info("buttons in Slack are heard", by="Socket Mode")
                return

    def _make(self, handle: Callable[[Mapping[str, Any]], None]) -> SocketModeClient:
        from slack_sdk import WebClient
        from slack_sdk.socket_mode.builtin import SocketModeClient
        from slack_sdk.socket_mode.response import SocketModeResponse

        no_proxy_of_the_environment()
        quiet = logging.getLogger(f"{__name__}.library")
        quiet.setLevel(logging.CRITICAL + 1)
        base = self._base_url.rstrip("/") + "/"
        web = WebClient(
            base_url=base,
            timeout=max(1, round(self._deadline)),
            proxy=self._proxy,
            retry_handlers=[],
            logger=quiet,
        )

        class Client(SocketModeClient):
            """The library's, which goes nowhere but to Slack, and notices when that has hung up."""

            def connect(self) -> None:
                super().connect()
                session = self.current_session
                if session is not None and session.sock is not None:
                    session.sock = cast("ssl.SSLSocket", _Line(session.sock))

            def issue_new_wss_url(self) -> str:
                url = super().issue_new_wss_url()
                if not _belongs(url, base):
                    raise RejectedError("Slack named an address that is none of its own")
                return url

        def hear(client: BaseSocketModeClient, request: SocketModeRequest) -> None:
            # At once: Slack waits three seconds, and what is not acknowledged comes again.
            client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
            if request.type == "interactive" and isinstance(request.payload, dict):
                handle(request.payload)

        web.proxy = self._proxy
        client = Client(
            self._token, logger=quiet, web_client=web, ping_interval=self._ping_every, concurrency=2
        )
        client.proxy = self._proxy
        client.socket_mode_request_listeners.append(hear)
        return client


class _Line:
    """A socket whose end is an error: the library takes it for silence, and reads on at full speed."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.send, self.close = sock.send, sock.close

    def recv(self, size: int) -> bytes:
        found = self._sock.recv(size)
        if not found:
            raise ConnectionResetError("the other side has hung up")
        return found


def _belongs(url: str, base: str) -> bool:
    """Return whether a connection's address is of the system that the Web API's address names."""
    there, here = urlsplit(url), urlsplit(base)
    named, known = there.hostname or "", here.hostname or ""
    if known in LOOPBACK:
        return named in LOOPBACK and there.scheme in ("ws", "wss")
    return there.scheme == "wss" and (named == known or named.endswith(f".{known}"))
