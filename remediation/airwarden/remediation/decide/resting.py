"""A playbook that has not helped several times in a row rests: its breaker is open.

A remedy that fails again and again is the wrong one for what is broken now, whichever targets it is
tried on. After its rest one run may try it; it helps, and the breaker closes, or it rests again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.refusal import Patience, Refusal

if TYPE_CHECKING:
    from airwarden.remediation.decide.guards import GuardFacts


@dataclass(frozen=True, slots=True)
class Rest:
    """An open breaker of the playbook, as the run that asks sees it.

    Attributes:
        left: How long it rests still.
        probe: The other run that tries whether it helps again; None where nobody does.
    """

    left: timedelta
    probe: int | None = None


def playbook_has_helped(facts: GuardFacts, rails: Rails) -> Refusal | None:
    """What has not helped so often is not done again; a person's yes, and the way back, go through."""
    rest = facts.rest
    if rest is None or facts.undo or facts.acted or facts.approved:
        return None
    if rest.probe is not None:
        return Refusal(
            "playbook-breaker", f"run {rest.probe} tries whether the playbook helps again"
        )
    return Refusal(
        "playbook-breaker",
        f"the playbook did not help {rails.playbook_failures} times in a row and rests for"
        f" {rest.left.total_seconds() / 60:.0f} more minutes",
        Patience.STOP,
    )
