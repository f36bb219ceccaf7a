"""The errors that cross a part's border. Their class says what the caller must do next."""

from __future__ import annotations

from typing import ClassVar


class AirwardenError(Exception):
    """Base of every error that Airwarden raises on purpose.

    Attributes:
        http_status: What a server of ours answers to who asked: the API and the console alike.
    """

    http_status: ClassVar[int] = 500


class WrongInputError(AirwardenError):
    """An operator's input is wrong: nothing was changed, the message names the mend.

    Args:
        message: What is wrong and what was expected.
        place: File, line or key, as the operator knows it (``airwarden.yaml: clusters[0].airflow``).
        hint: The mend, for example the nearest known key.
    """

    http_status: ClassVar[int] = 400

    def __init__(self, message: str, *, place: str = "", hint: str = "") -> None:
        self.message = message
        self.place = place
        self.hint = hint
        super().__init__(
            ": ".join(p for p in (place, message) if p) + (f" ({hint})" if hint else "")
        )


class UnavailableError(AirwardenError):
    """A system did not answer in time, or said to come back later. Reading again may succeed.

    Args:
        message: Which system and what it said.
        retry_after: Seconds that the system asked to wait, if it did.
    """

    http_status: ClassVar[int] = 503

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class RejectedError(AirwardenError):
    """A system understood and refused: wrong credentials, missing permission, invalid request.

    Repeating the same call cannot succeed.
    """

    http_status: ClassVar[int] = 403


class NotFoundError(RejectedError):
    """The thing that was named does not exist there."""

    http_status: ClassVar[int] = 404


class ConflictError(RejectedError):
    """The thing changed, or already exists, since it was read: read again before deciding."""

    http_status: ClassVar[int] = 409


class UnknownOutcomeError(AirwardenError):
    """An effect was sent and its reply was lost: it may or may not have happened.

    Never repeat it blindly; read the state back.
    """
