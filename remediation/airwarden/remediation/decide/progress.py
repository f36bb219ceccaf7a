"""How far a run has come, durable after each step, so that another process can go on from there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import TypeAdapter

from airwarden.remediation.decide.approvals import Part


class Phase(StrEnum):
    """A run's three phases."""

    CONFIRM = "confirm"
    STEPS = "steps"
    VERIFY = "verify"


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is.

    Attributes:
        phase: See `Phase`.
        step: Index of the current step.
        seq: How many effects were planned so far: the next one's number.
        reads_true: Confirming reads in a row.
        reads_false: Reads in a row that say there is no fault.
        step_since: When the current step began.
        holds_since: Since when a wait's check has read true.
        verify_since: When verifying began.
        healthy_since: Since when the verifying check has read true.
        blocked_since: Since when a guard refuses.
        blocked_by: Its reason, so that the same refusal is written once.
        unreadable_since: Since when something needed cannot be read.
        conflicts: Times that a target turned out to be another than planned, in this step.
        undone: Effects done by the current undo step.
        skip_to_verify: Why no step is (or no further step will be) done.
        wave_step: The step whose waves the next two speak of.
        wave_verified: Targets of that step up to which the waves were found good.
        wave_since: When the wave that is to be verified was done.
        remedy: Index of the playbook's remedy that this run is an attempt of.
        restoring: Only the undo steps are done: what an ended remedy left in force is taken back.
        asked: What a person was asked about last, in this step.
        changed: How that differs from what was asked before, in words.
        agreed: Keys of the effects that a person agreed to, in this step.
        by: Who runs the playbook by hand; empty where alerts do.
        ordered: Keys of the effects that they were shown and agreed to.
        aftermath: The fault was over before anything was done; what it left is mended.
        rounds: How often the current step was planned anew because there was more than one plan takes.
        round_seq: The number of the first effect that was planned since then.
    """

    phase: Phase = Phase.CONFIRM
    step: int = 0
    seq: int = 0
    reads_true: int = 0
    reads_false: int = 0
    step_since: datetime | None = None
    holds_since: datetime | None = None
    verify_since: datetime | None = None
    healthy_since: datetime | None = None
    blocked_since: datetime | None = None
    blocked_by: str = ""
    unreadable_since: datetime | None = None
    conflicts: int = 0
    undone: int = 0
    skip_to_verify: str = ""
    wave_step: int = -1
    wave_verified: int = 0
    wave_since: datetime | None = None
    remedy: int = 0
    restoring: bool = False
    asked: tuple[Part, ...] = ()
    changed: tuple[str, ...] = ()
    agreed: tuple[str, ...] = ()
    by: str = ""
    ordered: tuple[str, ...] = ()
    aftermath: bool = False
    rounds: int = 0
    round_seq: int = 0

    def to_json(self) -> str:
        """Return it as JSON, for the journal."""
        return _ADAPTER.dump_json(self).decode()

    @staticmethod
    def from_json(text: str) -> Progress:
        """Read what `to_json` wrote; `{}` is the beginning."""
        return _ADAPTER.validate_json(text)


_ADAPTER: TypeAdapter[Progress] = TypeAdapter(Progress)
