"""What can go wrong while the local platform is built, broken or stopped."""

from __future__ import annotations


class PlatformError(Exception):
    """The platform could not do what was asked; the message says what and where to look."""


class DeadlineExceeded(PlatformError):  # noqa: N818 - the field's name for it
    """Something awaited did not happen in the time allowed for it."""
