"""The steps of a playbook: acting, waiting, taking back, and what is left to a person."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from airwarden.core.errors import AirwardenError, UnavailableError
from airwarden.remediation import ends, records, rounds
from airwarden.remediation.actions.base import Nothing, Plan, Refused
from airwarden.remediation.calls import OverdueError
from airwarden.remediation.case import READ_DEADLINE, Case, Parts
from airwarden.remediation.checks.base import Verdict
from airwarden.remediation.confirming import unreadable
from airwarden.remediation.crash import crash_at
from airwarden.remediation.decide.paging import Escalation
from airwarden.remediation.decide.progress import Progress
from airwarden.remediation.decide.states import Mode, RunState
from airwarden.remediation.effects import Effects
from airwarden.remediation.journal import incidents, runs
from airwarden.remediation.journal.store import Tx
from airwarden.remediation.plans import Planned, StoredPlan
from airwarden.remediation.playbook import ActionStep, HumanStep, UndoStep, WaitStep
from airwarden.remediation.ramping import Ramping
from airwarden.remediation.timed import waits_until
from airwarden.remediation.undoing import done_by, most_undos, plan_undo
from airwarden.remediation.verifying import Verifying

Outcome = Plan | Nothing | Refused


#: Effects of a plan that its line in the story names.
_NAMED = 10


def _in_short(planned: list[Planned]) -> str:
    named = "; ".join(one.effect.summary for one in planned[:_NAMED])
    more = len(planned) - _NAMED
    return f"{named}; and {more} more" if more > 0 else named


def _with_evidence(
    tx: Tx, case: Case, stored: StoredPlan | None, evidence: Mapping[str, Any]
) -> Case:
    """Keep what an action read for its plan: why these and not the others.

    What it reads once some of it is done no longer tells what there was.
    """
    if case.progress.rounds or (stored is not None and stored.begun):
        return case
    known = {**case.incident.evidence, **records.evidence_of(evidence)}
    if known == case.incident.evidence:
        return case
    one = incidents.change(tx, case.incident, evidence=known)
    return replace(case, incident=one)


class Steps:
    """The middle phase of a run."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._effects = Effects(parts)
        self._verifying = Verifying(parts)
        self._ramping = Ramping(parts)

    def advance(self, case: Case) -> None:
        """Do the next thing of the current step, or go on to verifying after the last one."""
        if case.progress.restoring:
            self._restore(case)
            return
        if case.mode is Mode.OFF and not case.acted:
            with self._parts.journal.lead(self._parts.leadership.fence) as tx:
                ends.escalate(
                    self._parts,
                    tx,
                    case,
                    f"playbook {case.book.name} is switched off",
                    state=RunState.ABORTED,
                    escalation=Escalation.BY_DESIGN,
                )
            return
        if case.mode is Mode.SHADOW and not case.acted:
            self._shadow(case)
            return
        if case.progress.step >= len(case.steps):
            self._verifying.begin(case, "")
            return
        step = case.steps[case.progress.step]
        match step:
            case ActionStep():
                self._action(case, step)
            case UndoStep():
                self._undo(case, step)
            case WaitStep():
                self._wait(case, step)
            case HumanStep():
                self._ask_person(case, step)

    def _ask_person(self, case: Case, step: HumanStep) -> None:
        """Page for what only a person can do; healing does not wait for it, nor end the page."""
        moot = bool(step.about) and not done_by(self._parts, case, step.about)
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            if moot:
                case.say(tx, "step", f"Step {step.id}: nobody is asked, since nothing was done.")
                self._next_step(tx, case)
                return
            case.say(tx, "step", f"A person is asked, by page: {step.human}")
            one = incidents.get(tx, case.incident.id)
            asked = (*one.human_steps, step.human)
            one = incidents.change(
                tx, one, human_steps=asked, paged_at=one.paged_at or tx.now, page_at=None
            )
            records.tell(tx, one)
            records.page(tx, one, "trigger", about=step.id)
            self._next_step(tx, case)

    def _restore(self, case: Case) -> None:
        """Do the undo steps only."""
        rest = case.steps[case.progress.step :]
        if not rest:
            self._verifying.begin(case, "")
        elif isinstance(rest[0], UndoStep):
            self._undo(case, rest[0])
        else:
            with self._parts.journal.lead(self._parts.leadership.fence) as tx:
                self._next_step(tx, case)

    def _next_step(self, tx: Tx, case: Case, **fields: Any) -> None:
        progress = replace(
            case.progress,
            step=case.progress.step + 1,
            step_since=None,
            holds_since=None,
            blocked_since=None,
            blocked_by="",
            unreadable_since=None,
            conflicts=0,
            rounds=0,
            round_seq=0,
            undone=0,
            asked=(),
            changed=(),
            agreed=(),
        )
        self._leave_plan(tx, case, progress, **fields)

    def _onward(self, tx: Tx, case: Case, step: ActionStep, more: str) -> None:
        """Plan the step anew where there is more to do, else go on to the next one."""
        progress = rounds.again(tx, case, case.progress, step.id, more)
        if progress is None:
            self._next_step(tx, case)
        else:
            self._leave_plan(tx, case, progress)

    def _leave_plan(self, tx: Tx, case: Case, progress: Progress, **fields: Any) -> None:
        empty = {"plan_json": None, "plan_hash": None, "plan_valid_until": None}
        state = case.run.state if case.run.state is not RunState.GATED else RunState.PLANNED
        case.save(tx, state=state, progress=progress, next_at=tx.now, **empty, **fields)

    def _stored(self, case: Case, step_id: str) -> StoredPlan | None:
        if case.run.plan_json is None:
            return None
        plan = StoredPlan.from_json(case.run.plan_json)
        return plan if plan.step == step_id and plan.left else None

    def _fresh(self, case: Case) -> bool:
        until = case.run.plan_valid_until
        return until is not None and case.now <= until

    def _action(self, case: Case, step: ActionStep) -> None:
        stored = self._stored(case, step.id)
        if stored is not None:
            waved = self._ramping.next_wave(case, stored)
            if not isinstance(waved, Case):
                if waved is not None:
                    self._stop_ramp(case, step, waved)
                return
            case = waved
        if stored is None or not self._fresh(case):
            outcome = self._ask_action(case, step)
            if outcome is None:
                return
            fresh = self._store(case, step, stored, outcome)
            if fresh is None:
                return
            case, stored = fresh
            crash_at("after-plan")
        moment = waits_until(stored.left[0].effect, case.now)
        if moment is not None:
            self._later(case, step, moment)
            return
        self._effects.attempt(case, stored, optional=step.optional)

    def _later(self, case: Case, step: ActionStep, moment: datetime) -> None:
        """Leave an effect that waits for its moment until then; its plan is made anew meanwhile."""
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            if case.progress.step_since is None:
                case.say(tx, "step", f"{step.id}: the next is due at {moment:%H:%M:%S} UTC.")
            progress = replace(case.progress, step_since=case.progress.step_since or tx.now)
            case.save(tx, progress=progress, next_at=min(moment, tx.now + case.rails.plan_ttl))

    def _stop_ramp(self, case: Case, step: ActionStep, reason: str) -> None:
        """Leave the rest of a step alone: what went wrong with the first would with the others."""
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            if step.optional:
                case.say(tx, "step", f"The rest is left: {reason}.")
                self._next_step(tx, case)
            else:
                ends.escalate(self._parts, tx, case, reason)

    def _ask_action(self, case: Case, step: ActionStep) -> Outcome | None:
        """Let the action plan; None where that could not be done and is taken care of."""
        action = self._parts.actions.get(step.action)
        if action is None:
            return Refused(f"there is no action named {step.action!r}")
        missing = sorted(need for need in action.needs if not case.world.has(need))
        if missing:
            return Refused(f"{step.action} needs {', '.join(missing)}: not configured")
        return self._planning(case, lambda: action.plan(case.world, case.subject, step.parameters))

    def _planning(self, case: Case, plan: Callable[[], Outcome]) -> Outcome | None:
        try:
            return self._parts.calls.run(plan, deadline=READ_DEADLINE)
        except (UnavailableError, OverdueError) as error:
            unreadable(self._parts, case, str(error))
        except AirwardenError as error:
            return Refused(str(error) or type(error).__name__)
        except (
            Exception
        ) as error:  # an action's own mistake plans nothing, and a person hears of it
            return Refused(f"planning failed: {type(error).__name__}: {error}")
        return None

    def _store(
        self, case: Case, step: ActionStep, stored: StoredPlan | None, outcome: Outcome
    ) -> tuple[Case, StoredPlan] | None:
        """Write what the action answered; returns the plan to go on with, if there is one."""
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            match outcome:
                case Nothing(reason=reason, evidence=evidence, more=more):
                    case.say(tx, "plan", f"{step.id}: nothing to do, {reason}.")
                    case = _with_evidence(tx, case, stored, evidence)
                    self._onward(tx, case, step, more)
                    return None
                case Refused(reason=reason, cause=cause, evidence=evidence):
                    if step.optional:
                        case.say(tx, "plan", f"{step.id}: left out, {reason}.")
                        self._next_step(tx, case)
                        return None
                    if self._refused_lately(tx, case, step, reason):
                        return None
                    ends.escalate(
                        self._parts,
                        tx,
                        case,
                        f"{step.action} refuses: {reason}",
                        cause=cause,
                        evidence=evidence,
                        state=RunState.ABORTED,
                    )
                    return None
                case Plan(effects=effects, evidence=evidence, more=more):
                    planned = [Planned(effect, 0) for effect in effects]
                    case = _with_evidence(tx, case, stored, evidence)
                    if stored is not None and stored.begun:
                        # The rest of a plan that grew old: never more than was planned at first.
                        wanted = {p.effect.target for p in stored.left}
                        planned = [p for p in planned if p.effect.target in wanted]
                        if len(planned) < len(effects):
                            more = more or stored.more
                    if not planned:
                        self._onward(tx, case, step, more)
                        return None
                    return self._keep(tx, case, step.id, planned, stored, more)

    def _refused_lately(self, tx: Tx, case: Case, step: ActionStep, reason: str) -> bool:
        """Ask again for a while: what must not be done now may have healed by then, or be clear."""
        same = case.progress.blocked_by == step.id
        since = (case.progress.blocked_since if same else None) or tx.now
        if tx.now - since >= case.rails.refusal_patience:
            return False
        if case.progress.blocked_by != step.id:
            case.say(tx, "plan", f"{step.id}: not now, {step.action} refuses: {reason}.")
        case.save(
            tx,
            progress=replace(
                case.progress, blocked_since=since, blocked_by=step.id, unreadable_since=None
            ),
            next_at=tx.now + case.rails.recheck,
        )
        return True

    def _keep(
        self,
        tx: Tx,
        case: Case,
        step_id: str,
        planned: list[Planned],
        stored: StoredPlan | None,
        more: str = "",
    ) -> tuple[Case, StoredPlan]:
        first = case.progress.seq
        numbered = tuple(replace(p, seq=first + i) for i, p in enumerate(planned))
        begun = stored.total - len(stored.left) if stored is not None else 0
        plan = StoredPlan(step_id, len(numbered) + begun, numbered, tx.now, more)
        if plan.content_hash != case.run.plan_hash:
            case.say(tx, "plan", f"{step_id}: {_in_short(planned)}.", plan=plan.content_hash)
        case = case.save(
            tx,
            progress=replace(case.progress, seq=first + len(numbered), unreadable_since=None),
            plan_json=plan.to_json(),
            plan_hash=plan.content_hash,
            plan_valid_until=tx.now + case.rails.plan_ttl,
            next_at=tx.now,
        )
        return case, plan

    def _wait(self, case: Case, step: WaitStep) -> None:
        reading = self._parts.read_check(case.world, case.subject, step.wait)
        back = reading.verdict is not Verdict.TRUE and self._is_back(case)
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            if back:
                case.say(tx, "step", f"{step.id}: the fault is back, {reading.sentence}.")
                self._verifying.confirm_again(tx, case)
                return
            progress = case.progress
            since = progress.step_since or tx.now
            holds = (progress.holds_since or tx.now) if reading.verdict is Verdict.TRUE else None
            if progress.step_since is None:
                case.say(tx, "step", f"{step.id}: waiting; now: {reading.sentence}.")
            if holds is not None and tx.now - holds >= step.stable:
                case.say(tx, "step", f"{step.id}: {reading.sentence}.")
                self._next_step(tx, case)
                return
            if tx.now - since >= step.within:
                reason = f"{step.id}: not within {step.within}: {reading.sentence}"
                ends.give_up(self._parts, tx, case, reason, evidence=reading.evidence)
                return
            case.save(
                tx,
                progress=replace(progress, step_since=since, holds_since=holds),
                next_at=tx.now + step.every,
            )

    def _is_back(self, case: Case) -> bool:
        """Return whether a fault that was over is there again, and nothing was done yet."""
        use = case.book.confirm
        if not case.progress.aftermath or case.acted or use is None:
            return False
        return self._parts.read_check(case.world, case.subject, use).verdict is Verdict.TRUE

    def _undo(self, case: Case, step: UndoStep) -> None:
        stored = self._stored(case, step.id)
        if stored is not None and self._fresh(case):
            self._effects.attempt(case, stored)
            return
        if case.progress.undone >= most_undos(self._parts, case, step):
            reason = f"{step.id}: still not undone after {case.progress.undone} effects"
            with self._parts.journal.lead(self._parts.leadership.fence) as tx:
                ends.escalate(self._parts, tx, case, reason)
            return
        planned, refusals, unread = plan_undo(self._parts, case, step)
        if unread:
            unreadable(self._parts, case, unread)
            return
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            if planned:
                case, stored = self._keep(tx, case, step.id, planned, None)
            elif refusals:
                self._undo_later(tx, case, step, refusals[0])
                return
            else:
                case.say(tx, "step", f"{step.id}: what {step.undo} did is taken back.")
                self._next_step(tx, case)
                return
        if stored is not None:
            crash_at("after-plan")
            self._effects.attempt(case, stored)

    def _undo_later(self, tx: Tx, case: Case, step: UndoStep, reason: str) -> None:
        """An undo that is refused now (a worker still busy) is asked for again until the deadline."""
        if case.progress.blocked_by != reason:
            case.say(tx, "step", f"{step.id}: not yet, {reason}.")
        case.save(
            tx,
            progress=replace(case.progress, blocked_by=reason, unreadable_since=None),
            next_at=tx.now + case.rails.recheck,
        )

    def _shadow(self, case: Case) -> None:
        """Plan every action against the live state and record it; do nothing."""
        would_do: list[dict[str, Any]] = []
        said: list[str] = []
        for step in case.steps:
            if not isinstance(step, ActionStep):
                continue
            outcome = self._ask_action(case, step)
            if outcome is None:
                return
            match outcome:
                case Plan(effects=effects, more=more):
                    would_do.extend(runs.dump_effect(effect) for effect in effects)
                    said.extend(effect.summary for effect in effects)
                    said.extend([f"then more: {more}"] if more else [])
                case Refused(reason=reason) if not step.optional:
                    said.append(f"{step.action} would refuse: {reason}")
                    break
                case Refused() | Nothing():
                    pass
        summary = "; ".join(said) or "nothing"
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            sentence = f"in shadow mode nothing is done; it would have done: {summary}"
            ends.finish_shadow(
                self._parts, tx, case, json.loads(json.dumps(would_do, default=str)), sentence
            )
