"""One run, one step of it at a time: confirm the fault, do the steps, verify the healing.

`advance` does at most one outside thing and writes what came of it; killed at any point, the next call
finds its way from the journal alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from airwarden.core.errors import AirwardenError, UnavailableError
from airwarden.remediation import ends, records
from airwarden.remediation.actions.base import Nothing, Plan, Refused
from airwarden.remediation.calls import OverdueError
from airwarden.remediation.case import READ_DEADLINE, Case, Parts, open_case
from airwarden.remediation.checks.base import Verdict
from airwarden.remediation.crash import crash_at
from airwarden.remediation.decide.paging import Escalation
from airwarden.remediation.decide.progress import Phase, Progress
from airwarden.remediation.decide.states import AttemptState, IncidentState, Mode, RunState
from airwarden.remediation.effects import Effects, Planned, StoredPlan
from airwarden.remediation.journal import incidents, runs
from airwarden.remediation.journal.store import Tx
from airwarden.remediation.playbook import ActionStep, HumanStep, UndoStep, WaitStep

#: More effects than this in one undo step: something undoes the undoing.
MAX_UNDOS = 60

Outcome = Plan | Nothing | Refused


class Runner:
    """Advances runs."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._effects = Effects(parts)

    def advance(self, run_id: int) -> None:
        """Do the next thing of a run.

        Raises:
            FencedError: This process no longer leads, or somebody else changed the run.
            UnavailableError: The journal does not answer; nothing was begun.
        """
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            case = open_case(self._parts, tx, run_id)
        if case is None or case.run.state.terminal or case.run.next_at > case.now:
            return
        unsettled = [a for a in case.attempts if not a.state.settled]
        if unsettled:
            self._effects.settle(case, unsettled[0])
        elif case.incident.state not in (IncidentState.REMEDIATING, IncidentState.STABILIZING):
            self._write(lambda tx: ends.abort(tx, case, "its incident is in other hands"))
        elif case.progress.phase is Phase.VERIFY:
            self._verify(case)
        elif case.now > case.run.deadline:
            self._write(
                lambda tx: ends.escalate(
                    self._parts, tx, case, f"not done within {case.book.deadline}"
                )
            )
        elif not case.firing and not case.acted:
            self._to_verify(case, "its alerts ended before anything was done")
        elif case.progress.phase is Phase.CONFIRM:
            self._confirm(case)
        else:
            self._step(case)

    def _write(self, change: Callable[[Tx], object]) -> None:
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            change(tx)

    # --- confirming -----------------------------------------------------------------------------

    def _confirm(self, case: Case) -> None:
        use = case.book.confirm
        if use is None:
            with self._parts.journal.lead(self._parts.leadership.fence) as tx:
                case = case.save(tx, progress=replace(case.progress, phase=Phase.STEPS))
            self._step(case)
            return
        reading = self._parts.read_check(case.world, case.subject, use)
        progress = case.progress
        if reading.verdict is Verdict.UNKNOWN:
            self._unreadable(case, reading.sentence)
            return
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            if reading.verdict is Verdict.FALSE:
                progress = replace(
                    progress,
                    reads_true=0,
                    reads_false=progress.reads_false + 1,
                    unreadable_since=None,
                )
                if progress.reads_false >= use.times:
                    reason = f"the fault is not confirmed: {reading.sentence}"
                    self._skip(tx, replace(case, progress=progress), reason)
                    return
                case.save(tx, progress=progress, next_at=tx.now + use.every)
                return
            progress = replace(
                progress,
                reads_true=progress.reads_true + 1,
                reads_false=0,
                unreadable_since=None,
            )
            if progress.reads_true < use.times:
                case.save(tx, progress=progress, next_at=tx.now + use.every)
                return
            case.say(tx, "confirm", f"Confirmed {progress.reads_true} time(s): {reading.sentence}.")
            evidence = {**case.incident.evidence, **records.evidence_of(reading.evidence)}
            one = incidents.change(tx, case.incident, evidence=evidence)
            case = replace(case, incident=one)
            case = case.save(tx, progress=replace(progress, phase=Phase.STEPS), next_at=tx.now)
        self._step(case)

    def _unreadable(self, case: Case, what: str) -> None:
        """What cannot be read is neither sick nor healthy: wait a little, then call a human."""
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            since = case.progress.unreadable_since
            if since is None:
                self._parts.telemetry.blocked(case.run.cluster, "unreadable")
                case.say(tx, "guard", f"Nothing is done while this cannot be read: {what}.")
            since = since or tx.now
            if tx.now - since >= case.rails.unreadable_patience:
                ends.escalate(
                    self._parts,
                    tx,
                    case,
                    f"the live state cannot be read: {what}",
                    state=RunState.ABORTED,
                )
                return
            case.save(
                tx,
                progress=replace(case.progress, unreadable_since=since),
                next_at=tx.now + case.rails.recheck,
            )

    # --- steps ----------------------------------------------------------------------------------

    def _step(self, case: Case) -> None:
        if case.mode is Mode.OFF and not case.acted:
            self._write(
                lambda tx: ends.escalate(
                    self._parts,
                    tx,
                    case,
                    f"playbook {case.book.name} is switched off",
                    state=RunState.ABORTED,
                    escalation=Escalation.BY_DESIGN,
                )
            )
            return
        if case.mode is Mode.SHADOW and not case.acted:
            self._shadow(case)
            return
        if case.progress.step >= len(case.book.steps):
            self._to_verify(case, "")
            return
        step = case.book.steps[case.progress.step]
        match step:
            case ActionStep():
                self._action(case, step)
            case UndoStep():
                self._undo(case, step)
            case WaitStep():
                self._wait(case, step)
            case HumanStep():
                with self._parts.journal.lead(self._parts.leadership.fence) as tx:
                    case.say(tx, "step", f"For a person: {step.human}")
                    one = incidents.get(tx, case.incident.id)
                    asked = (*one.human_steps, step.human)
                    records.tell(tx, incidents.change(tx, one, human_steps=asked))
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
            undone=0,
        )
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
        if stored is None or not self._fresh(case):
            outcome = self._ask_action(case, step)
            if outcome is None:
                return
            fresh = self._store(case, step, stored, outcome)
            if fresh is None:
                return
            case, stored = fresh
            crash_at("after-plan")
        self._effects.attempt(case, stored, optional=step.optional)

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
            self._unreadable(case, str(error))
        except AirwardenError as error:
            return Refused(str(error) or type(error).__name__)
        except Exception as error:
            return Refused(f"planning failed: {type(error).__name__}: {error}")
        return None

    def _store(
        self, case: Case, step: ActionStep, stored: StoredPlan | None, outcome: Outcome
    ) -> tuple[Case, StoredPlan] | None:
        """Write what the action answered; returns the plan to go on with, if there is one."""
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            match outcome:
                case Nothing(reason=reason):
                    case.say(tx, "plan", f"{step.id}: nothing to do, {reason}.")
                    self._next_step(tx, case)
                    return None
                case Refused(reason=reason, cause=cause, evidence=evidence):
                    if step.optional:
                        case.say(tx, "plan", f"{step.id}: left out, {reason}.")
                        self._next_step(tx, case)
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
                case Plan(effects=effects):
                    planned = [Planned(effect, 0) for effect in effects]
                    if stored is not None and stored.begun:
                        # The rest of a plan that grew old: never more than was planned at first.
                        wanted = {p.effect.target for p in stored.left}
                        planned = [p for p in planned if p.effect.target in wanted]
                    if not planned:
                        self._next_step(tx, case)
                        return None
                    return self._keep(tx, case, step.id, planned, stored)

    def _keep(
        self,
        tx: Tx,
        case: Case,
        step_id: str,
        planned: list[Planned],
        stored: StoredPlan | None,
    ) -> tuple[Case, StoredPlan]:
        first = case.progress.seq
        numbered = tuple(replace(p, seq=first + i) for i, p in enumerate(planned))
        begun = stored.total - len(stored.left) if stored is not None else 0
        plan = StoredPlan(step_id, len(numbered) + begun, numbered)
        if plan.content_hash != case.run.plan_hash:
            summary = "; ".join(p.effect.summary for p in planned)
            case.say(tx, "plan", f"{step_id}: {summary}.", plan=plan.content_hash)
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
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
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
                ends.escalate(self._parts, tx, case, reason, evidence=reading.evidence)
                return
            case.save(
                tx,
                progress=replace(progress, step_since=since, holds_since=holds),
                next_at=tx.now + step.every,
            )

    # --- undoing --------------------------------------------------------------------------------

    def _undo(self, case: Case, step: UndoStep) -> None:
        stored = self._stored(case, step.id)
        if stored is not None and self._fresh(case):
            self._effects.attempt(case, stored)
            return
        if case.progress.undone >= MAX_UNDOS:
            self._write(
                lambda tx: ends.escalate(
                    self._parts, tx, case, f"{step.id}: still not undone after {MAX_UNDOS} effects"
                )
            )
            return
        planned, refusals, unread = self._plan_undo(case, step)
        if unread:
            self._unreadable(case, unread)
            return
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            if planned:
                case, stored = self._keep(tx, case, step.id, planned, None)
            elif refusals:
                self._undo_later(tx, case, step, refusals[0])
                return
            else:
                case.say(tx, "step", f"{step.id}: {step.undo} is taken back.")
                self._next_step(tx, case)
                return
        if stored is not None:
            crash_at("after-plan")
            self._effects.attempt(case, stored)

    def _plan_undo(self, case: Case, step: UndoStep) -> tuple[list[Planned], list[str], str]:
        """Ask each action for the way back from what was done, newest first."""
        planned: list[Planned] = []
        refusals: list[str] = []
        with self._parts.journal.read() as tx:
            # Of every run of this incident: an effect of an earlier attempt is ours to undo too.
            done = runs.attempts_of_incident(tx, case.incident.id)
        mine = [
            a
            for a in done
            if a.step_id == step.undo and a.state is AttemptState.CONFIRMED and a.undo_of is None
        ]
        for attempt in reversed(mine):
            action = self._parts.actions.get(attempt.action)
            if action is None:
                refusals.append(f"action {attempt.action} is no longer known")
                continue
            effect = attempt.effect
            try:
                outcome = self._parts.calls.run(
                    lambda action=action, effect=effect: action.undo(case.world, effect),  # type: ignore[misc]
                    deadline=READ_DEADLINE,
                )
            except (UnavailableError, OverdueError) as error:
                return [], [], str(error)
            except Exception as error:
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

    def _undo_later(self, tx: Tx, case: Case, step: UndoStep, reason: str) -> None:
        """An undo that is refused now (a worker still busy) is asked for again until the deadline."""
        if case.progress.blocked_by != reason:
            case.say(tx, "step", f"{step.id}: not yet, {reason}.")
        case.save(
            tx,
            progress=replace(case.progress, blocked_by=reason),
            next_at=tx.now + case.rails.recheck,
        )

    # --- shadow ---------------------------------------------------------------------------------

    def _shadow(self, case: Case) -> None:
        """Plan every action against the live state and record it; do nothing."""
        would_do: list[dict[str, Any]] = []
        said: list[str] = []
        for step in case.book.steps:
            if not isinstance(step, ActionStep):
                continue
            outcome = self._ask_action(case, step)
            if outcome is None:
                return
            match outcome:
                case Plan(effects=effects):
                    would_do.extend(runs.dump_effect(effect) for effect in effects)
                    said.extend(effect.summary for effect in effects)
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

    # --- verifying ------------------------------------------------------------------------------

    def _to_verify(self, case: Case, reason: str) -> None:
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            self._skip(tx, case, reason)

    def _skip(self, tx: Tx, case: Case, reason: str) -> None:
        if reason:
            case.say(tx, "run", f"Nothing (more) is done: {reason}. Verifying.")
        progress: Progress = replace(
            case.progress,
            phase=Phase.VERIFY,
            verify_since=tx.now,
            healthy_since=None,
            unreadable_since=None,
            skip_to_verify=reason,
        )
        case.save(tx, state=RunState.VERIFYING, progress=progress, next_at=tx.now)

    def _verify(self, case: Case) -> None:
        use = case.book.verify
        if use is None:
            self._verify_by_alerts(case)
            return
        reading = self._parts.read_check(case.world, case.subject, use)
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            progress = case.progress
            since = progress.verify_since or tx.now
            if reading.verdict is Verdict.TRUE:
                healthy = progress.healthy_since or tx.now
                if tx.now - healthy >= use.stable:
                    self._resolve(tx, case, reading.sentence)
                    return
                self._stabilize(tx, case, healthy, reading.sentence)
                return
            # Only a read that says so ends a healthy time; an unreadable moment proves nothing.
            healthy_since = progress.healthy_since if reading.verdict is Verdict.UNKNOWN else None
            if progress.healthy_since is not None and healthy_since is None:
                case.say(tx, "verify", f"Not healthy any more: {reading.sentence}.")
            if tx.now - since >= use.within + (use.stable if healthy_since else 0 * use.stable):
                ends.try_again(self._parts, tx, case, f"not healthy: {reading.sentence}")
                return
            case.save(
                tx,
                progress=replace(progress, verify_since=since, healthy_since=healthy_since),
                next_at=tx.now + case.rails.verify_every,
            )

    def _resolve(self, tx: Tx, case: Case, sentence: str) -> None:
        crash_at("before-resolve")
        if case.incident.state is IncidentState.REMEDIATING:
            moved = incidents.move(tx, case.incident, IncidentState.STABILIZING)
            case = replace(case, incident=moved)
        ends.resolve(self._parts, tx, case, sentence)

    def _stabilize(self, tx: Tx, case: Case, healthy: Any, sentence: str) -> None:
        if case.incident.state is IncidentState.REMEDIATING:
            records.move(
                tx, case.incident, IncidentState.STABILIZING, f"Healthy: {sentence}; watching it."
            )
        case.save(
            tx,
            progress=replace(case.progress, healthy_since=healthy, unreadable_since=None),
            next_at=tx.now + case.rails.verify_every,
        )

    def _verify_by_alerts(self, case: Case) -> None:
        """Without a live check only the alerts tell: gone for a while, or not within the limit."""
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            progress = case.progress
            since = progress.verify_since or tx.now
            quiet = None if case.firing else (progress.healthy_since or tx.now)
            if quiet is not None and tx.now - quiet >= case.rails.quiet_close:
                self._resolve(tx, case, "its alerts are gone")
                return
            if quiet is None and tx.now - since >= case.rails.guard_patience:
                ends.try_again(self._parts, tx, case, "its alerts still fire")
                return
            case.save(
                tx,
                progress=replace(progress, verify_since=since, healthy_since=quiet),
                next_at=tx.now + case.rails.verify_every,
            )
