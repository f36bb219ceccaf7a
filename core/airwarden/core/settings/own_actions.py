"""`remediator.commands:` and `remediator.webhooks:`: actions of a site's own, listed here or not at all."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from airwarden.core.durations import Duration
from airwarden.core.settings.base import LOOPBACK, HttpUrl, SecretRef, Section

#: Longer than this, an effect would outlast the lease that allows it.
_LONGEST = timedelta(minutes=5)


class DangerClass(StrEnum):
    """How much harm an action does if it is wrong."""

    A = "A"
    B = "B"
    C = "C"


class _OwnAction(Section):
    """What the two kinds have in common."""

    danger: DangerClass = DangerClass.C
    """`A` reverts or adds and may run alone once promoted, `B` takes down one unit, `C` always needs a
    person's yes. What it does is known to you only: so C unless you say otherwise."""

    timeout: Duration = timedelta(seconds=30)
    """What it may take, at most 5m."""

    @field_validator("timeout")
    @classmethod
    def _bounded(cls, value: timedelta) -> timedelta:
        if not timedelta(0) < value <= _LONGEST:
            raise ValueError("must be longer than 0 and at most 5m")
        return value


class OwnCommand(_OwnAction):
    """A program on the remediator's machine, as the action `command.NAME`."""

    run: tuple[str, ...] = Field(min_length=1, max_length=50)
    """Argument vector, beginning with an absolute path; no shell reads it. `$LABEL` in an argument
    stands for the alert's label of that name; a value that begins with `-`, holds a control character
    or is longer than 256 characters is refused. Exit code 0 means done."""

    needed: tuple[str, ...] = Field(default=(), max_length=50)
    """Asked before: 0 means that it has to be run, 1 that nothing is to do, anything else refuses."""

    done: tuple[str, ...] = Field(default=(), max_length=50)
    """Asked after a crash or a timeout: 0 means that it happened, 1 that it did not. Without it a
    person is asked then."""

    undo: tuple[str, ...] = Field(default=(), max_length=50)
    """Takes it back."""

    @field_validator("run", "needed", "done", "undo")
    @classmethod
    def _absolute(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value and (not value[0].startswith("/") or "$" in value[0]):
            raise ValueError("the program must be an absolute path, and no label")
        return value


class OwnWebhook(_OwnAction):
    """A POST to a system of yours, as the action `webhook.NAME`."""

    secrets: ClassVar[tuple[str, ...]] = ("token",)

    url: HttpUrl
    """Where: https, or http on this machine. Redirects are not followed."""

    token: SecretRef | None = None
    """Bearer token to show there."""

    idempotent: bool = False
    """It does nothing new for an `Idempotency-Key` that it has seen: then a POST whose answer was lost
    is sent again with the same one. Otherwise a person is asked."""

    @field_validator("url")
    @classmethod
    def _guarded(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme != "https" and parts.hostname not in LOOPBACK:
            raise ValueError("expected https, or an address of this machine")
        return value
