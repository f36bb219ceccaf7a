"""`remediator.operators:` and `windows:`: who may say what, and when nothing may be done."""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from airwarden.core.durations import Duration
from airwarden.core.settings.base import SecretRef, Section, wrong

_SHA256 = re.compile(r"^[0-9a-f]{64}$")
_ARGON2 = re.compile(r"^\$argon2id\$v=19\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+$")


class Operator(Section):
    """One person, or one pipeline, with a token of their own; named by the key above it."""

    secrets: ClassVar[tuple[str, ...]] = ("token",)

    token: SecretRef | None = None
    """Their bearer token. The remediator keeps its hash only."""

    token_sha256: str | None = None
    """The SHA-256 of their token as 64 hexadecimal digits, instead of the token itself: then only they
    have it (`printf %s TOKEN | sha256sum`; make the token with `openssl rand -hex 32`)."""

    password_hash: str | None = None
    """With what they sign in to the console, as `airwarden password` prints it (Argon2id); beside a token or
    without one. Their token opens the console too."""

    groups: tuple[str, ...] = ()
    """What they belong to; `remediator.approvers` and `remediator.admins` name groups."""

    role: Literal["viewer", "operator", "approver", "admin"] | None = None
    """What they may: `viewer` looks, `operator` stops and takes over, `approver` approves plans, `admin` lets
    a playbook act before it has earned it; each may what those before it may, and groups add to it. None:
    an operator who has every right that no group is named for."""

    slack_user: str = Field(default="", pattern="^([UW][A-Z0-9]{1,30})?$")
    """Their member id in Slack (`U012ABCDEF`): what they press there is theirs. None: they press nothing."""

    person: bool = True
    """False for a pipeline or script: it may read, stop, open and end maintenance, and lower modes; it
    may not approve, re-arm or raise anything."""

    @field_validator("token_sha256")
    @classmethod
    def _is_a_hash(cls, value: str | None) -> str | None:
        if value is not None and not _SHA256.match(value.lower()):
            raise ValueError("is not 64 hexadecimal digits: printf %s TOKEN | sha256sum")
        return value.lower() if value else None

    @field_validator("password_hash")
    @classmethod
    def _is_argon2(cls, value: str | None) -> str | None:
        if value is not None and not _ARGON2.match(value):
            raise ValueError("is no Argon2id hash: airwarden password prints one")
        return value

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        if self.token is not None and self.token_sha256 is not None:
            raise wrong("token_file", "give one of token_file, token_env and token_sha256")
        if self.token is None and self.token_sha256 is None and self.password_hash is None:
            raise wrong(
                "token_file", "give one of token_file, token_env and token_sha256, or password_hash"
            )
        if self.password_hash is not None and not self.person:
            raise wrong("password_hash", "is for people, and this one is none (person: false)")
        return self


class WindowKind(StrEnum):
    """What a window means."""

    MAINTENANCE = "maintenance"
    FREEZE = "freeze"
    QUIET = "quiet"


class Window(Section):
    """A time in which less may be done than else; none by default, and night is not one."""

    name: str
    """What people call it; stands in every refusal."""

    kind: WindowKind
    """`maintenance`: somebody works on the platform, nothing is done. `freeze`: nothing may change,
    nothing but pages. `quiet`: nobody looks, danger A only; B waits for a person's yes."""

    starts: datetime
    """Its first beginning on the wall clock of `timezone`, without an offset: `2026-01-30 18:00`."""

    lasts: Duration
    """How long, on the wall clock; at most 31 days."""

    repeats: str = ""
    """How it repeats, as an RFC 5545 rule: `FREQ=WEEKLY;BYDAY=FR`, `FREQ=MONTHLY;BYMONTHDAY=-1`. At most
    daily, at the time of day of `starts`; keeps to the wall clock through summer and winter."""

    timezone: str = "UTC"
    """The time zone (`Europe/Berlin`)."""

    cluster: str = "*"
    """One cluster, or all."""

    playbooks: tuple[str, ...] = ()
    """Only these playbooks; none means all."""

    reason: str = Field(default="", max_length=1000)
    """Why, for the journal."""

    @field_validator("starts")
    @classmethod
    def _local(cls, value: datetime) -> datetime:
        if value.tzinfo is not None:
            raise ValueError("is a local time: leave the offset out and name the timezone")
        return value
