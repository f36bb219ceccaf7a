"""A guard's no, and what the refused run does then."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Patience(StrEnum):
    """What a refused run does."""

    #: Ask again soon; call a human when it lasts too long.
    WAIT = "wait"
    #: Ask again soon, for as long as it takes: a human wants it so, or it is a matter of turns.
    HOLD = "hold"
    #: Call a human now: waiting cannot help in time.
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A guard's no."""

    guard: str
    reason: str
    patience: Patience = Patience.WAIT
