"""Time that only moves when a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class FakeClock:
    """A clock for tests. `wait` does not wait: it advances the time by what was asked for.

    Args:
        start: The first wall time; UTC.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed = 0.0
        self._step = timedelta(0)
        self._stopping = False

    def now(self) -> datetime:
        """Return the wall time."""
        return self._start + timedelta(seconds=self._elapsed) + self._step

    def elapsed(self) -> float:
        """Return the seconds advanced so far."""
        return self._elapsed

    def wait(self, seconds: float) -> bool:
        """Advance by `seconds`, or return True at once after `stop`."""
        if not self._stopping:
            self.advance(max(0.0, seconds))
        return self._stopping

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        if seconds < 0:
            raise ValueError("elapsed time does not run backwards: use step_wall")
        self._elapsed += seconds

    def step_wall(self, seconds: float) -> None:
        """Step the wall clock alone, either way, as NTP or an operator does."""
        self._step += timedelta(seconds=seconds)

    def stop(self) -> None:
        """Make every `wait` return True."""
        self._stopping = True
