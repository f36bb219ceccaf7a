"""A run's plan as it is stored: what is left to do in the current step, and its hash."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from airwarden.remediation.actions.base import Effect
from airwarden.remediation.journal import runs


@dataclass(frozen=True, slots=True)
class Planned:
    """An effect in a run's plan.

    Attributes:
        seq: Its number in the run; a repetition after a proven non-event keeps it.
        undo_of: The attempt that it takes back.
    """

    effect: Effect
    seq: int
    undo_of: int | None = None


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """What is left of the current step's plan."""

    step: str
    total: int
    left: tuple[Planned, ...]

    @property
    def begun(self) -> bool:
        """Whether some of it was done already."""
        return len(self.left) < self.total

    def to_json(self) -> str:
        """Return it as JSON, for the journal."""
        left = [
            {"effect": runs.dump_effect(p.effect), "seq": p.seq, "undo_of": p.undo_of}
            for p in self.left
        ]
        return json.dumps({"step": self.step, "total": self.total, "left": left}, default=str)

    @staticmethod
    def from_json(text: str) -> StoredPlan:
        """Read what `to_json` wrote."""
        body = json.loads(text)
        left = tuple(
            Planned(runs.load_effect(p["effect"]), p["seq"], p["undo_of"]) for p in body["left"]
        )
        return StoredPlan(body["step"], body["total"], left)

    @property
    def content_hash(self) -> str:
        """Hash of what would be done, to which targets in which incarnation; time is no part."""
        content = [
            (p.effect.action, p.effect.target, p.effect.generation, dict(p.effect.parameters))
            for p in self.left
        ]
        text = json.dumps(content, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()
