"""A lease in memory that several holders share."""

from __future__ import annotations

from dataclasses import dataclass

from airwarden.adapters.fakes.clock import FakeClock


@dataclass
class LeaseRow:
    """Where the lease is kept.

    Attributes:
        holder: Who has it, None for nobody.
        expires: When it ends, in elapsed seconds.
        down: Whether it does not answer.
    """

    holder: FakeLease | None = None
    expires: float = 0.0
    down: bool = False


class FakeLease:
    """One process's claim to a `LeaseRow`.

    Args:
        row: Where the lease is kept.
        clock: Time.
        life: Seconds that it lasts; it is fenced off after two thirds of that.
    """

    def __init__(self, row: LeaseRow, clock: FakeClock, *, life: float = 15.0) -> None:
        self._row = row
        self._clock = clock
        self._life = life
        self._until = 0.0
        self.claimed = False

    def step(self) -> float:
        """Take or renew it."""
        now = self._clock.elapsed()
        if self._row.down:
            return self._life / 15
        self.claimed = self._row.holder in (None, self) or self._row.expires <= now
        if self.claimed:
            self._row.holder, self._row.expires = self, now + self._life
            self._until = now + self._life * 2 / 3
        return self._life / (3 if self.claimed else 15)

    def remaining(self) -> float:
        """Return the seconds for which it is surely ours."""
        return max(0.0, self._until - self._clock.elapsed()) if self.claimed else 0.0

    def stop(self) -> None:
        """Let go of it."""
        if self.claimed and self._row.holder is self and not self._row.down:
            self._row.holder = None
        self.claimed = False
