"""Gathering what the guards judge, and what follows from a refusal."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime

from airwarden.remediation import ends, playbook_breakers, records, storms
from airwarden.remediation.actions.base import Action, Danger
from airwarden.remediation.case import Case, Parts, mode_of
from airwarden.remediation.decide import calendar
from airwarden.remediation.decide.approvals import covers, difference, part_of
from airwarden.remediation.decide.calendar import OpenWindows
from airwarden.remediation.decide.flapping import flapping
from airwarden.remediation.decide.guards import AlertSight, GuardFacts, Patience, Refusal
from airwarden.remediation.decide.states import AttemptState, RunState
from airwarden.remediation.decide.unrest import Unrest
from airwarden.remediation.holding import counted_from, held_until, held_words
from airwarden.remediation.journal import alerts, incidents, rails, runs, unrest, windows
from airwarden.remediation.journal.rails import EVERYWHERE, BudgetUse
from airwarden.remediation.journal.store import Tx
from airwarden.remediation.modes import kill_reasons
from airwarden.remediation.plans import Planned, StoredPlan
from airwarden.remediation.poll import sight_of
from airwarden.remediation.surroundings import Seen, Surroundings
from airwarden.remediation.switches import file_says

#: Seconds of sure leadership that must be left when an effect begins.
LEAD_NEEDED = 5.0
_HOUR, _DAY = 3600, 86400


class Guarding:
    """The guards' eyes and hands."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._surroundings = Surroundings(parts)

    def sight(self, case: Case, plan: StoredPlan, action: Action) -> tuple[AlertSight, Seen]:
        """Return what Alertmanager says of the alerts now, and what was read around the target."""
        seen = self._surroundings.look(case, plan, action)
        poller = self._parts.poller
        if poller is None:
            return AlertSight.NOT_ASKED, seen
        with self._parts.journal.read() as tx:
            prints = alerts.firing_prints(tx, case.incident.id)
        try:
            shown = poller.active()
        except Exception as error:  # whatever it was, the alerts were not seen: the guard says no
            unread = f"Alertmanager ({error or type(error).__name__})"
            return AlertSight.ACTIVE, replace(seen, unreadable=(*seen.unreadable, unread))
        sight = sight_of(shown, prints)
        # A person's order has no alert that could be silenced or gone; what a fault left outlasts its alerts.
        if case.progress.by or (case.progress.aftermath and sight is AlertSight.GONE):
            sight = AlertSight.NOT_ASKED
        return sight, replace(seen, alerts=shown)

    def facts(
        self,
        tx: Tx,
        case: Case,
        plan: StoredPlan,
        action: Action,
        sight: AlertSight,
        seen: Seen,
    ) -> GuardFacts:
        """Gather what the guards look at, in the transaction that may write the intent."""
        planned, run = plan.left[0], case.run
        effect = planned.effect
        around, unknown = self._surroundings.around(tx, case, plan, action, seen)
        holder = rails.lock_holder(tx, effect.target)
        horizon = tx.now - case.rails.cool_down_cap - case.rails.cool_down_reset
        flying = runs.in_flight(tx, besides_run=run.id)
        spent = rails.exhausted(tx, self.budgets(case, plan.step, planned, action))
        return GuardFacts(
            now=tx.now,
            effect=effect,
            danger=action.danger,
            undo=planned.undo_of is not None,
            acted=case.acted,
            kill=self.kill(tx, case),
            mode=mode_of(
                self._parts, rails.switches(tx), run, case.incident.playbook, case.progress.by
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
            lead_needed=min(action.deadline, LEAD_NEEDED),
            windows=self._windows(tx, case),
            unreadable=(*seen.unreadable, *unknown),
            around=around,
            rest=playbook_breakers.seen(tx, case),
            unrest=self._unrest(tx, case),
        )

    def _unrest(self, tx: Tx, case: Case) -> Unrest:
        storm = storms.over(tx, self._parts.playbooks(), case.incident)
        held = held_until(case.incident, tx.now) is not None
        counted = counted_from(case.incident)
        flaps = (
            held_words(case.incident.evidence)
            if held
            else flapping(
                unrest.histories_of(tx, case.incident.id, case.rails, counted), tx.now, case.rails
            )
        )
        return Unrest(
            storm=f"a storm, incident {storm.id}: {storm.reason}" if storm else "",
            flapping=flaps,
        )

    def kill(self, tx: Tx, case: Case) -> tuple[str, ...]:
        """Return why everything is stopped; empty when nothing is."""
        reasons = kill_reasons(rails.switches(tx), case.run.cluster, case.incident.playbook)
        said = file_says(self._parts.kill_switch_file)
        return (*reasons, said) if said else reasons

    def _windows(self, tx: Tx, case: Case) -> OpenWindows:
        known = [*self._parts.windows(), *windows.standing(tx)]
        found = calendar.open_now(known, tx.now)
        return OpenWindows.of(found, case.run.cluster, case.incident.playbook)

    def _approved(self, tx: Tx, case: Case, plan: StoredPlan) -> bool:
        progress = case.progress
        if covers(progress.agreed, plan.parts) or covers(progress.ordered, plan.parts):
            # The yes was for the whole plan, of which this is the rest, unchanged.
            return True
        found = rails.approval_of(tx, case.run.id, plan.content_hash)
        return (
            found is not None
            and found.decision == "approved"
            and found.decided_at is not None
            and tx.now <= found.decided_at + case.rails.approved_within
            and made_since(plan, found.decided_at)
        )

    def budgets(
        self, case: Case, step_id: str, planned: Planned, action: Action
    ) -> list[BudgetUse]:
        """Return the budgets that an effect draws on.

        A step is one use of the playbook's and the common budgets, however many targets it has, and
        one of each target's; a repetition of the same effect is a use of its own.
        """
        if planned.undo_of is not None:
            # The way back must stay open, or a hold of ours would outlast its reason.
            return []
        rest = [a for a in case.attempts if a.step_id == step_id and a.step_seq != planned.seq]
        again = any(a.step_seq == planned.seq for a in case.attempts)
        drawn = {a.target for a in rest} if not again else set()
        uses = self._uses(case, planned, action)
        target = f"target/{planned.effect.target}/"
        return [
            use
            for use in uses
            if not (planned.effect.target in drawn if use.scope.startswith(target) else bool(drawn))
        ]

    def _uses(self, case: Case, planned: Planned, action: Action) -> list[BudgetUse]:
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

    def refused(self, tx: Tx, case: Case, plan: StoredPlan, refusal: Refusal) -> None:
        """Wait, ask a person, or call one, as the refusal says."""
        progress = case.progress
        if refusal.guard == "plan-age":
            case.save(tx, plan_valid_until=None, next_at=tx.now)
            return
        if refusal.guard == "approval":
            self._ask(tx, case, plan, refusal.reason)
            return
        fresh = {"plan_valid_until": None} if refusal.guard == "generation" else {}
        # Each guard has its own patience: an hour's silence is no reason to give up on the next one.
        same = progress.blocked_by == refusal.guard
        since = (progress.blocked_since if same else None) or tx.now
        if not same:
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
        deadline = case.run.deadline
        if refusal.patience is Patience.HOLD:
            # Somebody wants it so: that time is not the remedy's, and its targets stay its own.
            deadline = max(deadline, tx.now + case.book.deadline)
            rails.keep_locks(tx, case.run.id, until=deadline + case.book.deadline)
        case.save(
            tx,
            state=RunState.GATED,
            progress=replace(progress, blocked_since=since, blocked_by=refusal.guard),
            deadline=deadline,
            next_at=tx.now + case.rails.recheck,
            **fresh,
        )

    def _ask(self, tx: Tx, case: Case, plan: StoredPlan, why: str) -> None:
        summary = "; ".join(planned.effect.summary for planned in plan.left)
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
        if asked.decision == "approved" and not made_since(plan, asked.decided_at or tx.now):
            # The yes is for what the world asks for now: the plan is made anew, and compared.
            case.save(tx, plan_valid_until=None, next_at=tx.now)
            return
        if asked.decision is not None:
            said = f"the approval is {asked.decision}"
            if asked.decision == "denied" and asked.decided_by:
                because = f": {asked.reason}" if asked.reason else ""
                said = f"{asked.decided_by} denied the plan{because}"
            if asked.decision == "approved":
                said = "the approved plan did not start in time"
            ends.escalate(self._parts, tx, case, said, state=RunState.ABORTED)
            return
        case = self._put(tx, case, plan, f"{summary} ({why})")
        case.save(
            tx,
            state=RunState.WAIT_APPROVAL,
            plan_hash=plan.content_hash,
            next_at=tx.now + case.rails.recheck,
        )

    def _put(self, tx: Tx, case: Case, plan: StoredPlan, what: str) -> Case:
        """Put a plan to people, unless it is the one that they were asked about last."""
        parts = tuple(plan.parts)
        if [part.key for part in parts] == [part.key for part in case.progress.asked]:
            return case
        done = {
            part_of(one.effect).key
            for one in case.attempts
            if one.state is AttemptState.CONFIRMED and one.undo_of is None
        }
        before = [part for part in case.progress.asked if part.key not in done]
        changed = difference(before, parts) if case.progress.asked else ()
        sentence = f"A person has to approve: {what}."
        if changed:
            sentence = f"The plan is another one now, {'; '.join(changed)}. {sentence}"
        case.say(
            tx,
            "approval",
            sentence,
            plan=plan.content_hash,
            effects=[asdict(part) for part in parts],
            changed=changed,
        )
        case = case.save(tx, progress=replace(case.progress, asked=parts, changed=changed))
        records.tell(tx, incidents.change(tx, incidents.get(tx, case.incident.id)))
        return case


def made_since(plan: StoredPlan, moment: datetime) -> bool:
    """Return whether a plan was made after a moment."""
    return plan.made_at is not None and plan.made_at > moment
