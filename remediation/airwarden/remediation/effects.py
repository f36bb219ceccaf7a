"""One effect at a time: guards, reservation and intent in one transaction, then the call, then its result.

The order is the safety: nothing is sent before an intent is durable; nothing whose result is unknown is
repeated before the world was read back; and the guards are judged in the transaction that writes the
intent, right before the call.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from airwarden.core.errors import AirwardenError, ConflictError, RejectedError
from airwarden.remediation import ends, records
from airwarden.remediation.actions.base import Action, Danger, Effect, ReadBack
from airwarden.remediation.calls import OverdueError
from airwarden.remediation.case import READ_DEADLINE, Case, Parts, effective
from airwarden.remediation.crash import crash_at
from airwarden.remediation.decide.guards import (
    AlertSight,
    GuardFacts,
    Patience,
    Refusal,
    judge,
)
from airwarden.remediation.decide.states import AttemptState, RunState
from airwarden.remediation.journal import alerts, incidents, rails, runs
from airwarden.remediation.journal.rails import EVERYWHERE, BudgetUse
from airwarden.remediation.journal.runs import Attempt
from airwarden.remediation.journal.store import FencedError, Tx
from airwarden.remediation.modes import kill_reasons

#: Seconds of sure leadership that must be left when an effect begins.
LEAD_NEEDED = 5.0
_HOUR, _DAY = 3600, 86400


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


class Effects:
    """Carries effects out, one per call."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def attempt(self, case: Case, plan: StoredPlan, *, optional: bool = False) -> None:
        """Do the plan's first effect if every guard lets it; or note why not."""
        planned = plan.left[0]
        action = self._parts.actions[planned.effect.action]
        sight, unreadable = self._sight(case)
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            facts = self._facts(tx, case, plan, action, sight, unreadable)
            refusal = judge(facts, case.rails)
            if refusal is not None:
                self._refused(tx, case, plan, refusal)
                return
            case, attempt = self._intend(tx, case, plan, action)
        crash_at("after-intent")
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            if self._kill(tx, case):
                # Stopped in the instant between: the intent was never sent.
                runs.settle(tx, attempt, AttemptState.NOT_DONE, error="stopped before it was sent")
                case.save(tx, state=RunState.PLANNED, next_at=tx.now)
                return
            attempt = runs.settle(tx, attempt, AttemptState.STARTED, started_at=tx.now)
            case = self._mark_started(tx, case)
        crash_at("after-start")
        if self._parts.leadership.remaining() <= 0:
            raise FencedError("leadership ran out right before an effect")
        self._apply(case, action, attempt, optional=optional)

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
            except Exception as error:
                self._read_back_later(case, attempt, error)
                return
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            self._read_back(tx, case, attempt, found, why)

    def _sight(self, case: Case) -> tuple[AlertSight, list[str]]:
        poller = self._parts.poller
        if poller is None:
            return AlertSight.NOT_ASKED, []
        with self._parts.journal.read() as tx:
            members = alerts.of_incident(tx, case.incident.id, firing=True)
        prints = frozenset(member.alert.fingerprint for member in members)
        try:
            return poller.sight(prints), []
        except Exception as error:
            return AlertSight.ACTIVE, [f"Alertmanager ({error or type(error).__name__})"]

    def _facts(
        self,
        tx: Tx,
        case: Case,
        plan: StoredPlan,
        action: Action,
        sight: AlertSight,
        unreadable: list[str],
    ) -> GuardFacts:
        planned, run = plan.left[0], case.run
        effect = planned.effect
        holder = rails.lock_holder(tx, effect.target)
        horizon = tx.now - case.rails.cool_down_cap - case.rails.cool_down_reset
        flying = runs.in_flight(tx, besides_run=run.id)
        spent = rails.exhausted(tx, self._budgets(case, planned, action))
        return GuardFacts(
            now=tx.now,
            effect=effect,
            danger=action.danger,
            undo=planned.undo_of is not None,
            acted=case.acted,
            kill=self._kill(tx, case),
            mode=effective(
                self._parts, rails.switches(tx), case.incident.playbook, case.run.cluster
            ),
            approved=self._approved(tx, case, plan),
            alerts=sight,
            plan_valid_until=run.plan_valid_until or tx.now,
            lock_holder=holder if holder != run.id else None,
            in_flight=[(cluster, danger) for cluster, _, danger in flying],
            cluster=run.cluster,
            exhausted=[f"{use.scope} ({use.limit})" for use in spent],
            uses=runs.uses(
                tx,
                playbook=case.incident.playbook,
                target=effect.target,
                since=horizon,
                but=(case.incident.id, run.episode),
            ),
            others_open=incidents.others_open(tx, case.incident),
            lead_left=self._parts.leadership.remaining(),
            lead_needed=min(action.deadline, LEAD_NEEDED) if LEAD_NEEDED else 0.0,
            unreadable=unreadable,
        )

    def _kill(self, tx: Tx, case: Case) -> tuple[str, ...]:
        file = self._parts.kill_switch_file
        reasons = kill_reasons(rails.switches(tx), case.run.cluster)
        if file is not None and file.exists():
            return (*reasons, f"the kill switch file {file} exists")
        return reasons

    def _approved(self, tx: Tx, case: Case, plan: StoredPlan) -> bool:
        if plan.begun:
            # The yes was for the whole plan, of which this is the rest.
            return True
        found = rails.approval_of(tx, case.run.id, plan.content_hash)
        return (
            found is not None
            and found.decision == "approved"
            and found.decided_at is not None
            and tx.now <= found.decided_at + case.rails.approved_within
        )

    def _budgets(self, case: Case, planned: Planned, action: Action) -> list[BudgetUse]:
        if planned.undo_of is not None:
            # The way back must stay open, or a hold of ours would outlast its reason.
            return []
        numbers, cluster = case.rails, case.run.cluster
        book, target = f"playbook/{case.incident.playbook}", f"target/{planned.effect.target}"
        if action.danger is Danger.A:
            return [
                BudgetUse(f"{book}/mild/hour", cluster, _HOUR, numbers.mild_playbook_per_hour),
                BudgetUse(f"{target}/mild/hour", cluster, _HOUR, numbers.mild_target_per_hour),
                BudgetUse("all/mild/hour", EVERYWHERE, _HOUR, numbers.mild_all_per_hour),
            ]
        return [
            BudgetUse(f"{book}/hour", cluster, _HOUR, numbers.playbook_per_hour),
            BudgetUse(f"{target}/hour", cluster, _HOUR, numbers.target_per_hour),
            BudgetUse(f"{target}/day", cluster, _DAY, numbers.target_per_day),
            BudgetUse("all/hour", EVERYWHERE, _HOUR, numbers.all_per_hour),
            BudgetUse("all/day", EVERYWHERE, _DAY, numbers.all_per_day),
        ]

    def _refused(self, tx: Tx, case: Case, plan: StoredPlan, refusal: Refusal) -> None:
        progress = case.progress
        if refusal.guard == "plan-age":
            case.save(tx, plan_valid_until=None, next_at=tx.now)
            return
        if refusal.guard == "approval":
            self._ask(tx, case, plan)
            return
        since = progress.blocked_since or tx.now
        if progress.blocked_by != refusal.guard:
            self._parts.telemetry.blocked(case.run.cluster, refusal.guard)
            case.say(
                tx,
                "guard",
                f"Not done: {plan.left[0].effect.summary}. Guard {refusal.guard}: {refusal.reason}.",
                guard=refusal.guard,
            )
            records.tell(tx, incidents.change(tx, incidents.get(tx, case.incident.id)))
        patience = (
            case.rails.unreadable_patience
            if refusal.guard == "unreadable"
            else case.rails.guard_patience
        )
        lasted = refusal.patience is Patience.WAIT and tx.now - since >= patience
        if refusal.patience is Patience.STOP or lasted:
            ends.escalate(
                self._parts,
                tx,
                case,
                f"guard {refusal.guard}: {refusal.reason}",
                state=RunState.ABORTED,
            )
            return
        case.save(
            tx,
            state=RunState.GATED,
            progress=replace(progress, blocked_since=since, blocked_by=refusal.guard),
            next_at=tx.now + case.rails.recheck,
        )

    def _ask(self, tx: Tx, case: Case, plan: StoredPlan) -> None:
        summary = "; ".join(planned.effect.summary for planned in plan.left)
        known = rails.approval_of(tx, case.run.id, plan.content_hash)
        asked = rails.ask(
            tx,
            cluster=case.run.cluster,
            run_id=case.run.id,
            plan_hash=plan.content_hash,
            summary=summary,
            ttl=case.rails.approval_ttl,
        )
        if asked.decision is None and asked.expires_at <= tx.now:
            rails.decide(tx, asked, decision="expired", by=records.ENGINE, reason="nobody answered")
            ends.escalate(self._parts, tx, case, "nobody approved in time", state=RunState.ABORTED)
            return
        if asked.decision is not None:
            said = f"the approval is {asked.decision}"
            if asked.decision == "approved":
                said = "the approved plan did not start in time"
            ends.escalate(self._parts, tx, case, said, state=RunState.ABORTED)
            return
        if known is None:
            case.say(tx, "approval", f"A person has to approve: {summary}.")
            records.tell(tx, incidents.change(tx, incidents.get(tx, case.incident.id)))
        case.save(tx, state=RunState.WAIT_APPROVAL, next_at=tx.now + case.rails.recheck)

    def _intend(self, tx: Tx, case: Case, plan: StoredPlan, action: Action) -> tuple[Case, Attempt]:
        planned = plan.left[0]
        effect = planned.effect
        until = case.run.deadline + case.book.deadline
        if not rails.lock(
            tx, target=effect.target, cluster=case.run.cluster, run_id=case.run.id, until=until
        ):
            raise FencedError(f"{effect.target} was locked in the same instant")
        spent = rails.reserve(tx, self._budgets(case, planned, action))
        if spent is not None:
            raise FencedError(f"budget {spent.scope} was used up in the same instant")
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
                case.progress, blocked_since=None, blocked_by="", unreadable_since=None
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

    def _apply(self, case: Case, action: Action, attempt: Attempt, *, optional: bool) -> None:
        effect = attempt.effect
        observed: dict[str, Any] = {}
        state, error = AttemptState.CONFIRMED, ""
        try:
            answer = self._parts.calls.run(
                lambda: action.apply(case.world, effect),
                deadline=action.deadline,
                key=("attempt", attempt.id),
            )
            observed = dict(answer)
        except ConflictError as conflict:
            state, error = AttemptState.FAILED, f"conflict: {conflict}"
        except RejectedError as rejected:
            state, error = AttemptState.FAILED, f"rejected: {rejected}"
        except (AirwardenError, OverdueError) as lost:
            state, error = AttemptState.UNKNOWN, str(lost)
        except Exception as bug:
            state, error = AttemptState.UNKNOWN, f"{type(bug).__name__}: {bug}"
        crash_at("after-effect")
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            self._result(tx, case, attempt, state, error, observed, optional=optional)
        crash_at("after-result")

    def _result(
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
            if conflicts > case.rails.effect_attempts:
                ends.escalate(self._parts, tx, case, f"the target keeps changing: {error}")
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
                ends.escalate(self._parts, tx, case, f"{attempt.summary}: {error}")
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
            if attempt.undo_of is None:
                progress = replace(progress, step=progress.step + 1, step_since=None, conflicts=0)
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
                if a.target == attempt.target and a.state is AttemptState.NOT_DONE
            ]
            if len(missed) >= case.rails.effect_attempts:
                ends.escalate(
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
