"""The `Prometheus` port over prometheus-api-client: instant queries with a deadline."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from airwarden.core.errors import RejectedError, UnavailableError
from airwarden.core.platform import Sample


class PrometheusApi:
    """One Prometheus, or anything with its query API.

    Args:
        url: Base URL.
        timeout: Seconds for one query.
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

        try:
            result = self._client().custom_query(expression, timeout=self._timeout)
        except requests.RequestException as error:
            raise UnavailableError(f"Prometheus at {self._url} does not answer: {error}") from None
        except PrometheusApiClientException as error:
            text = str(error)
            wrong = "HTTP Status Code 4" in text and "Code 429" not in text
            raise (RejectedError if wrong else UnavailableError)(
                f"Prometheus at {self._url} refused {expression!r}: {text[:300]}"
            ) from None
        except ValueError as error:
            raise UnavailableError(f"{self._url} gave no Prometheus answer: {error}") from None
        return _samples(result, expression)

    def _client(self) -> Any:
        client = getattr(self._local, "client", None)
        if client is None:
            from prometheus_api_client import PrometheusConnect
            from requests import Session
            from urllib3 import Retry

            session = Session()
            session.trust_env = False  # no proxy and no .netrc of the environment
            client = PrometheusConnect(
                url=self._url, headers=self._headers, retry=Retry(0), session=session
            )
            self._local.client = client
        return client


def _samples(result: Any, expression: str) -> list[Sample]:
    if not result:
        return []
    if isinstance(result[0], dict) and "value" in result[0]:
        return [
            Sample(
                labels={k: v for k, v in row["metric"].items() if k != "__name__"},
                value=float(row["value"][1]),
                timestamp=float(row["value"][0]),
            )
            for row in result
        ]
    if len(result) == 2 and isinstance(result[1], str):  # a scalar: [timestamp, "value"]
        return [Sample({}, float(result[1]), float(result[0]))]
    raise RejectedError(f"{expression!r} gives no instant vector")
