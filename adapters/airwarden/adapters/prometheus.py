"""The `Prometheus` port over prometheus-api-client: instant queries with a deadline."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from airwarden.adapters.bounded import PIECE, whole
from airwarden.core.errors import RejectedError, UnavailableError
from airwarden.core.platform import Sample


class PrometheusApi:
    """One Prometheus, or anything with its query API.

    Args:
        url: Base URL.
        timeout: Seconds for one query, its whole answer included.
        token: Bearer token; none if empty, never printed.
    """

    def __init__(self, url: str, *, timeout: float = 5.0, token: str = "") -> None:
        self._url = url.rstrip("/")
        self._timeout = timeout
        self._headers = {"Authorization": f"Bearer {token}"} if token else None
        self._local = threading.local()  # its session is not safe to share between threads

    def query(self, expression: str) -> Sequence[Sample]:
        """Return the instant vector; an empty one is a valid answer.

        Raises:
            UnavailableError: It does not answer, or is not ready.
            RejectedError: The expression is wrong, or gives no vector or scalar.
        """
        import requests
        from prometheus_api_client import PrometheusApiClientException
        from urllib3.exceptions import HTTPError

        try:
            result = self._client().custom_query(expression, timeout=self._timeout)
        except (requests.RequestException, HTTPError, UnavailableError) as error:
            raise UnavailableError(f"Prometheus at {self._url} does not answer: {error}") from None
        except PrometheusApiClientException as error:
            text = str(error)
            wrong = "HTTP Status Code 4" in text and "Code 429" not in text
            raise (RejectedError if wrong else UnavailableError)(
                f"Prometheus at {self._url} refused {expression!r}: {text[:300]}"
            ) from None
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UnavailableError(f"{self._url} gave no Prometheus answer: {error!r}") from None
        try:
            return _samples(result, expression)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise UnavailableError(f"{self._url} gave no Prometheus answer: {error!r}") from None

    def _client(self) -> Any:
        client = getattr(self._local, "client", None)
        if client is None:
            from prometheus_api_client import PrometheusConnect
            from urllib3 import Retry

            session = _session(self._timeout)
            client = PrometheusConnect(
                url=self._url, headers=self._headers, retry=Retry(0), session=session
            )
            self._local.client = client
        return client


def _session(within: float) -> Any:
    """Return a session that asks the configured host alone, and reads no answer without an end."""
    from requests import Response, Session

    class Bounded(Session):
        def request(self, *arguments: Any, **keywords: Any) -> Response:
            # A redirect would carry the question, and a token, to a host that nobody configured.
            keywords |= {"stream": True, "allow_redirects": False}
            with super().request(*arguments, **keywords) as answer:
                pieces = iter(lambda: answer.raw.read1(PIECE, decode_content=True), b"")
                # What `content` gives from now on; a closed connection cannot be read by it.
                answer._content = whole(pieces, within=within)  # noqa: SLF001
            return answer

    session = Bounded()
    session.trust_env = False  # no proxy and no .netrc of the environment
    return session


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
