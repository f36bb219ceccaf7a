"""A step with many targets, wave by wave: after each wave it is read back whether the effects stuck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from airwarden.core.errors import AirwardenError
from airwarden.remediation.actions.base import Action, ReadBack
from airwarden.remediation.case import READ_DEADLINE, Case, Parts
from airwarden.remediation.confirming import unreadable
from airwarden.remediation.decide import ramp
from airwarden.remediation.decide.ramp import Tally
from airwarden.remediation.decide.states import AttemptState
from airwarden.remediation.journal.runs import Attempt
from airwarden.remediation.plans import StoredPlan
from airwarden.remediation.world import World


class Ramping:
    """Stands between two waves of a step."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def next_wave(self, case: Case, plan: StoredPlan) -> Case | str | None:
        """Return the case to go on with, why the step stops, or None: not yet."""
        progress = case.progress
        ours = progress.wave_step == progress.step
        verified = progress.wave_verified if ours else 0
        done = plan.total - len(plan.left)
        end = ramp.wave_to_verify(done, plan.total, verified, case.rails)
        if end is None:
            return case
        if not ours or progress.wave_since is None:
            self._rest(case, plan, verified, done)
            return None
        dealt = _last_tries(case.attempts, plan.step, since=progress.round_seq)
        try:
            gone = self._come_undone(case, dealt[verified:])
        except AirwardenError as error:
            unreadable(self._parts, case, f"whether the wave stuck: {error}")
            return None
        failed = [one for one in dealt if one.state is not AttemptState.CONFIRMED]
        reason = ramp.stop_reason(Tally(done, len(failed) + len(gone)), end, case.rails)
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            if reason:
                what = "; ".join(one.summary for one in [*failed, *gone][:3])
                return f"{plan.step} stops after {done} of {plan.total} targets: {reason} ({what})"
            case.say(tx, "step", f"{plan.step}: {done} of {plan.total} done, and they stuck.")
            return case.save(
                tx,
                progress=replace(
                    progress, wave_verified=end, wave_since=None, unreadable_since=None
                ),
                next_at=tx.now,
            )

    def _rest(self, case: Case, plan: StoredPlan, verified: int, done: int) -> None:
        """Let a wave settle before it is looked at."""
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            if not verified:
                case.say(
                    tx,
                    "step",
                    f"{plan.step}: {done} of {plan.total} first, to see whether it sticks.",
                )
            case.save(
                tx,
                progress=replace(
                    case.progress,
                    wave_step=case.progress.step,
                    wave_verified=verified,
                    wave_since=tx.now,
                ),
                next_at=tx.now + case.rails.ramp_pause,
            )

    def _come_undone(self, case: Case, wave: Sequence[Attempt]) -> list[Attempt]:
        """Return those confirmed effects of a wave that do not read as done any more."""
        world, actions = case.world, self._parts.actions
        confirmed = [one for one in wave if one.state is AttemptState.CONFIRMED]
        return self._parts.calls.run(
            lambda: [one for one in confirmed if not _sticks(world, actions[one.action], one)],
            deadline=READ_DEADLINE,
        )


def _sticks(world: World, action: Action, one: Attempt) -> bool:
    return action.read_back(world, one.effect) is ReadBack.DONE


def _last_tries(attempts: Sequence[Attempt], step_id: str, *, since: int) -> list[Attempt]:
    """Return the last attempt on each target of a step's plan, in the order in which they were begun."""
    last: dict[int, Attempt] = {}
    for one in attempts:
        if one.step_id == step_id and one.undo_of is None and one.step_seq >= since:
            last[one.step_seq] = one
    return list(last.values())
