"""The Kubernetes API as we use it: plain objects in and out, our own deadlines, our own errors.

The `kubernetes` client gives what is hard about it: kubeconfig, in-cluster tokens that renew themselves,
exec plugins, TLS. Its retries are off. With them a request takes four times its timeout, and a PUT whose
reply was lost is sent again and answers 409 for its own write. It is imported at the first request.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from airwarden.adapters.bounded import PIECE, whole
from airwarden.core.errors import (
    AirwardenError,
    ConflictError,
    NotFoundError,
    RejectedError,
    UnavailableError,
    UnknownOutcomeError,
    WrongInputError,
)

#: Objects that are asked for at a time: a list of 2,000 pods is some 20 MB.
PAGE = 500
#: Times that a list is begun anew because it became too old while it was read.
_ANEW = 3
_MERGE = "application/merge-patch+json"

#: Requests as a Role names them, and what stands for the status of one that was not answered.
_VERBS = {"GET": "get", "POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}
_LOST = "lost"

Json = dict[str, Any]


class ExpiredError(UnavailableError):
    """What was asked for is older than the server's history: list again."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A list as it was at one moment.

    Attributes:
        version: Where a watch goes on from.
    """

    items: tuple[Json, ...]
    version: str


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a watch: `ADDED`, `MODIFIED`, `DELETED`, or `BOOKMARK` with a version alone."""

    kind: str
    thing: Json

    @property
    def version(self) -> str:
        """Where a watch goes on from after it."""
        return str(self.thing["metadata"]["resourceVersion"])


