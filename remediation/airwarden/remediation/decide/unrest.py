"""The guards against acting in a storm, and on what flaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.refusal import Patience, Refusal

if TYPE_CHECKING:
    from airwarden.remediation.decide.guards import GuardFacts


@dataclass(frozen=True, slots=True)
class Unrest:
    """What keeps a remedy from knowing what it treats.

    Attributes:
        storm: The storm that is in force over this incident, in words, or empty.
        flapping: How its alerts come and go, in words, or empty.
    """

    storm: str = ""
    flapping: str = ""


def no_storm(facts: GuardFacts, _rails: Rails) -> Refusal | None:
    """In a storm nothing that still serves is taken down.

    What is proved dead may be started again, what adds capacity may be added, and the way back from
    what we did stays open.
    """
    if facts.unrest.storm and facts.disruptive and not facts.undo and not facts.effect.dead:
        return Refusal("storm", facts.unrest.storm, Patience.HOLD)
    return None


def not_flapping(facts: GuardFacts, _rails: Rails) -> Refusal | None:
    """What comes and goes by itself would make any remedy look right: a person looks."""
    if facts.unrest.flapping and not facts.undo:
        return Refusal("flapping", facts.unrest.flapping, Patience.STOP)
    return None
