"""The `Prometheus` port over prometheus-api-client: instant queries with a deadline."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from airwarden.adapters.access import Access, Failover
from airwarden.adapters.bounded import PIECE, whole
from airwarden.core.errors import RejectedError, UnavailableError
from airwarden.core.platform import Sample


class PrometheusApi:
    """One Prometheus, or anything with its query API; or several that know the same.

    Args:
        urls: Base URLs.
        access: How to sign in and what to trust.
        timeout: Seconds for one query to one of them, its whole answer included.
    """

    def __init__(self, *urls: str, access: Access | None = None, timeout: float = 5.0) -> None:
        self._servers = Failover(urls)
        self._access = access or Access()
        self._timeout = timeout
        self._local = threading.local()  # its sessions are not safe to share between threads

    def query(self, expression: str) -> Sequence[Sample]:
        """Return the instant vector; an empty one is a valid answer.

        Raises:
            UnavailableError: None of them answers, or is ready.
            RejectedError: The expression is wrong, or gives no vector or scalar.
        """
        return self._servers.ask(lambda url: self._query(url, expression))

    def _query(self, url: str, expression: str) -> Sequence[Sample]:
        import requests
        from prometheus_api_client import PrometheusApiClientException
        from urllib3.exceptions import HTTPError

        try:
            result = self._client(url).custom_query(expression, timeout=self._timeout)
        except (requests.RequestException, HTTPError, UnavailableError) as error:
            raise UnavailableError(f"Prometheus at {url} does not answer: {error}") from None
        except PrometheusApiClientException as error:
            text = str(error)
            wrong = "HTTP Status Code 4" in text and "Code 429" not in text
            raise (RejectedError if wrong else UnavailableError)(
                f"Prometheus at {url} refused {expression!r}: {text[:300]}"
            ) from None
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UnavailableError(f"{url} gave no Prometheus answer: {error!r}") from None
        try:
            return _samples(result, expression)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise UnavailableError(f"{url} gave no Prometheus answer: {error!r}") from None

    def _client(self, url: str) -> Any:
        clients: dict[str, Any] | None = getattr(self._local, "clients", None)
        if clients is None:
            clients = self._local.clients = {}
        if url not in clients:
            from prometheus_api_client import PrometheusConnect
            from urllib3 import Retry

            session = _session(self._timeout, self._access)
            clients[url] = PrometheusConnect(url=url, retry=Retry(0), session=session)
            if self._access.server_name:
                session.mount(url, _named(self._access.server_name))
        return clients[url]


def _session(within: float, access: Access) -> Any:
    """Return a session that asks the configured host alone, and reads no answer without an end."""
    from requests import Response, Session

    class Bounded(Session):
        def request(self, *arguments: Any, **keywords: Any) -> Response:
            # A redirect would carry the question, and a token, to a host that nobody configured.
            keywords |= {"stream": True, "allow_redirects": False, "headers": access.headers()}
            with super().request(*arguments, **keywords) as answer:
                pieces = iter(lambda: answer.raw.read1(PIECE, decode_content=True), b"")
                # What `content` gives from now on; a closed connection cannot be read by it.
                answer._content = whole(pieces, within=within)  # noqa: SLF001
            return answer

    session = Bounded()
    session.trust_env = False  # no proxy and no .netrc of the environment
    if access.ca_file:
        session.verify = access.ca_file
    if access.cert_file:
        session.cert = (access.cert_file, access.key_file)
    if not access.verify:
        from urllib3 import disable_warnings
        from urllib3.exceptions import InsecureRequestWarning

        session.verify = False
        disable_warnings(InsecureRequestWarning)  # the operator said so; once is enough
    return session


def _named(name: str) -> Any:
    """Return what connects to servers whose certificate carries another name than their address."""
    from requests.adapters import HTTPAdapter

    class Named(HTTPAdapter):
        def init_poolmanager(self, *arguments: Any, **keywords: Any) -> Any:
            keywords |= {"server_hostname": name, "assert_hostname": name}
            return super().init_poolmanager(*arguments, **keywords)

    return Named(max_retries=0)


def _samples(result: Any, expression: str) -> list[Sample]:
    if not isinstance(result, list):
        raise TypeError("its result is no list")
    if not result:
        return []
    if isinstance(result[0], dict) and "value" in result[0]:
        return [
            Sample(
                labels={str(k): str(v) for k, v in row["metric"].items() if k != "__name__"},
                value=float(row["value"][1]),
                timestamp=float(row["value"][0]),
            )
            for row in result
        ]
    if len(result) == 2 and isinstance(result[1], str):  # a scalar: [timestamp, "value"]
        return [Sample({}, float(result[1]), float(result[0]))]
    raise RejectedError(f"{expression!r} gives no instant vector")
