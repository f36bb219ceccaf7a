"""The `Pages` port over PagerDuty's REST API: who acknowledged which page. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx

from airwarden.core.errors import NotFoundError, RejectedError, UnavailableError
from airwarden.core.platform import Acknowledgement

REST_URL = "https://api.pagerduty.com"
#: Entries of one answer; the newest come first.
_MOST = 100
#: The kind of agent that is a person.
_PERSON = "user_reference"


class PagerDutyRest:
    """Reads incidents by their deduplication keys.

    Args:
        token: Returns the API key as it is now; a read-only one is enough.
        url: The API's address.
        deadline: Seconds for one request.
        proxy: An HTTP proxy's URL, or None; the environment's is not used.
        transport: For tests; httpx's own by default.
    """

    def __init__(
        self,
        token: Callable[[], str],
        *,
        url: str = REST_URL,
        deadline: float = 5.0,
        proxy: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._token = token
        # One a question: they are rare, and nobody has to close what a reload replaces.
        self._client = partial(
            httpx.Client,
            base_url=url,
            timeout=deadline,
            transport=transport,
            proxy=proxy,
            trust_env=False,
            follow_redirects=False,
        )

    def acknowledgements(self, dedup_key: str) -> Sequence[Acknowledgement]:
        """Return who acknowledged the incident of this key that is acknowledged now, oldest first.

        Raises:
            UnavailableError: PagerDuty does not answer; `retry_after` if it told.
            RejectedError: It refuses the key.
        """
        # By the key of an incident, or of an alert that one is made of: PagerDuty looks for both.
        wanted = {
            "incident_key": dedup_key,
            "statuses[]": "acknowledged",
            "date_range": "all",
            "limit": 10,
        }
        found: list[Acknowledgement] = []
        for incident in self._get("/incidents", wanted).get("incidents", ()):
            path = f"/incidents/{quote(str(incident['id']), safe='')}/log_entries"
            entries = self._get(path, {"limit": _MOST}).get("log_entries", ())
            found.extend(
                _read(entry, dedup_key)
                for entry in entries
                if entry.get("type") == "acknowledge_log_entry"
            )
        return sorted(found, key=lambda one: one.at)

    def keys(self, page_id: str) -> Sequence[str]:
        """Return the keys of the alerts that an incident is made of; the same errors."""
        path = f"/incidents/{quote(page_id, safe='')}/alerts"
        try:
            alerts = self._get(path, {"limit": _MOST}).get("alerts", ())
        except NotFoundError:
            return ()
        return [str(alert["alert_key"]) for alert in alerts if alert.get("alert_key")]

    def _get(self, path: str, parameters: dict[str, Any]) -> dict[str, Any]:
        headers = {
            "Authorization": f"Token token={self._token()}",
            "Accept": "application/vnd.pagerduty+json;version=2",
        }
        try:
            with self._client() as client:
                answer = client.get(path, params=parameters, headers=headers)
        except httpx.HTTPError as error:
            raise UnavailableError(f"PagerDuty did not answer: {type(error).__name__}") from None
        if answer.status_code == 429 or answer.status_code >= 500:
            told = answer.headers.get("ratelimit-reset", "")
            after = float(told) if told.isdigit() else None
            raise UnavailableError(f"PagerDuty answered {answer.status_code}", retry_after=after)
        if answer.status_code == 404:
            raise NotFoundError("PagerDuty knows no such incident")
        if answer.status_code in (401, 403):
            raise RejectedError(
                f"PagerDuty refuses the API key with {answer.status_code}"
                " (notifications.pagerduty.rest_token_file)"
            )
        try:
            body = answer.json()
        except ValueError:
            body = None
        if answer.status_code != 200 or not isinstance(body, dict):
            raise RejectedError(f"PagerDuty answered {answer.status_code}, and not as its API does")
        return body


def _read(entry: dict[str, Any], dedup_key: str) -> Acknowledgement:
    agent = entry.get("agent") or {}
    return Acknowledgement(
        dedup_key=dedup_key,
        who=str(agent.get("summary") or "somebody")[:200],
        at=datetime.fromisoformat(str(entry["created_at"])),
        person=agent.get("type") == _PERSON,
    )
