"""A run's plan as it is stored: what is left to do in the current step, and its hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from airwarden.remediation.actions.base import Effect
from airwarden.remediation.decide.approvals import Part, part_of
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
    """What is left of the current step's plan; an approval holds for one made after it was given.

    `more` says what is left for a further plan, see `actions.base.Plan`.
    """

    step: str
    total: int
    left: tuple[Planned, ...]
    made_at: datetime | None = None
    more: str = ""

    @property
    def parts(self) -> Sequence[Part]:
        """What is left, as a person is asked about it."""
        return [part_of(planned.effect) for planned in self.left]

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
        made = self.made_at.isoformat() if self.made_at else None
        body = {
            "step": self.step, "total": self.total, "left": left, "made_at": made, "more": self.more,
        }  # fmt: skip
        return json.dumps(body, default=str)

    @staticmethod
    def from_json(text: str) -> StoredPlan:
        """Read what `to_json` wrote."""
        body = json.loads(text)
        left = tuple(
            Planned(runs.load_effect(p["effect"]), p["seq"], p["undo_of"]) for p in body["left"]
        )
        # An older version wrote no time: what it planned is not taken for newer than any approval.
        made = body.get("made_at")
        made_at = datetime.fromisoformat(made) if made else None
        return StoredPlan(body["step"], body["total"], left, made_at, body.get("more", ""))

    @property
    def content_hash(self) -> str:
        """Hash of what would be done in which step, to which targets in which incarnation.

        Time is no part: an approval holds for the content.
        """
        content = [
            (p.effect.action, p.effect.target, p.effect.generation, dict(p.effect.parameters))
            for p in self.left
        ]
        text = json.dumps([self.step, content], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()
