"""What a check is: one live re-read with a verdict, its evidence, and a sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import wraps
from typing import Any, ParamSpec, Protocol

from airwarden.core.errors import AirwardenError
from airwarden.remediation.world import Json, Subject, World


class Verdict(StrEnum):
    """`UNKNOWN` blocks acting and never counts as healthy."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read, and what it means for the check's question."""

    verdict: Verdict
    sentence: str
    evidence: Json = field(default_factory=dict)


P = ParamSpec("P")

_OPPOSITE = {Verdict.TRUE: Verdict.FALSE, Verdict.FALSE: Verdict.TRUE}


def truth(value: bool) -> Verdict:
    """Return the verdict of what was read."""
    return Verdict.TRUE if value else Verdict.FALSE


def opposite(reading: Reading) -> Reading:
    """Return the answer to the opposite question; what is unknown stays so."""
    return replace(reading, verdict=_OPPOSITE.get(reading.verdict, Verdict.UNKNOWN))


def unknown_if(unread: str) -> Callable[[Callable[P, Reading]], Callable[P, Reading]]:
    """Let a check's `read` answer UNKNOWN, with the cause, where what it needs is missing or not to be read.

    Args:
        unread: What it means: `the pools cannot be read`.
    """

    def decorate(read: Callable[P, Reading]) -> Callable[P, Reading]:
        @wraps(read)
        def guarded(*arguments: P.args, **keywords: P.kwargs) -> Reading:
            try:
                return read(*arguments, **keywords)
            except AirwardenError as error:
                return Reading(Verdict.UNKNOWN, f"{unread}: {error}")

        return guarded

    return decorate


class Check(Protocol):
    """One yes-or-no question about the live platform, for example `component-healthy`."""

    @property
    def name(self) -> str: ...  # noqa: D102 - its name tells
    @property
    def needs(self) -> frozenset[str]: ...  # noqa: D102 - its name tells

    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Read and judge; an unreadable source gives UNKNOWN, never an exception."""
        ...
