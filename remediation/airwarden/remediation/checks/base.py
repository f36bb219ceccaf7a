"""What a check is: one live re-read with a verdict, its evidence, and a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

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


class Check(Protocol):
    """One yes-or-no question about the live platform, for example `component-healthy`."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def needs(self) -> frozenset[str]: ...  # noqa: D102

    def read(self, world: World, subject: Subject, parameters: Mapping[str, Any]) -> Reading:
        """Read and judge; an unreadable source gives UNKNOWN, never an exception."""
        ...
