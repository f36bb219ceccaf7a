"""The live timeline of one story: what was seen, in order, with the seconds since the fault."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum


class Mark(StrEnum):
    """The moments that every story is measured by."""

    FAULT = "fault"
    LIGHTS = "lights"
    METRIC = "metric"
    ALERT = "alert"
    ACTION = "action"
    REFUSED = "refused"
    PAGED = "paged"
    VERIFIED = "verified"
    RESOLVED = "resolved"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the timeline; `seconds` since the fault (negative before it)."""

    seconds: float
    mark: Mark
    text: str


@dataclass
class Timeline:
    """Collects events from several watching threads and shows each as it comes.

    Attributes:
        show: Called with every event, in the order of recording.
    """

    show: Callable[[Event], None]
    events: list[Event] = field(default_factory=list)
    _zero: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, text: str) -> None:
        """Set the zero of the story's clock: the fault happens now."""
        self._zero = time.monotonic()
        self.add(Mark.FAULT, text)

    @property
    def seconds(self) -> float:
        """Seconds since the fault."""
        return time.monotonic() - self._zero

    def add(self, mark: Mark, text: str) -> float:
        """Record an event now and return its seconds."""
        with self._lock:
            event = Event(round(self.seconds, 1), mark, text)
            self.events.append(event)
            self.show(event)
            return event.seconds

    def first(self, mark: Mark) -> float | None:
        """Return the seconds of the first event with that mark."""
        with self._lock:
            return next((e.seconds for e in self.events if e.mark is mark), None)
