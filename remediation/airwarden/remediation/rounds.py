"""Steps that have more to do than one plan takes: planned anew, plan after plan, but not for ever."""

from __future__ import annotations

from dataclasses import replace

from airwarden.remediation.case import Case
from airwarden.remediation.decide.progress import Progress
from airwarden.remediation.journal.store import Tx

#: Plans of one step at most: what is left then is said, and stays as it is.
MOST = 20


def again(tx: Tx, case: Case, progress: Progress, step_id: str, more: str) -> Progress | None:
    """Return the progress with which a step is planned anew, None where it is over.

    Args:
        tx: Writes the line in the story.
        case: The run.
        progress: How far it has come; its plan is done.
        step_id: The step.
        more: What is left, in words; empty for nothing.
    """
    if not more:
        return None
    if progress.rounds + 1 >= MOST:
        case.say(tx, "step", f"{step_id}: left as it is after {MOST} plans: {more}.")
        return None
    case.say(tx, "step", f"{step_id}: planned anew, there is more: {more}.")
    return replace(
        progress,
        rounds=progress.rounds + 1,
        round_seq=progress.seq,
        step_since=None,
        conflicts=0,
        asked=(),
        changed=(),
        agreed=(),
        blocked_since=None,
        blocked_by="",
        unreadable_since=None,
        wave_step=-1,
        wave_verified=0,
        wave_since=None,
    )
