"""One finding of the lint, as data; the command line prints it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FindingSeverity(StrEnum):
    """Errors fail `airwarden check`; warnings are shown."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend: where, what, and how."""

    place: str
    severity: FindingSeverity
    message: str
    hint: str = ""
