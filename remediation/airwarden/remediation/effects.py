"""One effect at a time: guards, reservation and intent in one transaction, then the call, then its result.

The order is the safety: nothing is sent before an intent is durable; nothing whose result is unknown is
repeated before the world was read back; and the guards are judged in the transaction that writes the
intent, right before the call.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from airwarden.core.errors import AirwardenError, ConflictError, RejectedError
from airwarden.remediation import playbook_breakers
from airwarden.remediation.actions.base import Action
from airwarden.remediation.case import Case, Parts
from airwarden.remediation.crash import crash_at
from airwarden.remediation.decide.guards import judge
from airwarden.remediation.decide.states import AttemptState, RunState
from airwarden.remediation.guarding import Guarding
from airwarden.remediation.journal import rails, runs
from airwarden.remediation.journal.runs import Attempt
from airwarden.remediation.journal.store import FencedError, Tx
from airwarden.remediation.leash import leashed
from airwarden.remediation.plans import StoredPlan
from airwarden.remediation.results import Results


class Effects:
    """Carries effects out, one per call."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._guarding = Guarding(parts)
        self._results = Results(parts)

    def attempt(self, case: Case, plan: StoredPlan, *, optional: bool = False) -> None:
        """Do the plan's first effect if every guard lets it; or note why not."""
        planned = plan.left[0]
        action = self._parts.actions[planned.effect.action]
        sight, seen = self._guarding.sight(case, plan, action)
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            facts = self._guarding.facts(tx, case, plan, action, sight, seen)
            refusal = judge(facts, case.rails)
            if refusal is not None:
                self._guarding.refused(tx, case, plan, refusal)
                return
            agreed = tuple(part.key for part in plan.parts) if facts.approved else ()
            case, attempt = self._intend(tx, case, plan, action, agreed)
        crash_at("after-intent")
        fence = self._parts.leadership.fence
        permit = self._parts.leadership.permit(fence, action.deadline)
        with self._parts.journal.lead(fence) as tx:
            if self._guarding.kill(tx, case):
                # Stopped in the instant between: the intent was never sent.
                runs.settle(tx, attempt, AttemptState.NOT_DONE, error="stopped before it was sent")
                case.save(tx, state=RunState.PLANNED, next_at=tx.now)
                return
            attempt = runs.settle(tx, attempt, AttemptState.STARTED, started_at=tx.now)
            case = self._mark_started(tx, case)
        crash_at("after-start")
        self._apply(case, action, attempt, permit, optional=optional)

    def _intend(
        self, tx: Tx, case: Case, plan: StoredPlan, action: Action, agreed: tuple[str, ...]
    ) -> tuple[Case, Attempt]:
        planned = plan.left[0]
        effect = planned.effect
        until = case.run.deadline + case.book.deadline
        if not rails.lock(
            tx, target=effect.target, cluster=case.run.cluster, run_id=case.run.id, until=until
        ):
            raise FencedError(f"{effect.target} was locked in the same instant")
        spent = rails.reserve(tx, self._guarding.budgets(case, plan.step, planned, action))
        if spent is not None:
            raise FencedError(f"budget {spent.scope} was used up in the same instant")
        if planned.undo_of is None and not case.acted:
            playbook_breakers.probe(tx, case)
        before = [a for a in case.attempts if a.step_seq == planned.seq]
        number = len(before) + 1
        key = f"{case.run.id}/{planned.seq}/{number}/{effect.target}/{plan.content_hash}"
        attempt = runs.intend(
            tx,
            cluster=case.run.cluster,
            run_id=case.run.id,
            step_seq=planned.seq,
            step_id=plan.step,
            attempt_no=number,
            idem_key=hashlib.sha256(key.encode()).hexdigest(),
            target=effect.target,
            action=effect.action,
            danger=action.danger,
            undo_of=planned.undo_of,
            summary=effect.summary,
            before_json=json.dumps(dict(effect.before), default=str),
            request_json=json.dumps(runs.dump_effect(effect), default=str),
            deadline=action.deadline,
        )
        case = case.save(
            tx,
            state=RunState.RESERVED,
            progress=replace(
                case.progress,
                blocked_since=None,
                blocked_by="",
                unreadable_since=None,
                agreed=agreed,
            ),
        )
        case.say(tx, "attempt", f"Intent: {effect.summary}.", attempt=attempt.id)
        return case, attempt

    def _mark_started(self, tx: Tx, case: Case) -> Case:
        first = case.run.first_effect_at is None
        case = case.save(
            tx, state=RunState.EXECUTING, first_effect_at=case.run.first_effect_at or tx.now
        )
        if first:
            waited = (tx.now - case.incident.started_at).total_seconds()
            self._parts.telemetry.acted(case.run.cluster, case.incident.playbook, waited)
        return case

    def _apply(
        self,
        case: Case,
        action: Action,
        attempt: Attempt,
        permit: Callable[[], None],
        *,
        optional: bool,
    ) -> None:
        permit()
        effect, world = attempt.effect, leashed(case.world, permit)
        observed: dict[str, Any] = {}
        state, error = AttemptState.CONFIRMED, ""
        try:
            answer = self._parts.calls.run(
                lambda: action.apply(world, effect),
                deadline=action.deadline,
                key=("attempt", attempt.id),
            )
            observed = dict(answer)
        except ConflictError as conflict:
            state, error = AttemptState.FAILED, f"conflict: {conflict}"
        except RejectedError as rejected:
            state, error = AttemptState.FAILED, f"rejected: {rejected}"
        except AirwardenError as lost:
            state, error = AttemptState.UNKNOWN, str(lost)
        except Exception as bug:  # a bug may have struck after the effect: the world has to say
            state, error = AttemptState.UNKNOWN, f"{type(bug).__name__}: {bug}"
        crash_at("after-effect")
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            self._results.result(tx, case, attempt, state, error, observed, optional=optional)
        crash_at("after-result")
