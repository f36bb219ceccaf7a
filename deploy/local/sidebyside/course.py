"""The course of one fault on one side, second by second: when it was noticed, paged, healed, and whether it held."""

from __future__ import annotations

import threading

#: Seconds: a lapse shorter than that is borne, a longer one takes the healing back.
LAPSE = 30.0
#: Seconds for which a side must have been well before it counts as decided.
STEADY = 30.0
#: Seconds after which a side that was never seen ill counts as well: the fault cost it nothing.
UNNOTICED = 60.0


class Course:
    """What was seen so far.

    Attributes:
        healed: Seconds after which the platform did its work again and went on doing so, None for not yet.
        paged: Seconds after which a person was paged, None for not yet.
        unhealthy: Seconds after which Airflow's own health endpoint said so, None for not yet.
    """

    def __init__(self) -> None:
        self.healed: float | None = None
        self.paged: float | None = None
        self.unhealthy: float | None = None
        self._was_ill = False
        self._ill_since: float | None = None

    def look(self, seconds: float, *, well: bool, paged: bool, unhealthy: bool) -> None:
        """Take in what is seen that many seconds after the fault."""
        if paged and self.paged is None:
            self.paged = seconds
        if unhealthy and self.unhealthy is None:
            self.unhealthy = seconds
        if well:
            self._ill_since = None
            if self.healed is None and (self._was_ill or seconds >= UNNOTICED):
                self.healed = seconds
            return
        self._was_ill = True
        self._ill_since = seconds if self._ill_since is None else self._ill_since
        if seconds - self._ill_since >= LAPSE:
            self.healed = None

    def decided(self, seconds: float) -> bool:
        """Return whether it has been well for long enough by then."""
        return (
            self.healed is not None and self._ill_since is None and seconds - self.healed >= STEADY
        )


class Together:
    """Sides that are measured at the same time: one moment of the fault, one end for all.

    What a fault cost is counted over the same span on every side, so nobody ends before all are decided.
    """

    def __init__(self, sides: int) -> None:
        self._start = threading.Barrier(sides)
        self._lock = threading.Lock()
        self._decided: dict[str, bool] = {}
        self._sides = sides

    def start(self, *, patience: float) -> None:
        """Return when every side is here.

        Raises:
            threading.BrokenBarrierError: One has failed, or has not come within that many seconds.
        """
        self._start.wait(patience)

    def fail(self) -> None:
        """Let nobody wait for a side that has failed."""
        self._start.abort()
        with self._lock:
            self._sides -= 1

    def say(self, side: str, decided: bool) -> None:
        """Note how it stands on one side."""
        with self._lock:
            self._decided[side] = decided

    @property
    def over(self) -> bool:
        """Whether every side is decided."""
        with self._lock:
            return sum(self._decided.values()) >= self._sides
