"""The event endpoint's HTTP: what the server asks before it reads a body, and how an answer is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import parse_qs

from airwarden.exporters.events.intake import Answer, EventIntake
from airwarden.exporters.server import Post, Posted, Reply

#: Most bytes of one request.
MAX_BODY = 1_048_576
_OFF = "events are not taken: set exporter.events.token_file in airwarden.yaml"


class EventDoor:
    """Takes POST requests for an intake, which a reload of the settings may change.

    Args:
        intake: Returns the one in force; None where events are not configured.
    """

    challenge = "Bearer"

    def __init__(self, intake: Callable[[], EventIntake | None]) -> None:
        self._intake = intake

    def post(self) -> Post:
        """Return how the server is to treat a request."""
        return Post(self.answer, door=self, limit=MAX_BODY)

    def admits(self, authorization: str) -> bool:
        """Return whether a request goes on; where nothing is configured, to be told that."""
        intake = self._intake()
        return intake is None or intake.door.admits(authorization)

    def answer(self, request: Posted) -> Reply:
        """Answer a request that was let in."""
        intake = self._intake()
        if intake is None:
            return _reply(Answer(404, {"error": _OFF}))
        if (request.headers.get("Content-Encoding") or "identity") != "identity":
            return _reply(Answer(415, {"error": "send the body uncompressed"}))
        cluster = parse_qs(request.query).get("cluster", [""])[-1]
        return _reply(intake.take(request.path, request.body, cluster=cluster))


def _reply(answer: Answer) -> Reply:
    headers = {}
    if answer.retry_after is not None:
        headers["Retry-After"] = str(answer.retry_after)
    body = json.dumps(answer.said).encode() + b"\n"
    return Reply(answer.status, body, "application/json", headers=headers)
