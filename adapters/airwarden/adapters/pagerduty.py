"""The `Pager` port over PagerDuty's Events API v2, with a deadline over all its attempts.

The vendor's client repeats a 429 without limit (150 s were measured), which would hold every other
page back; here the wait that PagerDuty asks for is honoured only within the deadline.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import httpx

from airwarden.core.errors import RejectedError, UnavailableError
from airwarden.core.platform import PagerEvent

EVENTS_URL = "https://events.pagerduty.com/v2/enqueue"
#: Bytes that one event may have; details are left out before the event is refused.
MOST_BYTES = 512 * 1024
_SUMMARY = 1024
_DETAIL = 8_192
_SEVERITIES = frozenset({"critical", "error", "warning", "info"})


class PagerDutyEvents:
    """Sends events; repeating one with the same dedup_key is safe.

    Args:
        url: Where to post; PagerDuty's own by default.
        deadline: Seconds for one event, waits and repeated attempts included.
        client_url: Shown by PagerDuty as where the event came from.
        proxy: An HTTP proxy's URL, or None; the environment's is not used.
        transport: For tests; httpx's own by default.
        wait: Sleeps so many seconds; for tests.
    """

    def __init__(
        self,
        *,
        url: str = EVENTS_URL,
        deadline: float = 10.0,
        client_url: str = "",
        proxy: str | None = None,
        transport: httpx.BaseTransport | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url, self._deadline, self._client_url = url, deadline, client_url
        self._wait = wait
        self._client = httpx.Client(
            transport=transport, proxy=proxy, trust_env=False, follow_redirects=False
        )

    def send(self, event: PagerEvent) -> None:
        """Deliver an event.

        Raises:
            UnavailableError: Not delivered within the deadline; `retry_after` if it was told.
            RejectedError: PagerDuty calls the event invalid.
        """
        body = encode(event, self._client_url)
        end = time.monotonic() + self._deadline
        pause = 0.5
        while True:
            left = end - time.monotonic()
            told: float | None = None
            try:
                answer = self._client.post(
                    self._url,
                    content=body,
                    headers={"Content-Type": "application/json"},
                    timeout=max(0.1, left),
                )
            except httpx.HTTPError as error:
                reason = f"PagerDuty did not answer: {type(error).__name__}"
            else:
                if answer.status_code == httpx.codes.ACCEPTED:
                    return
                if answer.status_code != 429 and answer.status_code < 500:
                    raise RejectedError(_refusal(answer))
                told = _retry_after(answer)
                reason = f"PagerDuty answered {answer.status_code}"
            wait = pause if told is None else told
            if time.monotonic() + wait >= end:
                raise UnavailableError(reason, retry_after=told)
            self._wait(wait)
            pause *= 2

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def encode(event: PagerEvent, client_url: str = "") -> bytes:
    """Return the event as PagerDuty takes it, shortened to its limits.

    Args:
        event: What to send; its severity is mapped to `warning` if PagerDuty does not know it.
        client_url: Where the event came from.
    """
    body: dict[str, Any] = {
        "routing_key": event.routing_key,
        "event_action": event.action,
        "dedup_key": event.dedup_key,
    }
    if event.action == "trigger":
        severity = event.severity if event.severity in _SEVERITIES else "warning"
        details = {key: _cut(value, _DETAIL) for key, value in event.details.items()}
        body["payload"] = {
            "summary": _cut(event.summary or "Airwarden incident", _SUMMARY),
            "source": event.source or "airwarden",
            "severity": severity,
            "custom_details": details,
            **({"component": event.component} if event.component else {}),
        }
        body["client"] = "Airwarden"
        if shown := event.client_url or client_url:
            body["client_url"] = shown
        if event.links:
            body["links"] = [{"href": url, "text": text} for text, url in event.links.items()]
    encoded = json.dumps(body).encode()
    left_out: list[str] = []
    while len(encoded) > MOST_BYTES and (details := body["payload"]["custom_details"]):
        # What is told last matters least.
        details.pop("left out", None)
        if details:
            left_out.append(details.popitem()[0])
            details["left out"] = _cut(", ".join(left_out), _DETAIL)
        encoded = json.dumps(body).encode()
    return encoded


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _retry_after(answer: httpx.Response) -> float | None:
    try:
        return max(0.0, float(answer.headers["Retry-After"]))
    except (KeyError, ValueError):
        return None


def _refusal(answer: httpx.Response) -> str:
    """Return why it was refused, without what was sent: that holds the routing key."""
    try:
        told = answer.json()
        errors = "; ".join(str(error) for error in told.get("errors", ())) or told.get("message")
    except (ValueError, AttributeError):
        errors = None
    return f"PagerDuty refused the event with {answer.status_code}: {errors or 'no reason given'}"
