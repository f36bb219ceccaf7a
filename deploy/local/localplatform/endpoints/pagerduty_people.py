"""PagerDuty's other side: people who acknowledge, the webhook (version 3) that tells, the REST API."""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from localplatform.endpoints.pagerduty import Page, PagerDuty

#: What the REST API calls "a user's or an account's key" is 20 characters long.
_KEY_LENGTH = 20
_NO_ACCESS = {"error": {"message": "Invalid Input Provided", "code": 2006}}


def acknowledge(page: Page, name: str) -> dict[str, Any]:
    """Let a person acknowledge a page; returns the log's entry."""
    page.state = "acknowledged"
    agent = {"id": f"P{name[:6].upper()}", "type": "user_reference", "summary": name}
    return page.note("acknowledge", agent)


def event(
    page: Page,
    entry: Mapping[str, Any],
    kind: str = "incident.acknowledged",
    *,
    alerts: bool = False,
) -> bytes:
    """Return the webhook's body about an entry of a page's log.

    Args:
        page: The incident.
        entry: What happened to it.
        kind: The event's type.
        alerts: Whether the service makes incidents of alerts: then the key is the alert's alone.
    """
    body = {
        "event": {
            "id": str(uuid.uuid4()),
            "event_type": kind,
            "resource_type": "incident",
            "occurred_at": entry["created_at"],
            "agent": entry["agent"],
            "client": None,
            "data": {
                "id": page.id,
                "type": "incident",
                "status": page.state,
                "incident_key": None if alerts else page.dedup_key,
                "title": page.summary,
                "assignees": [],
            },
        }
    }
    return json.dumps(body).encode()


def signed(body: bytes, *secrets: str) -> dict[str, str]:
    """Return the headers that the webhook is sent with: a signature for each secret there is just now."""
    signatures = (hmac.new(one.encode(), body, hashlib.sha256).hexdigest() for one in secrets)
    return {
        "Content-Type": "application/json",
        "x-pagerduty-signature": ",".join(f"v1={one}" for one in signatures),
    }


class Rest:
    """`/incidents`, `/incidents/{id}/log_entries` and `/incidents/{id}/alerts`, for reading."""

    def __init__(self, pagerduty: PagerDuty) -> None:
        self._pagerduty = pagerduty

    def get(
        self, path: str, query: Mapping[str, Sequence[str]], headers: Mapping[str, str]
    ) -> tuple[int, dict[str, Any]]:
        """Return status and body."""
        scheme, _, key = headers.get("authorization", "").partition(" token=")
        if scheme != "Token" or len(key) != _KEY_LENGTH:
            return 401, {"error": {"message": "Unauthorized", "code": 2006}}
        if "application/vnd.pagerduty+json;version=2" not in headers.get("accept", ""):
            return 400, _NO_ACCESS
        steps = path.strip("/").split("/")
        if steps == ["incidents"]:
            return self._incidents(query)
        page = next((p for p in self._pagerduty.pages.values() if steps[1:2] == [p.id]), None)
        if page is None or len(steps) != 3:
            return 404, {"error": {"message": "Not Found", "code": 2100}}
        if steps[2] == "log_entries":
            return 200, {"log_entries": list(reversed(page.log)), "more": False}
        if steps[2] == "alerts":
            return 200, {"alerts": [{"id": f"A{page.id}", "alert_key": page.dedup_key}]}
        return 404, {"error": {"message": "Not Found", "code": 2100}}

    def _incidents(self, query: Mapping[str, Sequence[str]]) -> tuple[int, dict[str, Any]]:
        statuses = query.get("statuses[]", ("triggered", "acknowledged"))
        if not {"triggered", "acknowledged", "resolved"}.issuperset(statuses):
            return 400, _NO_ACCESS
        found = [
            {"id": page.id, "type": "incident", "status": page.state}
            for page in self._pagerduty.pages.values()
            if page.state in statuses
            and page.dedup_key in query.get("incident_key", (page.dedup_key,))
        ]
        return 200, {"incidents": found, "limit": 10, "offset": 0, "more": False}
