"""Hours of the week in which people are told of warnings, as Alertmanager's time intervals mean them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

#: Each of them comes again within so many days, whatever the clocks do.
_AHEAD = 8


@dataclass(frozen=True, slots=True)
class WeeklyTime:
    """A stretch of the day on some days of the week, on the wall clock of a time zone.

    Attributes:
        days: 0 is Monday.
        begin, end: Minutes since midnight; the end is no part of it, and 1440 the day's end.
        timezone: IANA name.
    """

    days: tuple[int, ...]
    begin: int
    end: int
    timezone: str = "UTC"

    def contains(self, moment: datetime) -> bool:
        """Return whether a moment lies in it."""
        here = moment.astimezone(ZoneInfo(self.timezone))
        return here.weekday() in self.days and self.begin <= here.hour * 60 + here.minute < self.end

    def edges(self, moment: datetime) -> list[datetime]:
        """Return when it may begin or end after a moment, in UTC."""
        zone = ZoneInfo(self.timezone)
        midnight = moment.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
        return [
            (midnight.replace(tzinfo=None) + timedelta(days=day, minutes=minute))
            .replace(tzinfo=zone)
            .astimezone(UTC)
            for day in range(_AHEAD)
            for minute in (self.begin, self.end)
        ]


@dataclass(frozen=True, slots=True)
class TellingHours:
    """When somebody is told: in one of `active`, or always where that is empty; never in one of `mute`."""

    active: tuple[WeeklyTime, ...] = ()
    mute: tuple[WeeklyTime, ...] = ()

    def told(self, moment: datetime) -> bool:
        """Return whether they are told at a moment."""
        if any(one.contains(moment) for one in self.mute):
            return False
        return not self.active or any(one.contains(moment) for one in self.active)

    def opens(self, moment: datetime) -> datetime | None:
        """Return from when on they are told; None if they are now. A week ahead where they never are."""
        if self.told(moment):
            return None
        edges = sorted(edge for one in (*self.active, *self.mute) for edge in one.edges(moment))
        later = (edge for edge in edges if edge > moment and self.told(edge))
        return next(later, moment + timedelta(days=7))
