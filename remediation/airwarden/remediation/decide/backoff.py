"""Waiting before a retry (full jitter), and cooling down between incidents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random

from airwarden.remediation.decide.rails import Rails


def ceiling(failures: int, base: timedelta, cap: timedelta) -> timedelta:
    """Return the longest wait after so many failures: `min(cap, base * 2**(failures - 1))`."""
    # Beyond 2**40 bases every cap is reached; the bound keeps the power from growing for ever.
    factor: int = 2 ** min(max(failures - 1, 0), 40)
    return min(cap, base * factor)


def jittered(failures: int, base: timedelta, cap: timedelta, random: Random) -> timedelta:
    """Return a wait drawn evenly from zero to the ceiling, so that retries do not meet."""
    return random.uniform(0.0, 1.0) * ceiling(failures, base, cap)


def cool_down_until(uses: Sequence[datetime], rails: Rails) -> datetime | None:
    """Return until when a target is left alone, None where it never was used.

    Args:
        uses: When earlier incidents last acted on it by the same playbook, oldest first.
        rails: The first cool-down, its cap, and after how long in peace it starts anew.
    """
    level = 0
    until: datetime | None = None
    for use in uses:
        level = 0 if until is None or use >= until + rails.cool_down_reset else level
        level += 1
        until = use + ceiling(level, rails.cool_down, rails.cool_down_cap)
    return until
