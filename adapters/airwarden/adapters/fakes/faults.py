"""How a test breaks a fake: the system is gone, or one reply is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airwarden.core.errors import AirwardenError, UnknownOutcomeError


class Faults:
    """What a fake has been told to do wrong, and what was asked of it.

    Attributes:
        effects: The effects that happened, in order, as (method, target, ...).
    """

    def __init__(self) -> None:
        self.effects: list[tuple[object, ...]] = []
        self._broken: AirwardenError | None = None
        self._lose_reply = False
        self._lose_request = False

    def break_with(self, error: AirwardenError | None) -> None:
        """Let every call raise this error before it does anything; None mends it."""
        self._broken = error

    def lose_next_reply(self) -> None:
        """Let the next effect happen and raise UnknownOutcomeError all the same."""
        self._lose_reply = True

    def lose_next_request(self) -> None:
        """Let the next effect not happen and raise UnknownOutcomeError."""
        self._lose_request = True

    def _reading(self) -> None:
        if self._broken is not None:
            raise self._broken

    @contextmanager
    def _effecting(self, *what: object) -> Iterator[None]:
        """Wrap an effect's code, after its validation."""
        self._reading()
        if self._lose_request:
            self._lose_request = False
            raise UnknownOutcomeError(f"request lost: {what[0]}")
        yield
        self.effects.append(what)
        if self._lose_reply:
            self._lose_reply = False
            raise UnknownOutcomeError(f"reply lost: {what[0]}")
