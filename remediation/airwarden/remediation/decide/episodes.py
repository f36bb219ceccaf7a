"""Folding alert events, which come twice, late and out of order, into what is firing now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from airwarden.core.alerts import Alert, AlertStatus


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored of an alert.

    Attributes:
        episode: Its start: a new start is a new episode.
        incident_id: The incident that it belongs to, None before it was decided on.
    """

    episode: datetime
    status: AlertStatus
    incident_id: int | None = None


def news(known: Known | None, event: Alert, *, polled: bool) -> bool:
    """Return whether the event changes what is known.

    An event of an older episode never does. Within one episode `resolved` is the last word of the
    webhooks, which can be reordered; a poll tells what is true now and may take it back (Alertmanager
    forgets an alert that Prometheus stopped sending, and gets it again with the same start).
    """
    if known is None or event.starts_at > known.episode:
        return True
    if event.starts_at < known.episode:
        return False
    if known.status is AlertStatus.FIRING:
        return event.status is AlertStatus.RESOLVED
    return polled and event.status is AlertStatus.FIRING
