"""What a probe found: one fact about one system, and the mend where one is needed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """How good a fact is for the operator."""

    OK = "ok"
    #: Works, with less: something will not be seen or done.
    LIMITED = "limited"
    #: Works, but it may do more than it needs.
    EXCESS = "excess"
    #: A system or right that is required is not there: exit code 1.
    FAILED = "failed"
    #: Not configured; what is lost without it is said.
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact.

    Attributes:
        system: Which system, by the settings' name (`default: metadata database`).
        subject: What of it.
        outcome: How good it is.
        sentence: What was seen.
        mend: What to do, where something is to be done.
    """

    system: str
    subject: str
    outcome: Outcome
    sentence: str
    mend: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)
