"""How a monitoring server is reached: what we show of ourselves, whom we trust, and who is asked next."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from airwarden.core.errors import UnavailableError

if TYPE_CHECKING:
    import httpx

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Access:
    """What a client shows of itself, and whom it believes.

    Attributes:
        headers: Gives the headers of one request: sign-in and tenant; asked anew for each, so that a
            renewed secret counts at once.
        ca_file: PEM of the authorities that are trusted; the public ones if empty.
        server_name: The name in the server's certificate, where it is not the host of the address.
        cert_file: PEM of the client's own certificate; none if empty.
        key_file: Its key.
        verify: False believes any certificate.
    """

    headers: Callable[[], Mapping[str, str]] = dict
    ca_file: str = ""
    server_name: str = ""
    cert_file: str = ""
    key_file: str = ""
    verify: bool = True

    def context(self) -> ssl.SSLContext:
        """Return how TLS is spoken.

        Raises:
            OSError: A file cannot be read, or is no certificate or key.
        """
        if not self.ca_file and not self.cert_file and self.verify:
            return _public()
        if not self.verify:
            found = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            found.check_hostname, found.verify_mode = False, ssl.CERT_NONE
        elif self.ca_file:
            found = ssl.create_default_context(cafile=self.ca_file)
        else:
            found = _new()
        if self.cert_file:
            found.load_cert_chain(self.cert_file, self.key_file)
        return found


@cache
def _public() -> ssl.SSLContext:
    """Return one context for all requests: reading the certificates takes longer than a request."""
    return _new()


def _new() -> ssl.SSLContext:
    import httpx

    return httpx.create_ssl_context(trust_env=False)


@contextmanager
def answered(
    method: str,
    url: str,
    access: Access,
    context: ssl.SSLContext,
    *,
    timeout: float,
    params: Mapping[str, str] | None = None,
    data: Mapping[str, str] | None = None,
    json: Any = None,
) -> Iterator[httpx.Response]:
    """Send one request, and give the answer to be read while it arrives.

    Args:
        method, url, params, data, json: What is sent.
        access: Who we are.
        context: Of `access`, made once.
        timeout: Seconds until the answer begins, and between its pieces.

    Raises:
        httpx.HTTPError: There is no answer.
    """
    import httpx

    named = {"sni_hostname": access.server_name} if access.server_name else {}
    with (
        # A redirect would carry a credential to a host that nobody configured: none is followed.
        httpx.Client(verify=context, trust_env=False, timeout=timeout) as client,
        client.stream(
            method,
            url,
            params=params,
            data=data,
            json=json,
            headers=dict(access.headers()),
            extensions=named,
        ) as answer,
    ):
        yield answer


class Failover:
    """The addresses of one service: the one that answered last is asked first.

    Args:
        urls: One at least.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        if not urls:
            raise ValueError("no address")
        self._urls = tuple(url.rstrip("/") for url in urls)
        self._last = 0

    def ask(self, call: Callable[[str], _T]) -> _T:
        """Return the first answer; what is refused is not asked again elsewhere.

        Args:
            call: Asks one address; raises UnavailableError where the next one should be asked.

        Raises:
            UnavailableError: None answers; says of each why.
        """
        failed: list[str] = []
        begin = self._last
        for step in range(len(self._urls)):
            at = (begin + step) % len(self._urls)
            try:
                answer = call(self._urls[at])
            except UnavailableError as error:
                failed.append(str(error))
            else:
                self._last = at
                return answer
        raise UnavailableError("; ".join(failed))
