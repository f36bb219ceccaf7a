"""The operator's way to the remediator: its HTTP API with the operators' bearer token."""

from __future__ import annotations

import getpass
import ssl
from collections.abc import Sequence
from typing import Any

import httpx

from airwarden.adapters.access import Access
from airwarden.adapters.secrets import read_secret
from airwarden.core.errors import (
    ConflictError,
    NotFoundError,
    RejectedError,
    UnavailableError,
    WrongInputError,
)
from airwarden.core.settings import Settings
from airwarden.core.settings.access import ClientTls
from airwarden.core.settings.programs import OPERATOR_TIMEOUT, RemediatorTls

_WITHIN = OPERATOR_TIMEOUT.total_seconds()


class Operator:
    """Speaks to one remediator.

    Args:
        settings: Names its address and where the token is.
        transport: For tests; the network by default.
    """

    def __init__(self, settings: Settings, transport: httpx.BaseTransport | None = None) -> None:
        if settings.remediator.api_token is None:
            raise WrongInputError(
                "is missing: the remediator answers operators only with a token",
                place="remediator.api_token_file",
                hint="the remediator and this command read the same file",
            )
        token = read_secret(settings.remediator.api_token, place="remediator.api_token")
        self._url = settings.remediator_url
        self._headers = {
            "Authorization": f"Bearer {token.get_secret_value()}",
            "X-Airwarden-Actor": actor(),
        }
        self._transport = transport
        self._verify = _trust(settings.remediator.tls)

    def get(self, path: str, **parameters: str | int | Sequence[str] | None) -> Any:
        """Return what a resource says.

        Raises:
            UnavailableError, RejectedError, NotFoundError: See `_call`.
        """
        query = {key: value for key, value in parameters.items() if value is not None}
        return self._call("GET", path, params=query)

    def post(self, path: str, body: dict[str, Any], *, within: float = _WITHIN) -> Any:
        """Send a command and return the answer; the same errors as `get`, and ConflictError.

        Args:
            path, body: What is sent.
            within: Seconds that the answer may take.
        """
        return self._call("POST", path, within=within, json=body)

    def _call(self, method: str, path: str, *, within: float = _WITHIN, **arguments: Any) -> Any:
        try:
            with httpx.Client(
                base_url=f"{self._url}/api/v1/",
                headers=self._headers,
                timeout=within,
                transport=self._transport,
                verify=self._verify,
                trust_env=False,
            ) as client:
                response = client.request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise UnavailableError(
                f"the remediator at {self._url} does not answer: {error}\n"
                "  start it with airwarden up or airwarden remediator; where it is stands in"
                " remediator.url or remediator.listen"
            ) from None
        if response.is_success:
            return self._body(response)
        said = _detail(response)
        match response.status_code:
            case 401:
                raise RejectedError(
                    f"the remediator refuses the token: {said}"
                    " (remediator.api_token_file names the file with yours)"
                )
            case 403:
                raise RejectedError(said)
            case 404:
                raise NotFoundError(said)
            case 409:
                raise ConflictError(said)
            case 400 | 422:
                raise WrongInputError(said)
            case 429 | 502 | 503 | 504:
                raise UnavailableError(f"the remediator is not ready: {said}")
            case status:
                raise RejectedError(f"the remediator answered {status}: {said}")

    def _body(self, response: httpx.Response) -> Any:
        if not response.content:
            return {}
        try:
            return response.json()
        except ValueError:
            kind = response.headers.get("content-type", "no content type")
            raise UnavailableError(
                f"what answers at {self._url} is not Airwarden's remediator: it sent {kind}\n"
                "  look at remediator.url, and whether a proxy stands in between"
            ) from None


def _trust(tls: RemediatorTls | None) -> ssl.SSLContext | bool:
    """Return how the remediator is checked, and what is shown to it."""
    if tls is None or tls.clients == ClientTls():
        return True
    clients = tls.clients
    access = Access(
        ca_file=str(clients.ca_file or ""),
        server_name=clients.server_name,
        cert_file=str(clients.cert_file or ""),
        key_file=str(clients.key_file or ""),
        verify=not clients.insecure_skip_verify,
    )
    try:
        return access.context()
    except OSError as error:
        why = error.strerror or str(error)
        raise WrongInputError(f"cannot be used: {why}", place="remediator.tls.clients") from None


def actor() -> str:
    """Return who acts, for the audit: the user name on this machine."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _detail(response: httpx.Response) -> str:
    try:
        body = response.json()
    except ValueError:
        return response.text[:200] or response.reason_phrase
    detail = body.get("detail", body) if isinstance(body, dict) else body
    if isinstance(detail, list):
        detail = "; ".join(_field(one) for one in detail)
    return str(detail)[:500]


def _field(fault: Any) -> str:
    """Say what is wrong with one field of what was sent, as the server's framework puts it."""
    if not isinstance(fault, dict):
        return str(fault)
    place = ".".join(str(step) for step in fault.get("loc", ())[1:])
    return f"{place}: {fault.get('msg', fault)}" if place else str(fault.get("msg", fault))
