"""Windows in time: maintenance, freezes and quiet hours, once or again and again, in local time.

A recurring window is described on the wall clock of a time zone: it begins and ends at the same local
time in summer and in winter. Where the clock is moved and a local time comes twice or never, the
window begins at the earlier and ends at the later of what may be meant: rather longer than shorter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from airwarden.core.errors import WrongInputError

if TYPE_CHECKING:
    from dateutil.rrule import rrule

EVERYWHERE = "*"
#: A window longer than this is an oversight; a mode is the way to keep a playbook from acting.
LONGEST = timedelta(days=31)
#: The clock is never moved by more than this; what is open now began at most so much before.
_SHIFT = timedelta(hours=26)
_TOO_OFTEN = frozenset({"SECONDLY", "MINUTELY", "HOURLY"})
_TIME_OF_DAY = frozenset({"BYHOUR", "BYMINUTE", "BYSECOND"})
_FIRST_YEAR, _LAST_YEAR = 2000, 2100
#: Years within which a rule has to come true once.
_HORIZON = 9


class Kind(StrEnum):
    """What a window means."""

    #: Somebody works on the platform: alerts are taken, nothing is done.
    MAINTENANCE = "maintenance"
    #: Nothing may change for a while: nothing but pages.
    FREEZE = "freeze"
    #: Nobody looks: danger A only, B waits for a person.
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Window:
    """One window, as it was configured or begun.

    Attributes:
        kind: See `Kind`.
        starts: Its (first) beginning on the wall clock of `tz`, without a zone.
        lasts: How long, on the wall clock.
        tz: The time zone's name (`Europe/Berlin`).
        rrule: How it repeats (RFC 5545, `FREQ=WEEKLY;BYDAY=FR`); empty for once.
        until: No occurrence begins, and none lasts, beyond this.
        cluster: `*` for all.
        playbooks: Only these; empty for all.
        reason: Why.
        set_by: Who.
        id: The journal's number, 0 for one of the settings.
        name: What the settings call it.
    """

    kind: Kind
    starts: datetime
    lasts: timedelta
    tz: str = "UTC"
    rrule: str = ""
    until: datetime | None = None
    cluster: str = EVERYWHERE
    playbooks: tuple[str, ...] = ()
    reason: str = ""
    set_by: str = "the settings"
    id: int = 0
    name: str = ""

    def applies(self, cluster: str, playbook: str) -> bool:
        """Return whether it is about this playbook in this cluster."""
        here = self.cluster in (EVERYWHERE, cluster)
        return here and (not self.playbooks or playbook in self.playbooks)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time at which a window is open, in UTC."""

    window: Window
    begins: datetime
    ends: datetime

    @property
    def sentence(self) -> str:
        """Say it for people: who, why, and until when."""
        one = self.window
        what = f"{one.kind} {one.name}".strip()
        because = f": {one.reason}" if one.reason else ""
        return f"{what} by {one.set_by}{because}, until {local(self.ends, one.tz)}"


@dataclass(frozen=True, slots=True)
class OpenWindows:
    """What the guards look at: sentences about the windows that are open, by kind."""

    maintenance: tuple[str, ...] = ()
    freeze: tuple[str, ...] = ()
    quiet: tuple[str, ...] = ()

    @staticmethod
    def of(occurrences: Sequence[Occurrence], cluster: str, playbook: str) -> OpenWindows:
        """Return those that are about this playbook in this cluster."""
        mine = [one for one in occurrences if one.window.applies(cluster, playbook)]
        said = {
            kind: tuple(one.sentence for one in mine if one.window.kind is kind) for kind in Kind
        }
        return OpenWindows(said[Kind.MAINTENANCE], said[Kind.FREEZE], said[Kind.QUIET])