class KubernetesApi:
    """One cluster's API; safe for threads.

    Args:
        kubeconfig: File that says where and who we are; None inside of a pod, by its ServiceAccount.
        context: Which of its contexts; the current one if empty.
        timeout: Seconds until a request must be answered.
        proxy: HTTP proxy; none if empty (that of a kubeconfig is used), and none of the environment.
    """

    def __init__(
        self,
        kubeconfig: Path | None = None,
        *,
        context: str = "",
        timeout: float = 5.0,
        proxy: str = "",
    ) -> None:
        self._kubeconfig, self._context, self._proxy = kubeconfig, context, proxy
        self._timeout = timeout
        self._lock = threading.Lock()
        self._made: Any = None
        self._requests: Counter[tuple[str, str]] = Counter()

    def requests(self) -> Mapping[tuple[str, str], int]:
        """Return verb and status (`lost` where none came) → how many requests there were so far."""
        with self._lock:
            return dict(self._requests)

    # ---- reading -------------------------------------------------------------------------------

    def get(self, path: str, **query: object) -> Json:
        """Return one object.

        Raises:
            NotFoundError: There is none.
            UnavailableError: No answer, or the server is overloaded: read again later.
            RejectedError: Not allowed, or no such request.
        """
        return self._read("GET", path, query)

    def text(self, path: str, **query: object) -> str:
        """Return what is no JSON, such as a log; raises as `get` does."""
        return self._send("GET", path, query, effect=False).decode("utf-8", "replace")

    def list(self, path: str, *, labels: str = "", fields: str = "", page: int = PAGE) -> Listing:
        """Return all objects of a kind that match, page by page; raises as `get` does."""
        for _ in range(_ANEW):
            try:
                return self._list(path, labels, fields, page)
            except ExpiredError:
                continue
        raise UnavailableError(f"{path} changes faster than it can be listed")

    def _list(self, path: str, labels: str, fields: str, page: int) -> Listing:
        items: list[Json] = []
        query: dict[str, object] = {"limit": page}
        if labels:
            query["labelSelector"] = labels
        if fields:
            query["fieldSelector"] = fields
        while True:
            told = self._read("GET", path, query)
            items += told.get("items") or ()
            following = told["metadata"].get("continue")
            if not following:
                return Listing(tuple(items), str(told["metadata"]["resourceVersion"]))
            query["continue"] = following

    def watch(
        self, path: str, version: str, *, within: float, labels: str = ""
    ) -> Generator[Event]:
        """Yield what changes after a version, for at most `within` seconds; then it ends quietly.

        Raises:
            ExpiredError: The version is too old: list again.
            UnavailableError: The connection broke; go on from the last event's version.
        """
        query: dict[str, object] = {
            "watch": "true",
            "resourceVersion": version,
            "timeoutSeconds": max(1, round(within)),
            "allowWatchBookmarks": "true",
        }
        if labels:
            query["labelSelector"] = labels
        answer = self._request("GET", path, query, None, "", wait=within + self._timeout)
        try:
            if answer.status != 200:
                body = whole(answer.response.stream(PIECE), within=self._timeout)
                raise _refusal(answer, body, path, effect=False)
            for line in _lines(answer.response.stream(PIECE)):
                yield _event(line)
        except _network() as error:
            raise UnavailableError(f"the watch of {path} broke: {_said(error)}") from None
        finally:
            answer.response.close()

    # ---- effects -------------------------------------------------------------------------------

    def create(self, path: str, body: Mapping[str, Any], **query: object) -> Json:
        """Create an object, or do what a subresource stands for.

        Raises:
            ConflictError: It exists, or is not the one of the preconditions; nothing was done.
            RejectedError: Refused; nothing was done.
            UnavailableError: Not taken on; nothing was done.
            UnknownOutcomeError: It was sent and not answered.
        """
        return self._write("POST", path, query, body)

    def patch(
        self,
        path: str,
        body: Mapping[str, Any] | Sequence[Any],
        *,
        kind: str = _MERGE,
        **query: object,
    ) -> Json:
        """Change an object, by a merge patch unless another kind is given; raises as `create` does."""
        return self._write("PATCH", path, query, body, kind)

    def replace(self, path: str, body: Mapping[str, Any], **query: object) -> Json:
        """Write an object anew; raises as `create` does."""
        return self._write("PUT", path, query, body)

    def delete(self, path: str, *, uid: str = "", grace: int | None = None) -> Json:
        """Delete an object, with `uid` exactly that incarnation; raises as `create` does."""
        body: Json = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if uid:
            body["preconditions"] = {"uid": uid}
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        return self._write("DELETE", path, {}, body)

    # ---- how -----------------------------------------------------------------------------------

    def _read(self, method: str, path: str, query: Mapping[str, object]) -> Json:
        return _parsed(self._send(method, path, query, effect=False), path)

    def _write(
        self,
        method: str,
        path: str,
        query: Mapping[str, object],
        body: Any,
        kind: str = "application/json",
    ) -> Json:
        answer = self._send(method, path, query, body=body, kind=kind, effect=True)
        try:
            return _parsed(answer, path)
        except UnavailableError as error:
            raise UnknownOutcomeError(str(error)) from None

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, object],
        *,
        body: Any = None,
        kind: str = "",
        effect: bool,
    ) -> bytes:
        answer = self._request(method, path, query, body, kind, wait=self._timeout, effect=effect)
        try:
            content = whole(answer.response.stream(PIECE), within=self._timeout)
        except _broken() as error:
            answer.response.close()
            lost = f"{method} {path}: the answer broke off: {_said(error)}"
            raise (UnknownOutcomeError if effect else UnavailableError)(lost) from None
        answer.response.release_conn()
        if 200 <= answer.status < 300:
            return content
        raise _refusal(answer, content, path, effect=effect)

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, object],
        body: Any,
        kind: str,
        *,
        wait: float,
        effect: bool = False,
    ) -> Any:
        from kubernetes.client import ApiException
        from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

        headers = {"Accept": "application/json", "User-Agent": "airwarden"}
        if kind:
            headers["Content-Type"] = kind
        try:
            client = self._client()
            sent = client.param_serialize(
                method, path, query_params=list(query.items()), header_params=headers, body=body,
                auth_settings=["BearerToken"],
            )  # fmt: skip
            answer = client.call_api(*sent, _request_timeout=(self._timeout, wait))
        except (NewConnectionError, ConnectTimeoutError, ApiException) as error:
            # The library makes an ApiException of what TLS refuses; of an answer it makes none here.
            self._count(method, query, _LOST)
            raise UnavailableError(f"Kubernetes cannot be reached: {_said(error)}") from None
        except _network() as error:
            self._count(method, query, _LOST)
            lost = f"Kubernetes did not answer {method} {path}: {_said(error)}"
            raise (UnknownOutcomeError if effect else UnavailableError)(lost) from None
        self._count(method, query, str(answer.status))
        return answer

    def _count(self, method: str, query: Mapping[str, object], code: str) -> None:
        verb = _VERBS[method]
        if verb == "get":
            verb = "watch" if "watch" in query else "list" if "limit" in query else verb
        with self._lock:
            self._requests[verb, code] += 1

    def _client(self) -> Any:
        """Return the client, made at the first use.

        Raises:
            WrongInputError: The kubeconfig, or the pod's ServiceAccount, cannot be used.
        """
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made

    def _make(self) -> Any:
        from kubernetes import client, config

        # What is reached is written in our own files: an empty proxy keeps the environment's away.
        configuration = client.Configuration(proxy=self._proxy, no_proxy="")
        try:
            if self._kubeconfig is None:
                config.load_incluster_config(client_configuration=configuration)
            else:
                config.load_kube_config(
                    config_file=str(self._kubeconfig),
                    context=self._context or None,
                    client_configuration=configuration,
                    persist_config=False,
                )
        except (config.ConfigException, OSError, ValueError) as error:
            raise WrongInputError(
                f"cannot be used: {error}",
                place=str(self._kubeconfig or "the pod's ServiceAccount"),
                hint="give a kubeconfig, or run in a pod with a ServiceAccount",
            ) from None
        if self._proxy:
            configuration.proxy = self._proxy
        configuration.retries = False
        return client.ApiClient(configuration)


