"""`time_intervals:`: hours of the week by name, and who is told of warnings in them."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from airwarden.core.settings.base import Section
from airwarden.core.settings.pipelines import EVERY_DAY, Weekday, known_zone
from airwarden.core.time_intervals import WeeklyTime

_CLOCK = re.compile(r"^([01]\d|2[0-3]):([0-5]\d)$|^24:00$")


def _clock(value: str) -> str:
    if not _CLOCK.match(value):
        raise ValueError(f"{value!r} is not a time of day: write HH:MM, from 00:00 to 24:00")
    return value


#: A time of day.
Clock = Annotated[str, AfterValidator(_clock)]


class WeeklyHours(Section):
    """A stretch of the day on some days of the week."""

    days: tuple[Weekday, ...] = Field(default=EVERY_DAY, min_length=1)
    """On which days."""

    start: Clock = "00:00"
    """From when on."""

    end: Clock = "24:00"
    """Until when, itself not included. Hours over midnight are two entries."""

    timezone: Annotated[str, AfterValidator(known_zone)] = "UTC"
    """IANA time zone on whose wall clock they are."""

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.start >= self.end:
            raise ValueError(
                f"ends at {self.end}, before it starts at {self.start}: hours over midnight are two"
                " entries, one until 24:00 and one from 00:00"
            )
        return self

    @property
    def weekly(self) -> WeeklyTime:
        """The same as minutes and numbers of days."""
        return WeeklyTime(
            tuple(EVERY_DAY.index(day) for day in self.days),
            _minutes(self.start),
            _minutes(self.end),
            self.timezone,
        )


def _minutes(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


def _listed(value: object) -> object:
    return (value,) if isinstance(value, dict) else value


#: What stands under a name of `time_intervals`: one entry, or a list of them.
Intervals = Annotated[tuple[WeeklyHours, ...], BeforeValidator(_listed), Field(min_length=1)]
