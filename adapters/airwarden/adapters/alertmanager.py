"""The `Alertmanager` port over its API v2, read only."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from airwarden.core.alerts import Alert, AlertStatus
from airwarden.core.errors import RejectedError, UnavailableError
from airwarden.core.platform import Silence

_T = TypeVar("_T")


class AlertmanagerApi:
    """One Alertmanager.

    Args:
        url: Base URL.
        timeout: Seconds for one request.
        token: Bearer token; none if empty, never printed.
        receiver: Alerts that are routed to this receiver only; all of them if empty. What goes to
            people directly, such as Watchdog, is none of the remediator's business.
    """

    def __init__(
        self, url: str, *, timeout: float = 5.0, token: str = "", receiver: str = ""
    ) -> None:
        self._url = url.rstrip("/")
        self._receiver = re.escape(receiver)
        self._timeout = timeout
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def alerts(self) -> Sequence[Alert]:
        """Return the active alerts, the suppressed ones with `suppressed_by` set."""
        query = {"active": "true", "silenced": "true", "inhibited": "true", "unprocessed": "true"}
        if self._receiver:
            query["receiver"] = self._receiver
        return self._get("alerts", query, _alert)

    def silences(self) -> Sequence[Silence]:
        """Return silences that are active or pending."""
        every = self._get("silences", {}, lambda s: (s["status"]["state"], _silence(s)))
        return [silence for state, silence in every if state in ("active", "pending")]

    def _get(
        self, what: str, query: Mapping[str, str], make: Callable[[Mapping[str, Any]], _T]
    ) -> list[_T]:
        import httpx

        try:
            answer = httpx.get(
                f"{self._url}/api/v2/{what}",
                params=dict(query),
                headers=self._headers,
                timeout=self._timeout,
                trust_env=False,
            )
        except httpx.HTTPError as error:
            raise UnavailableError(f"Alertmanager at {self._url}: {error!r}") from None
        if answer.status_code >= 500 or answer.status_code == 429:
            raise UnavailableError(f"Alertmanager at {self._url}: HTTP {answer.status_code}")
        if answer.status_code != 200:
            raise RejectedError(f"Alertmanager at {self._url}: HTTP {answer.status_code}")
        try:
            return [make(item) for item in answer.json()]
        except (ValueError, KeyError, TypeError) as error:
            raise RejectedError(f"{self._url} gave no Alertmanager answer: {error!r}") from None


def _alert(item: Mapping[str, Any]) -> Alert:
    status = item["status"]
    return Alert(
        fingerprint=item["fingerprint"],
        status=AlertStatus.FIRING,
        starts_at=datetime.fromisoformat(item["startsAt"]),
        labels=dict(item["labels"]),
        annotations=dict(item.get("annotations") or {}),
        suppressed_by=(*(status.get("silencedBy") or ()), *(status.get("inhibitedBy") or ())),
    )


def _silence(item: Mapping[str, Any]) -> Silence:
    return Silence(
        id=item["id"],
        matchers=tuple(
            (m["name"], m["value"], bool(m["isRegex"]), bool(m.get("isEqual", True)))
            for m in item["matchers"]
        ),
        starts_at=datetime.fromisoformat(item["startsAt"]),
        ends_at=datetime.fromisoformat(item["endsAt"]),
        comment=item.get("comment", ""),
    )
