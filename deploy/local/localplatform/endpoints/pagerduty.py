"""PagerDuty's Events API v2, as its documentation describes it: what is accepted, what is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

#: Bytes that one event may have.
MOST_BYTES = 512 * 1024
#: As whom an event that came by the Events API is logged: no person.
INTEGRATION = {
    "id": "PINT001",
    "type": "events_api_v2_inbound_integration_reference",
    "summary": "Airwarden",
}
ACTIONS = ("trigger", "acknowledge", "resolve")
SEVERITIES = ("critical", "error", "warning", "info")
_KEY_LENGTH = 32
_SUMMARY_LENGTH = 1024
_DEDUP_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: status and JSON body."""

    status: int
    body: Mapping[str, Any]


@dataclass(slots=True)
class Page:
    """One incident as PagerDuty would hold it: the events of one service with one dedup_key."""

    dedup_key: str
    service: str
    state: str
    summary: str
    severity: str
    triggers: int = 1
    history: list[str] = field(default_factory=list)
    id: str = ""
    log: list[dict[str, Any]] = field(default_factory=list)

    def note(self, kind: str, agent: Mapping[str, str]) -> dict[str, Any]:
        """Add an entry to the incident's log and return it; by an integration or by a person."""
        entry = {
            "id": f"R{len(self.log):012d}",
            "type": f"{kind}_log_entry",
            "created_at": datetime.now(UTC)
            .isoformat(timespec="microseconds")
            .replace("+00:00", "Z"),
            "agent": dict(agent),
        }
        self.log.append(entry)
        return entry


def _refusal(*errors: str) -> Answer:
    return Answer(
        400,
        {"status": "invalid event", "message": "Event object is invalid", "errors": list(errors)},
    )


def _payload_errors(payload: object) -> list[str]:
    if not isinstance(payload, dict):
        return ["'payload' is missing or is not an object"]
    errors = []
    for key in ("summary", "source", "severity"):
        value = payload.get(key)
        if not isinstance(value, str) or not value.strip():
            errors.append(f"'payload.{key}' is missing or blank")
    if len(str(payload.get("summary") or "")) > _SUMMARY_LENGTH:
        errors.append(f"'payload.summary' is too long (at most {_SUMMARY_LENGTH} characters)")
    severity = payload.get("severity")
    if isinstance(severity, str) and severity and severity not in SEVERITIES:
        errors.append(f"'payload.severity' is invalid (must be one of {', '.join(SEVERITIES)})")
    details = payload.get("custom_details", {})
    if not isinstance(details, dict | list | str):
        errors.append("'payload.custom_details' is invalid")
    return errors


def _event_errors(event: Mapping[str, Any]) -> list[str]:
    errors = []
    routing_key = event.get("routing_key")
    if not isinstance(routing_key, str) or not routing_key:
        errors.append("'routing_key' is missing or blank")
    elif len(routing_key) != _KEY_LENGTH:
        errors.append(f"Length of 'routing_key' is incorrect (should be {_KEY_LENGTH} characters)")
    action = event.get("event_action")
    if action not in ACTIONS:
        errors.append(f"'event_action' is invalid (must be one of {', '.join(ACTIONS)})")
    dedup_key = event.get("dedup_key")
    if action in ("acknowledge", "resolve") and not dedup_key:
        errors.append("'dedup_key' is missing or blank")
    if isinstance(dedup_key, str) and len(dedup_key) > _DEDUP_LENGTH:
        errors.append(f"'dedup_key' is too long (at most {_DEDUP_LENGTH} characters)")
    if action == "trigger":
        errors.extend(_payload_errors(event.get("payload")))
    return errors


class PagerDuty:
    """The service behind `/v2/enqueue`. It remembers pages by service and dedup_key."""

    def __init__(self) -> None:
        self.pages: dict[tuple[str, str], Page] = {}

    def enqueue(self, body: bytes) -> tuple[Answer, Mapping[str, Any]]:
        """Judge one event; returns the answer, and the event as far as it could be read."""
        if len(body) > MOST_BYTES:
            return Answer(413, {"status": "invalid event", "message": "Payload too large"}), {}
        try:
            event = json.loads(body)
        except ValueError:
            return _refusal("body is not valid JSON"), {}
        if not isinstance(event, dict):
            return _refusal("body is not a JSON object"), {}
        errors = _event_errors(event)
        if errors:
            return _refusal(*errors), event
        dedup_key = event.get("dedup_key") or hashlib.sha256(body).hexdigest()[:32]
        self._keep(event, str(dedup_key))
        return (
            Answer(
                202,
                {"status": "success", "message": "Event processed", "dedup_key": dedup_key},
            ),
            event,
        )

    def _keep(self, event: Mapping[str, Any], dedup_key: str) -> None:
        key = (str(event["routing_key"]), dedup_key)
        page, action = self.pages.get(key), str(event["event_action"])
        if action == "trigger":
            payload = event["payload"]
            if page is None or page.state == "resolved":
                service = masked(key[0])
                page = Page(
                    dedup_key, service, "triggered", payload["summary"], payload["severity"]
                )
                page.id = (
                    f"P{hashlib.sha256(repr((key, len(self.pages))).encode()).hexdigest()[:9]}"
                )
                self.pages[key] = page
            else:
                page.triggers += 1
        elif page is not None and page.state != "resolved":
            page.state = "acknowledged" if action == "acknowledge" else "resolved"
        if page is not None:
            page.history.append(action)
            page.note(action, INTEGRATION)


def masked(secret: str) -> str:
    """Return a secret as it may be recorded: its last four characters."""
    return f"…{secret[-4:]}"
