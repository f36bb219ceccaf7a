"""What a playbook has earned: from firings seen in shadow and judged, and from runs that people approved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from airwarden.core.durations import format_duration
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.states import Mode


class Judgement(StrEnum):
    """What a person says of what was done, or would have been."""

    RIGHT = "right"
    WRONG = "wrong"
    HARMFUL = "harmful"


@dataclass(frozen=True, slots=True)
class Firing:
    """One run of a playbook that counts.

    Attributes:
        incident_id: The incident's number.
        at: When it was decided what to do.
        would_do: What was done, or in shadow would have been.
        acted: False for one in shadow.
        approved: A person approved it.
        healed: It ended healed, for one that acted.
        cleared_at: When the alerts ended although nothing was done, None if they did not.
        judgement: What a person said of it, None before anybody did.
        replayed: It was not seen live but in a replay of recorded alerts.
    """

    incident_id: int
    at: datetime
    would_do: tuple[str, ...]
    acted: bool = False
    approved: bool = False
    healed: bool = False
    cleared_at: datetime | None = None
    judgement: Judgement | None = None
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Tally:
    """A playbook's firings, counted.

    Attributes:
        since: The first firing in shadow.
        fired: Firings in shadow.
        cleared: Those of them that ended by themselves.
        approved_runs: Runs that people approved and that healed, none of them judged harmful.
    """

    since: datetime | None = None
    fired: int = 0
    right: int = 0
    wrong: int = 0
    harmful: int = 0
    cleared: int = 0
    replayed: int = 0
    approved_runs: int = 0

    @property
    def judged(self) -> int:
        """Firings in shadow that a person judged."""
        return self.right + self.wrong + self.harmful


@dataclass(frozen=True, slots=True)
class Earned:
    """How far a playbook may be promoted.

    Attributes:
        mode: The highest mode that it has earned.
        missing: What it takes for the next one, in sentences; empty where there is none.
    """

    mode: Mode
    missing: tuple[str, ...] = ()


def earned(counted: Tally, rails: Rails, now: datetime) -> Earned:
    """Return how far a playbook may be promoted: from shadow to approve, from approve to auto."""
    missing = _for_approve(counted, rails, now)
    if missing:
        return Earned(Mode.SHADOW, missing)
    short = rails.promotion_approved_runs - counted.approved_runs
    if short > 0:
        return Earned(
            Mode.APPROVE,
            (f"{short} more approved runs that heal ({counted.approved_runs} so far)",),
        )
    return Earned(Mode.AUTO)


def _for_approve(counted: Tally, rails: Rails, now: datetime) -> tuple[str, ...]:
    missing: list[str] = []
    if counted.harmful:
        missing.append(
            f"{counted.harmful} judged harmful: change its steps, which begins the count anew"
        )
    if counted.since is None:
        missing.append("it has not fired in shadow yet")
    elif now - counted.since < rails.promotion_shadow:
        left = rails.promotion_shadow - (now - counted.since)
        days = max(1, -(-left.total_seconds() // 86400))
        missing.append(
            f"{days:.0f} more day(s) in shadow (of {format_duration(rails.promotion_shadow)})"
        )
    short = rails.promotion_firings - counted.judged
    if short > 0:
        missing.append(f"{short} more judged firings ({counted.judged} of {counted.fired} judged)")
    share = 100 * counted.right / counted.judged if counted.judged else 0.0
    if counted.judged and share < rails.promotion_right_percent:
        missing.append(f"{share:.0f} % judged right, {rails.promotion_right_percent} % are needed")
    return tuple(missing)
