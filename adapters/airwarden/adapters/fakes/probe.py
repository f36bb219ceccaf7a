"""A dependency that is up or down."""

from __future__ import annotations


class FakeProbe:
    """Answers as told.

    Attributes:
        up: What `check` returns.
        checks: How often it was asked.
    """

    def __init__(self, *, up: bool = True) -> None:
        self.up = up
        self.checks = 0

    def check(self) -> bool:
        """Return whether it is up."""
        self.checks += 1
        return self.up
