"""Effects that wait for their moment: how they say so, and what the engine makes of it."""

from __future__ import annotations

from datetime import datetime

from airwarden.remediation.actions.base import Effect

#: The parameter by which an effect says before which moment it must not be done, ISO 8601 with a zone.
NOT_BEFORE = "not_before"


def waits_until(effect: Effect, now: datetime) -> datetime | None:
    """Return the moment that an effect waits for, None where it may be done now."""
    text = effect.parameters.get(NOT_BEFORE)
    if not isinstance(text, str):
        return None
    moment = datetime.fromisoformat(text)
    return moment if moment > now else None
