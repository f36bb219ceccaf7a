"""One finding of a check: where, how bad, what, and the mend."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is; only errors make `airwarden check` fail."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    Attributes:
        place: File and line, file, or key.
        level: How bad it is.
        message: What is wrong.
        hint: The mend.
    """

    place: str
    level: Level
    message: str
    hint: str = ""

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.level.value}: {self.place}: {self.message}" + (
            f" ({self.hint})" if self.hint else ""
        )

    def as_json(self) -> dict[str, str]:
        """Return it as plain values."""
        return asdict(self)
