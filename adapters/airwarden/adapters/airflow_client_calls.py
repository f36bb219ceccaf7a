"""One call of apache-airflow-client with a deadline, a token, and our errors.

urllib3's own retries are off: a repeated POST is a second effect. Reads are tried again here, three
times in at most five seconds; an effect is sent once, and a lost reply says so.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from airwarden.adapters import foreign_answers
from airwarden.adapters.airflow_auth import TokenSource
from airwarden.core.errors import (
    AirwardenError,
    ConflictError,
    NotFoundError,
    RejectedError,
    UnavailableError,
    UnknownOutcomeError,
)
from airwarden.core.platform import LogTail
from airwarden.core.work import left

_T = TypeVar("_T")
#: Longest pause in seconds that an answer's Retry-After can impose: a lie must not silence us for days.
MAX_PAUSE = 120.0
#: Bytes that are read at once of a body that may be long.
_PIECE = 65_536


class AirflowCalls:
    """The generated API classes of one Airflow.

    Args:
        url: Base URL.
        tokens: Where the bearer token comes from.
        timeout: Seconds for one request.
        ca_file: PEM bundle to trust instead of the system's.
        proxy: Proxy URL.
        elapsed: Seconds on a clock that is never set back.
    """

    def __init__(
        self,
        url: str,
        tokens: TokenSource,
        *,
        timeout: float = 5.0,
        ca_file: str = "",
        proxy: str = "",
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url.rstrip("/")
        self._tokens = tokens
        self._timeout = float(timeout)
        self._ca_file = ca_file
        self._proxy = proxy
        self._lock = threading.Lock()
        self._client: Any = None
        self._apis: dict[str, Any] = {}
        self._elapsed = elapsed
        self._pause_until = elapsed()

    def read(self, api: str, method: str, /, *arguments: object, **keywords: object) -> Any:
        """Call a reading method, at most three times within five seconds.

        Args:
            api: The generated class, for example `PoolApi`.
            method: Its method.
        """
        import tenacity

        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(3) | tenacity.stop_after_delay(self._timeout),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=1.0),
            # Where Airflow names a time to come back, repeating before it is impolite and useless.
            retry=tenacity.retry_if_exception(
                lambda error: isinstance(error, UnavailableError) and error.retry_after is None
            ),
            reraise=True,
        )
        call = self._method(api, method)
        return retrying(lambda: self._signed(call, arguments, keywords, effect=False))

    def tail(
        self, api: str, method: str, /, *arguments: object, most: int, keep: int, **keywords: object
    ) -> LogTail:
        """Call a reading method once, and return the end of its body, which is never held as a whole.

        Args:
            api, method: As for `read`.
            most: Bytes after which reading is given up; so it is after the deadline of a request.
            keep: Bytes of the end that are returned.
        """

        def call(*positional: object, **named: object) -> LogTail:
            from airflow_client.client.exceptions import ApiException

            raw = getattr(self._api(api), f"{method}_without_preload_content")
            response = raw(*positional, **named)
            try:
                if not 200 <= response.status < 300:
                    body = response.read(65_536, decode_content=True).decode("utf-8", "replace")
                    raise ApiException.from_response(http_resp=response, body=body, data=None)
                return self._end_of(response, most, keep)
            finally:
                response.close()

        return self._signed(call, arguments, keywords, effect=False)

    def _end_of(self, response: Any, most: int, keep: int) -> LogTail:
        end, size, begun = b"", 0, self._elapsed()
        for piece in response.stream(_PIECE, decode_content=True):
            size += len(piece)
            end = (end + piece)[-keep:]
            if size >= most or self._elapsed() - begun > self._timeout:
                return LogTail(end, size, whole=False)
        return LogTail(end, size, whole=True)

    def effect(self, api: str, method: str, /, *arguments: object, **keywords: object) -> Any:
        """Call a changing method once."""
        return self._signed(self._method(api, method), arguments, keywords, effect=True)

    def _method(self, api: str, method: str) -> Callable[..., Any]:
        """Return a generated method; the class is not made before it is called."""
        return lambda *arguments, **keywords: getattr(self._api(api), method)(
            *arguments, **keywords
        )

    def _signed(
        self,
        call: Callable[..., _T],
        arguments: tuple[object, ...],
        keywords: dict[str, object],
        *,
        effect: bool,
    ) -> _T:
        self._wait_out()
        token = self._tokens.token()
        try:
            return self._sent(call, token, arguments, keywords, effect=effect)
        except _TokenRefusedError as refusal:
            if not self._tokens.refused(token):
                raise RejectedError(str(refusal)) from None
        try:
            return self._sent(call, self._tokens.token(), arguments, keywords, effect=effect)
        except _TokenRefusedError as refusal:
            raise RejectedError(str(refusal)) from None

    def _sent(
        self,
        call: Callable[..., _T],
        token: str,
        arguments: tuple[object, ...],
        keywords: dict[str, object],
        *,
        effect: bool,
    ) -> _T:
        import urllib3.exceptions as lost
        from airflow_client.client.exceptions import ApiException, OpenApiException

        try:
            return call(
                *arguments,
                **keywords,
                _request_timeout=left(self._timeout),
                _headers={"Authorization": f"Bearer {token}"},
            )
        except ApiException as error:
            self._pause(_retry_after(error))
            raise self._translated(error, effect=effect) from None
        except (lost.NewConnectionError, lost.ConnectTimeoutError, lost.ProxyError) as error:
            raise UnavailableError(f"no connection to {self._url}: {error}") from None
        except (lost.HTTPError, OSError) as error:
            raise self._lost(f"{self._url} did not answer: {error!r}", effect=effect) from None
        except (OpenApiException, ValueError) as error:
            page = _page(error)
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            message = f"{self._url} answered in a form that this client does not know: {first}"
            if page:
                message = foreign_answers.not_airflow(self._url, page, 200)
            raise (UnknownOutcomeError if effect else RejectedError)(message) from None

    def _pause(self, seconds: float | None) -> None:
        """Remember until when Airflow wants to be left alone."""
        if seconds:
            until = self._elapsed() + min(seconds, MAX_PAUSE)
            self._pause_until = max(self._pause_until, until)

    def _wait_out(self) -> None:
        """Refuse to send before Airflow's Retry-After is over: nothing leaves, nothing happens."""
        left = self._pause_until - self._elapsed()
        if left > 0:
            raise UnavailableError(
                f"{self._url} asked to be left alone for {left:.0f} more s", retry_after=left
            )

    def _translated(self, error: Any, *, effect: bool) -> Exception:
        status = int(error.status or 0)
        message = f"{self._url}: HTTP {status} {_detail(error)}"
        foreign = bool(error.body) and not foreign_answers.is_json(error.body)
        if foreign and status < 500:
            message = foreign_answers.not_airflow(self._url, error.body, status)
        if status in (401, 403):
            return _TokenRefusedError(message)
        if status == 404 and not foreign:
            return NotFoundError(message)
        if status == 409:
            return ConflictError(message)
        if status == 429:
            return UnavailableError(message, retry_after=_retry_after(error))
        if status >= 500:
            return self._lost(message, effect=effect, retry_after=_retry_after(error))
        return RejectedError(message)

    @staticmethod
    def _lost(message: str, *, effect: bool, retry_after: float | None = None) -> AirwardenError:
        """Return the error for a request whose fate is not known: harmless only for a read."""
        if effect:
            return UnknownOutcomeError(message)
        return UnavailableError(message, retry_after=retry_after)

    def _api(self, name: str) -> Any:
        """Return a generated API class's instance; the first one costs seconds of import."""
        with self._lock:
            if name not in self._apis:
                import airflow_client.client as generated

                if self._client is None:
                    self._client = generated.ApiClient(self._configuration(generated))
                self._apis[name] = getattr(generated, name)(self._client)
            return self._apis[name]

    def _configuration(self, generated: Any) -> Any:
        return generated.Configuration(
            host=self._url,
            ssl_ca_cert=self._ca_file or None,
            proxy=self._proxy or None,
            # Else the environment's proxy would be taken: what reaches Airflow is in our file alone.
            no_proxy="" if self._proxy else "*",
            retries=False,  # neither a repeated effect nor a redirect that loses the method
            connection_pool_maxsize=4,
        )


class _TokenRefusedError(Exception):
    """HTTP 401 or 403: the token is expired, invalid, or not entitled."""


def _page(error: Exception) -> str:
    """Return the text that came where the client expected an object, empty where it was none."""
    errors = getattr(error, "errors", None)
    found = errors() if callable(errors) else []
    given = found[0].get("input") if found else None
    return given if isinstance(given, str) else ""


def _detail(error: Any) -> str:
    """Return what Airflow said, shortened; its answers hold no secrets."""
    text = error.body or error.reason or ""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        text = json.loads(text)["detail"]
    return str(text)[:300]


def _retry_after(error: Any) -> float | None:
    value = (error.headers or {}).get("Retry-After", "")
    if value.isdigit():
        return float(value)
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    return None
