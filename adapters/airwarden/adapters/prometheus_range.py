"""A range of the past out of Prometheus' query API, in pieces that it does not refuse.

The samples are those that an instant query would have seen at each step: stale series are absent, and a
missed scrape is bridged as the rules would have bridged it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from airwarden.adapters.access import Access, Failover, answered
from airwarden.core.errors import RejectedError, UnavailableError

#: Points of one series in one answer; Prometheus refuses more than 11,000.
_POINTS = 10_000
#: Bytes of one answer that are read at most.
_LARGEST = 256 * 1024 * 1024


class PrometheusRange:
    """Series of the past.

    Args:
        urls: Base URLs of one Prometheus, or of several that know the same.
        access: How to sign in and what to trust.
        timeout: Seconds until an answer begins, and between its pieces.

    Raises:
        OSError: A file of `access` cannot be read, or is no certificate or key.
    """

    def __init__(self, *urls: str, access: Access | None = None, timeout: float = 60.0) -> None:
        self._servers = Failover(urls)
        self._access = access or Access()
        self._context = self._access.context()
        self._timeout = timeout

    def samples(
        self,
        selector: str,
        start: float,
        step: float,
        count: int,
        progress: Callable[[float], None] = lambda _: None,
    ) -> Iterator[tuple[Mapping[str, str], int, list[float]]]:
        """Yield pieces of series: labels, place of the first of the values, and consecutive values.

        Args:
            selector: A series selector.
            start: Unix time of place 0.
            step: Seconds between places.
            count: How many places.
            progress: Told how much is done, from 0 to 1.

        Raises:
            UnavailableError: It does not answer.
            RejectedError: It refuses the query.
        """
        for first in range(0, count, _POINTS):
            last = min(count, first + _POINTS) - 1
            found = self._ask(
                {
                    "query": selector,
                    "start": f"{start + first * step:.3f}",
                    "end": f"{start + last * step:.3f}",
                    "step": f"{step:g}",
                }
            )
            for series in found:
                labels = {n: v for n, v in series["metric"].items() if n != "__name__"}
                yield from _runs(labels, series["values"], start, step)
            progress((last + 1) / count)

    def names(self, start: float, end: float) -> frozenset[str] | None:
        """Return the names of all metrics that have samples in a stretch; None where nobody says.

        A month is nine questions a metric: of those that are not there this saves all of them.

        Raises:
            UnavailableError: It does not answer.
        """
        stretch = {"start": f"{start:.3f}", "end": f"{end:.3f}"}
        path = "label/__name__/values"
        try:
            found = self._servers.ask(lambda url: self._data(url, "GET", path, stretch, list))
        except RejectedError:
            return None
        return frozenset(map(str, found))

    def _ask(self, parameters: Mapping[str, str]) -> list[dict[str, Any]]:
        return self._servers.ask(
            lambda url: self._data(url, "POST", "query_range", parameters, lambda d: d["result"])
        )

    def _data(
        self,
        url: str,
        method: str,
        path: str,
        parameters: Mapping[str, str],
        pick: Callable[[Any], list[Any]],
    ) -> list[Any]:
        """Return what is picked from the data that one address answers."""
        import httpx

        post = method == "POST"
        try:
            with answered(
                method,
                f"{url}/api/v1/{path}",
                self._access,
                self._context,
                timeout=self._timeout,
                params=None if post else parameters,
                data=parameters if post else None,
            ) as answer:
                body = b""
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > _LARGEST:
                        what = parameters.get("query", path)
                        raise RejectedError(f"Prometheus' answer to {what} is too large")
                status = answer.status_code
        except httpx.HTTPError as error:
            raise UnavailableError(f"Prometheus at {url} does not answer: {error}") from None
        try:
            document = json.loads(body)
            data = pick(document["data"]) if document["status"] == "success" else None
        except (ValueError, KeyError, TypeError):
            raise (RejectedError if 400 <= status < 500 else UnavailableError)(
                f"{url} gave no answer of Prometheus' query API (HTTP {status})"
            ) from None
        if data is None:
            raise RejectedError(f"Prometheus refused the query: {document.get('error', status)}")
        return data


def _runs(
    labels: Mapping[str, str], values: list[Any], start: float, step: float
) -> Iterator[tuple[Mapping[str, str], int, list[float]]]:
    """Split one series at its gaps."""
    begin, run = 0, list[float]()
    for moment, text in values:
        place = round((float(moment) - start) / step)
        if run and place != begin + len(run):
            yield labels, begin, run
            run = []
        if not run:
            begin = place
        run.append(float(text))
    if run:
        yield labels, begin, run