def segment(name: str) -> str:
    """Return a name as one step of a path, whatever is in it."""
    return quote(name, safe="")


def _network() -> tuple[type[Exception], ...]:
    from urllib3.exceptions import HTTPError

    return (HTTPError, OSError)


def _broken() -> tuple[type[Exception], ...]:
    return (UnavailableError, *_network())


def _said(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error)[:200]


def _parsed(content: bytes, path: str) -> Json:
    try:
        told = json.loads(content)
    except ValueError:
        raise UnavailableError(f"{path} was answered with what is no JSON") from None
    if not isinstance(told, dict):
        raise UnavailableError(f"{path} was answered with what is no object")
    return told


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole_ones, rest = (rest + piece).split(b"\n")
        yield from (line for line in whole_ones if line.strip())


def _event(line: bytes) -> Event:
    told = _parsed(line, "a watch")
    kind, thing = str(told.get("type")), told.get("object") or {}
    if kind == "ERROR":
        message = f"the watch ended: {thing.get('message')}"
        raise (ExpiredError if thing.get("code") == 410 else UnavailableError)(message)
    return Event(kind, thing)


def _refusal(answer: Any, content: bytes, path: str, *, effect: bool) -> AirwardenError:
    """Return the error that a status other than 2xx stands for."""
    status = int(answer.status)
    try:
        told = json.loads(content)
        said, causes = str(told.get("message", "")), told.get("details", {}).get("causes") or ()
    except (ValueError, AttributeError):
        said, causes = content[:200].decode("utf-8", "replace"), ()
    message = f"Kubernetes answered {status} to {path}: {said}"
    budget = [str(one.get("message")) for one in causes if one.get("reason") == "DisruptionBudget"]
    if budget:
        return RejectedError(f"{said} {budget[0]}".strip())
    if status == 404:
        return NotFoundError(message)
    if status == 409:
        return ConflictError(message)
    if status == 410:
        return ExpiredError(message)
    if effect and status >= 500 and status != 503:  # its own store timed out: it may do it yet
        return UnknownOutcomeError(message)
    if status == 429 or status >= 500:
        return UnavailableError(message, retry_after=_seconds(answer.headers.get("Retry-After")))
    return RejectedError(message)


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isdigit() else None
