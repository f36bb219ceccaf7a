"""What became of an effect: its answer, or, where that was lost, what the world says."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from airwarden.remediation import ends, records, rounds
from airwarden.remediation.actions.base import ReadBack
from airwarden.remediation.case import READ_DEADLINE, Case, Parts
from airwarden.remediation.crash import crash_at
from airwarden.remediation.decide.states import AttemptState, RunState
from airwarden.remediation.guarding import LEAD_NEEDED
from airwarden.remediation.journal import incidents, runs
from airwarden.remediation.journal.runs import Attempt
from airwarden.remediation.journal.store import Tx
from airwarden.remediation.plans import StoredPlan


class Results:
    """Settles attempts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def settle(self, case: Case, attempt: Attempt) -> None:
        """Find out what became of an attempt whose result this process did not see, or not in time."""
        if attempt.state is AttemptState.INTENT:
            with self._parts.journal.lead(self._parts.leadership.fence) as tx:
                runs.settle(tx, attempt, AttemptState.NOT_DONE, error="never sent")
                case.save(tx, state=RunState.PLANNED, next_at=tx.now)
            return
        if attempt.state is AttemptState.STARTED:
            with self._parts.journal.lead(self._parts.leadership.fence) as tx:
                attempt = runs.settle(tx, attempt, AttemptState.UNKNOWN, error="result not seen")
                case.say(
                    tx, "attempt", f"What became of “{attempt.summary}” is not known: read back."
                )
        crash_at("before-read-back")
        action = self._parts.actions.get(attempt.action)
        effect = attempt.effect
        if action is None:
            found, why = ReadBack.UNDECIDABLE, f"action {attempt.action} is no longer known"
        else:
            try:
                found = self._parts.calls.run(
                    lambda: action.read_back(case.world, effect), deadline=READ_DEADLINE
                )
                why = ""
            except Exception as error:  # not knowing is an answer of its own, whatever its cause
                self._read_back_later(case, attempt, error)
                return
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            self._read_back(tx, case, attempt, found, why)

    def result(
        self,
        tx: Tx,
        case: Case,
        attempt: Attempt,
        state: AttemptState,
        error: str,
        observed: dict[str, Any],
        *,
        optional: bool,
    ) -> None:
        """Write the answer of a call and what follows from it."""
        seen = json.dumps(observed, default=str)
        runs.settle(tx, attempt, state, error=error, observed_json=seen)
        self._count(case, attempt, state)
        if state is AttemptState.CONFIRMED:
            self._done(tx, case, attempt)
        elif state is AttemptState.UNKNOWN:
            case.say(
                tx, "attempt", f"No certain answer: {attempt.summary} ({error}). Reading back."
            )
            case.save(tx, next_at=tx.now + timedelta(seconds=1))
        elif error.startswith("conflict"):
            case.say(tx, "attempt", f"Nothing was done: {attempt.summary} ({error}).")
            conflicts = case.progress.conflicts + 1
            if conflicts >= case.rails.effect_attempts:
                ends.give_up(self._parts, tx, case, f"the target keeps changing: {error}")
                return
            case.save(
                tx,
                state=RunState.PLANNED,
                progress=replace(case.progress, conflicts=conflicts),
                plan_valid_until=None,
                next_at=tx.now,
            )
        else:
            case.say(tx, "attempt", f"Failed: {attempt.summary} ({error}).")
            if not optional:
                ends.give_up(self._parts, tx, case, f"{attempt.summary}: {error}")
                return
            self._done(tx, case, attempt, said=False)

    def _done(self, tx: Tx, case: Case, attempt: Attempt, *, said: bool = True) -> None:
        """Take an effect off the plan; the step goes on or, with nothing left, is over."""
        if said:
            case.say(tx, "attempt", f"Done: {attempt.summary}.", attempt=attempt.id)
        plan = StoredPlan.from_json(case.run.plan_json or '{"step":"","total":0,"left":[]}')
        left = tuple(p for p in plan.left if p.seq != attempt.step_seq)
        progress = replace(case.progress, blocked_since=None, blocked_by="")
        fields: dict[str, Any] = {"plan_json": replace(plan, left=left).to_json()}
        if not left:
            fields = {"plan_json": None, "plan_hash": None, "plan_valid_until": None}
            progress = replace(progress, asked=(), changed=(), agreed=())
            if attempt.undo_of is None:
                over = replace(
                    progress,
                    step=progress.step + 1,
                    step_since=None,
                    conflicts=0,
                    rounds=0,
                    round_seq=0,
                )
                progress = rounds.again(tx, case, progress, plan.step, plan.more) or over
        if attempt.undo_of is not None:
            progress = replace(progress, undone=progress.undone + 1)
        case.save(tx, state=RunState.PLANNED, progress=progress, next_at=tx.now, **fields)
        records.tell(tx, incidents.change(tx, incidents.get(tx, case.incident.id)))

    def _read_back_later(self, case: Case, attempt: Attempt, error: Exception) -> None:
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            since = attempt.started_at or attempt.created_at
            if tx.now - since >= case.rails.read_back_patience:
                why = f"it cannot be read back: {error or type(error).__name__}"
                self._read_back(tx, case, attempt, ReadBack.UNDECIDABLE, why)
                return
            case.save(tx, next_at=tx.now + case.rails.recheck)

    def _read_back(self, tx: Tx, case: Case, attempt: Attempt, found: ReadBack, why: str) -> None:
        begun = attempt.started_at or attempt.created_at
        settling = begun + timedelta(seconds=min(attempt.deadline, LEAD_NEEDED))
        late = self._parts.calls.running(("attempt", attempt.id))
        if found is ReadBack.NOT_DONE and (late or tx.now < settling):
            # What was sent may still arrive: only after its time is up does "not yet" mean "not".
            wait = max(settling, tx.now + timedelta(seconds=1))
            case.save(tx, next_at=wait)
            return
        state = {
            ReadBack.DONE: AttemptState.CONFIRMED,
            ReadBack.NOT_DONE: AttemptState.NOT_DONE,
            ReadBack.UNDECIDABLE: AttemptState.UNDECIDABLE,
        }[found]
        settled = runs.settle(tx, attempt, state, error=why or attempt.error)
        self._count(case, attempt, state)
        if state is AttemptState.CONFIRMED:
            case.say(tx, "attempt", f"Read back: {attempt.summary} has happened.")
            self._done(tx, case, settled)
        elif state is AttemptState.NOT_DONE:
            case.say(tx, "attempt", f"Read back: {attempt.summary} has not happened.")
            missed = [
                a
                for a in runs.attempts_of_run(tx, case.run.id)
                if a.target == attempt.target
                and a.state is AttemptState.NOT_DONE
                # One that was never sent says nothing about the target.
                and a.started_at is not None
            ]
            if len(missed) >= case.rails.effect_attempts:
                ends.give_up(
                    self._parts, tx, case, f"{attempt.summary} did not happen {len(missed)} times"
                )
                return
            case.save(tx, state=RunState.PLANNED, next_at=tx.now)
        else:
            ends.escalate(
                self._parts,
                tx,
                case,
                f"whether “{attempt.summary}” happened cannot be decided"
                + (f" ({why})" if why else ""),
                state=RunState.UNKNOWN,
            )

    def _count(self, case: Case, attempt: Attempt, state: AttemptState) -> None:
        if state is not AttemptState.UNKNOWN:
            self._parts.telemetry.action(case.run.cluster, attempt.action, state.value.lower())
