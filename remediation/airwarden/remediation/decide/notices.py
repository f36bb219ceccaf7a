"""What the engine expects of `notify`: composers that turn a view into what a channel sends."""

from __future__ import annotations

from typing import Protocol

from airwarden.core.platform import ChatMessage, PagerEvent
from airwarden.remediation.decide.view import IncidentView


class ChatComposer(Protocol):
    """Slack's side; it knows the teams' channels."""

    def __call__(self, view: IncidentView) -> ChatMessage | None:
        """Return the incident's one message as it should read now; None where no channel is set."""
        ...


class PagerComposer(Protocol):
    """PagerDuty's side; it knows the teams' routing keys."""

    def __call__(self, view: IncidentView, action: str) -> PagerEvent | None:
        """Return the event; `action` is `trigger`, `acknowledge` or `resolve`; None without a key."""
        ...
