"""Flapping: an alert that comes and goes is no fault that a remedy mends; a person looks instead.

Two signs, either is enough (Nagios' method; the numbers are judgements): it fired and ended several
times within an hour, or it changed in most of the last moments at which it was looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from airwarden.core.durations import format_duration
from airwarden.remediation.decide.rails import Rails


@dataclass(frozen=True, slots=True)
class History:
    """What one alert did lately.

    Attributes:
        name: Its `alertname`.
        ended: Times that it fired and ended within `flap_window`.
        changes: When it began or ended to fire within the sampled time, in any order.
    """

    name: str
    ended: int
    changes: Sequence[datetime] = ()


def sampled(changes: Iterable[datetime], now: datetime, rails: Rails) -> int:
    """Return the per cent of the last samples in which the alert was not as in the one before."""
    if rails.flap_samples < 2:
        return 0
    changed = {(now - moment) // rails.flap_every for moment in changes if moment <= now}
    seen = sum(1 for sample in changed if sample < rails.flap_samples - 1)
    return 100 * seen // (rails.flap_samples - 1)


def flapping(histories: Iterable[History], now: datetime, rails: Rails) -> str:
    """Return which alert flaps and how, or nothing."""
    for one in histories:
        if 0 < rails.flap_cycles <= one.ended:
            return f"{one.name} fired and ended {one.ended} times within {format_duration(rails.flap_window)}"
        percent = sampled(one.changes, now, rails)
        if percent > rails.flap_percent:
            span = format_duration(rails.flap_every * (rails.flap_samples - 1))
            return f"{one.name} changed in {percent} % of the samples of the last {span}"
    return ""
