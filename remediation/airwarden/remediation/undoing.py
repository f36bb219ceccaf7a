"""Planning the way back from what an incident's runs have done."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from airwarden.core.errors import UnavailableError
from airwarden.remediation.actions.base import Plan, Refused
from airwarden.remediation.calls import OverdueError
from airwarden.remediation.case import READ_DEADLINE, Case, Parts
from airwarden.remediation.decide.states import AttemptState
from airwarden.remediation.journal import runs
from airwarden.remediation.journal.runs import Attempt
from airwarden.remediation.plans import Planned
from airwarden.remediation.playbook import UndoStep

#: More effects than this in one undo step, or so many for each effect that is taken back (a pool's slots
#: come back in four shares): something undoes the undoing.
_MOST, _MOST_EACH = 60, 6


def most_undos(parts: Parts, case: Case, step: UndoStep) -> int:
    """Return how many effects an undo step may take."""
    return max(_MOST, _MOST_EACH * len(done_by(parts, case, {step.undo})))


def done_by(parts: Parts, case: Case, steps: Collection[str]) -> list[Attempt]:
    """Return what these steps did: in every run, since an earlier attempt's effect is ours too."""
    with parts.journal.read() as tx:
        done = runs.attempts_of_incident(tx, case.incident.id)
    return [
        a
        for a in done
        if a.step_id in steps and a.state is AttemptState.CONFIRMED and a.undo_of is None
    ]


def plan_undo(parts: Parts, case: Case, step: UndoStep) -> tuple[list[Planned], list[str], str]:
    """Ask each action for the way back from what was done, newest first."""
    planned: list[Planned] = []
    refusals: list[str] = []
    for attempt in reversed(done_by(parts, case, {step.undo})):
        action = parts.actions.get(attempt.action)
        if action is None:
            refusals.append(f"action {attempt.action} is no longer known")
            continue
        effect = attempt.effect
        try:
            outcome = parts.calls.run(
                partial(action.undo, case.world, effect), deadline=READ_DEADLINE
            )
        except (UnavailableError, OverdueError) as error:
            return [], [], str(error)
        except Exception as error:  # the way back of the other effects does not wait for this one
            refusals.append(str(error) or type(error).__name__)
            continue
        if isinstance(outcome, Plan):
            targets = {p.effect.target for p in planned}
            planned.extend(
                Planned(one, 0, undo_of=attempt.id)
                for one in outcome.effects
                if one.target not in targets
            )
        elif isinstance(outcome, Refused):
            refusals.append(outcome.reason)
    return planned, refusals, ""
