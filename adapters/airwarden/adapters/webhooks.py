"""The `Webhooks` port: a POST to one of the addresses that the settings name, and to no other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airwarden.adapters.secrets import read_secret
from airwarden.core.errors import (
    NotFoundError,
    RejectedError,
    UnavailableError,
    UnknownOutcomeError,
)
from airwarden.core.settings import SecretRef


@dataclass(frozen=True, slots=True)
class Address:
    """Where a webhook is, and what it has to be shown; the token is read anew for each call."""

    url: str
    timeout: float
    token: SecretRef | None = None


class HttpWebhooks:
    """Sends to addresses by their names.

    Args:
        addresses: Name → where.
    """

    def __init__(self, addresses: Mapping[str, Address]) -> None:
        self._addresses = dict(addresses)

    def call(self, name: str, body: Mapping[str, Any], *, key: str) -> int:
        """Send a body as JSON and return the status, 200 to 299.

        Args:
            name: Which.
            body: What is said.
            key: The `Idempotency-Key`: the same for the same effect.

        Raises:
            NotFoundError: There is none of that name.
            UnavailableError: It could not be reached: nothing was sent.
            RejectedError: It refused.
            UnknownOutcomeError: It was sent, and what came of it is not known.
        """
        import httpx

        if name not in self._addresses:
            raise NotFoundError(f"there is no webhook {name}")
        where = self._addresses[name]
        headers = {"Idempotency-Key": key, "User-Agent": "airwarden"}
        if where.token is not None:
            token = read_secret(where.token, place=f"remediator.webhooks.{name}.token")
            headers["Authorization"] = f"Bearer {token.get_secret_value()}"
        try:
            # What it answers is read no further than its head.
            with (
                httpx.Client(
                    timeout=where.timeout, trust_env=False, follow_redirects=False
                ) as client,
                client.stream("POST", where.url, json=dict(body), headers=headers) as answer,
            ):
                status = answer.status_code
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise UnavailableError(f"webhook {name} cannot be reached: {error}") from None
        except (httpx.HTTPError, OSError) as error:
            raise UnknownOutcomeError(f"webhook {name}: no answer: {error!r}") from None
        if 200 <= status < 300:
            return status
        if status >= 500 or status == 429:
            raise UnknownOutcomeError(f"webhook {name} answered {status}")
        raise RejectedError(f"webhook {name} answered {status}")
