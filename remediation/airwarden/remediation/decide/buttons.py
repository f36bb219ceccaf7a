"""The buttons of an incident's chat message, by the name under which the chat tells that one was pressed."""

from __future__ import annotations

from enum import StrEnum


class Button(StrEnum):
    """What a button is for."""

    APPROVE = "airwarden.approve"
    DENY = "airwarden.deny"
    TAKE = "airwarden.take"
    RELEASE = "airwarden.release"
    SILENCE = "airwarden.silence"