def zone(name: str) -> ZoneInfo:
    """Return a time zone; raises WrongInputError for an unknown name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise WrongInputError(
            f"there is no time zone {name!r}",
            place="timezone",
            hint="write it as in Europe/Berlin, America/New_York, UTC",
        ) from None


def local(moment: datetime, tz: str) -> str:
    """Write a time for people, on the wall clock of a time zone."""
    return f"{moment.astimezone(zone(tz)):%Y-%m-%d %H:%M:%S %Z}"


def check(window: Window) -> Window:
    """Return the window as it is.

    Raises:
        WrongInputError: It never could be open, would never end, or its rule is none.
    """
    zone(window.tz)
    if window.starts.tzinfo is not None:
        raise WrongInputError(
            "is a local time: leave the offset out and name the timezone", place="starts"
        )
    if not _FIRST_YEAR <= window.starts.year <= _LAST_YEAR:
        raise WrongInputError(f"must lie between {_FIRST_YEAR} and {_LAST_YEAR}", place="starts")
    if window.until is not None and not _FIRST_YEAR <= window.until.year <= _LAST_YEAR:
        raise WrongInputError(f"must lie between {_FIRST_YEAR} and {_LAST_YEAR}", place="until")
    if not timedelta(0) < window.lasts <= LONGEST:
        raise WrongInputError(
            f"must be more than nothing and at most {LONGEST.days} days", place="lasts"
        )
    if window.rrule:
        _rule(window.rrule, window.starts)
    return window


def _pairs(text: str) -> dict[str, str]:
    """Return the parts of a rule; raises WrongInputError for what no window can have."""
    words = text.strip().upper().removeprefix("RRULE:")
    if "\n" in words or "DTSTART" in words:
        raise WrongInputError(
            "is one rule without DTSTART: starts is a key of its own", place="repeats"
        )
    pairs = dict(pair.partition("=")[::2] for pair in words.split(";"))
    if pairs.get("FREQ") in _TOO_OFTEN or _TIME_OF_DAY & pairs.keys():
        raise WrongInputError(
            "repeats at most daily, at the time of day of starts: write several windows",
            place="repeats",
        )
    return pairs


def _near_the_end_of_time(starts: datetime) -> datetime:
    """Return the same day of the last year that has the same calendar and a horizon ahead of it.

    A rule that never comes true is searched until the year 9999, day by day, and nothing stops the
    search: from 2026 that is many seconds. So the trial begins near the end.
    """
    latest = MAXYEAR - _HORIZON
    alike = (
        starts.replace(year=year)
        for year in range(latest, latest - 28, -1)
        if year % 4 == starts.year % 4
    )
    return next(one for one in alike if one.weekday() == starts.weekday())


@lru_cache(maxsize=256)
def _rule(text: str, starts: datetime) -> rrule:
    """Parse a rule; it is kept, with the occurrences that it has counted so far."""
    from dateutil.rrule import rrule, rrulestr

    pairs = _pairs(text)
    endless = {name: value for name, value in pairs.items() if name not in ("COUNT", "UNTIL")}
    late = _near_the_end_of_time(starts)
    try:
        trial, found = (
            rrulestr(";".join("=".join(pair) for pair in one.items()), dtstart=begin, cache=True)
            for one, begin in ((endless, late), (pairs, starts))
        )
    except (ValueError, TypeError) as error:
        raise WrongInputError(
            f"is no recurrence rule: {error}",
            place="repeats",
            hint="write for example FREQ=WEEKLY;BYDAY=FR, and UNTIL without Z",
        ) from None
    if not isinstance(found, rrule):
        raise WrongInputError("is one rule, not a set of them", place="repeats")
    first = next(iter(trial), None)
    if first is None or first >= late.replace(year=late.year + _HORIZON, day=1):
        raise WrongInputError(f"does not come true within {_HORIZON} years", place="repeats")
    return found


def _occurrence(window: Window, begins: datetime) -> Occurrence:
    """Return the occurrence that begins at a local time, in UTC."""
    tz = zone(window.tz)
    # Where a local time is twice or never there, the earlier beginning and the later end.
    first = min(begins.replace(tzinfo=tz, fold=fold).astimezone(UTC) for fold in (0, 1))
    ending = begins + window.lasts
    last = max(ending.replace(tzinfo=tz, fold=fold).astimezone(UTC) for fold in (0, 1))
    ends = last if window.until is None else min(last, window.until)
    return Occurrence(window, first, ends)


def open_at(window: Window, now: datetime) -> Occurrence | None:
    """Return the occurrence that is open now; where two overlap, the one that ends last."""
    here = now.astimezone(zone(window.tz)).replace(tzinfo=None)
    if window.rrule:
        after, before = here - window.lasts - _SHIFT, here + _SHIFT
        begins = list(_rule(window.rrule, window.starts).between(after, before, inc=True))
    else:
        begins = [window.starts]
    found = [_occurrence(window, one) for one in begins]
    return max(
        (one for one in found if one.begins <= now < one.ends),
        key=lambda one: one.ends,
        default=None,
    )


def following(window: Window, now: datetime) -> Occurrence | None:
    """Return the next occurrence that begins after now."""
    if not window.rrule:
        begins: Sequence[datetime] = [window.starts]
    else:
        here = now.astimezone(zone(window.tz)).replace(tzinfo=None)
        begins = list(islice(_rule(window.rrule, window.starts).xafter(here - _SHIFT), 8))
    found = (_occurrence(window, one) for one in begins)
    return next((one for one in found if one.begins > now and one.begins < one.ends), None)


def open_now(windows: Sequence[Window], now: datetime) -> list[Occurrence]:
    """Return the occurrences that are open now."""
    found = (open_at(one, now) for one in windows)
    return [one for one in found if one is not None]
