"""Playbooks run by hand: a person names playbook and target, sees the plan, and orders exactly that.

The order is the person's yes for the effects that they were shown, and for no others. Everything else is
as with an alert: the fault is confirmed, the guards judge, effects are journaled and verified, and what is
planned later than what was shown is asked for. A run by hand is an incident of its own: what alerts
opened stays as it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from sqlalchemy.exc import IntegrityError

from airwarden.core.alerts import Severity
from airwarden.core.errors import AirwardenError, ConflictError, WrongInputError
from airwarden.remediation import records
from airwarden.remediation.actions.base import Effect, Nothing, Plan, Refused
from airwarden.remediation.case import READ_DEADLINE, Case, Parts, by_hand_mode, effective
from airwarden.remediation.decide.approvals import part_of
from airwarden.remediation.decide.correlate import LoadedPlaybook, Place, subject_words
from airwarden.remediation.decide.guards import judge
from airwarden.remediation.decide.progress import Phase, Progress
from airwarden.remediation.decide.states import IncidentState, Mode, RunState
from airwarden.remediation.decide.view import IncidentView
from airwarden.remediation.guarding import Guarding
from airwarden.remediation.joining import begin_run, highest_danger
from airwarden.remediation.journal import incidents, rails
from airwarden.remediation.journal.incidents import Incident
from airwarden.remediation.journal.runs import Run
from airwarden.remediation.journal.store import Tx
from airwarden.remediation.operations import require_known
from airwarden.remediation.plans import Planned, StoredPlan
from airwarden.remediation.playbook import ActionStep, HumanStep, Step, UndoStep, WaitStep
from airwarden.remediation.world import Subject, World

_AT_WORK = (IncidentState.REMEDIATING, IncidentState.STABILIZING)


@dataclass(frozen=True, slots=True)
class Order:
    """What a person asks for.

    Attributes:
        playbook: Its name.
        target: Labels that name the target, as an alert's would.
        cluster: Empty for the only one there is.
        since: How long ago the fault began.
    """

    playbook: str
    target: Mapping[str, str]
    cluster: str = ""
    since: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One step as it would go now.

    Attributes:
        step: Its id.
        sentence: What would come of it.
        effects: What would be done, in order, one clause each.
        refusal: Why it would not be done: the action's refusal, or the first guard's; or empty.
        optional: A refusal does not end the run.
    """

    step: str
    sentence: str
    effects: tuple[str, ...] = ()
    refusal: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a run would do if it began now; nothing was done.

    Attributes:
        plan: Names exactly these effects; the order has to show it.
        confirmed: Whether the playbook's own check reads the fault; None where it cannot be read.
        reading: What that check says.
        danger: The highest class among the actions.
        stopped: Why nothing would be done whatever the steps say; or empty.
    """

    playbook: str
    cluster: str
    target: Mapping[str, str]
    plan: str
    confirmed: bool | None
    reading: str
    danger: str
    stopped: str = ""
    steps: tuple[Rehearsed, ...] = ()
    keys: tuple[str, ...] = field(default=(), repr=False)

    @property
    def effects(self) -> int:
        """How many effects are planned."""
        return sum(len(step.effects) for step in self.steps)


class ByHand:
    """Rehearses and begins runs that people order; usable on any replica, leader or not.

    Args:
        parts: The engine's parts.
        wake: Called when there is something to do.
    """

    def __init__(self, parts: Parts, wake: Callable[[], None]) -> None:
        self._parts = parts
        self._wake = wake
        self._guarding = Guarding(parts)

    def named(self, playbook: str, target: Mapping[str, str], bare: str) -> Mapping[str, str]:
        """Return the target with a bare name put to the one label that tells the playbook's apart.

        Raises:
            NotFoundError: There is no such playbook.
            WrongInputError: Several labels, or none, tell its targets apart.
        """
        if not bare:
            return target
        require_known(self._parts, rails.EVERYWHERE, playbook)
        labels = self._parts.playbooks().by_name[playbook].playbook.correlate
        if len(labels) != 1:
            raise WrongInputError(
                f"{bare!r} needs its label: {playbook} is told apart by"
                f" {', '.join(labels) or 'nothing, it is about the whole cluster'}",
                place="target",
                hint="write LABEL=VALUE",
            )
        return {labels[0]: bare, **target}

    def rehearse(self, order: Order) -> Rehearsal:
        """Read the live state, plan every step and judge it by the guards; nothing is done.

        Raises:
            NotFoundError: There is no such playbook or cluster.
            WrongInputError: The target is incomplete, or the playbook is for people only.
        """
        loaded, world = self._known(order)
        with self._parts.journal.read() as tx:
            case = self._imagined(tx, order, loaded, world)
        stopped = (
            f"playbook {order.playbook} is switched off"
            if case.mode is Mode.OFF
            else self._killed(case)
        )
        confirmed, reading = self._confirm(case)
        planned: list[tuple[Step, str, tuple[Effect, ...], str]] = []
        for step in case.steps:
            planned.append((step, *self._foresee(case, step)))
            if planned[-1][3] and not getattr(step, "optional", False):
                break
        keys = tuple(part_of(e).key for _, _, effects, _ in planned for e in effects)
        content = json.dumps([loaded.playbook.sha256, world.cluster, sorted(keys)])
        case = replace(case, progress=replace(case.progress, ordered=keys))
        return Rehearsal(
            playbook=order.playbook,
            cluster=world.cluster,
            target=dict(order.target),
            plan=hashlib.sha256(content.encode()).hexdigest()[:16],
            confirmed=confirmed,
            reading=reading,
            danger=str(highest_danger(self._parts.actions, loaded.playbook)),
            stopped=stopped,
            steps=tuple(self._judged(case, *one) for one in planned),
            keys=keys,
        )

    def begin(self, order: Order, *, plan: str, by: str, reason: str) -> IncidentView:
        """Begin the run that was shown as `plan`.

        Args:
            order: What is asked for.
            plan: Of the rehearsal that the person saw.
            by: Who.
            reason: Why, for the audit.

        Raises:
            NotFoundError, WrongInputError: As `rehearse`; or the plan or the reason is missing.
            ConflictError: What would be done now is not what was shown, nothing would be done, or
                the target is being treated already.
        """
        if not reason.strip():
            raise WrongInputError("a reason is required", place="reason")
        if not plan:
            raise WrongInputError(
                "is missing: it says what was shown and is agreed to",
                place="plan",
                hint="a dry run has it; airwarden run sends it",
            )
        now = self.rehearse(order)
        if now.stopped:
            raise ConflictError(f"nothing is done: {now.stopped}")
        if now.plan != plan:
            raise ConflictError("the plan is another one than you were shown: look again")
        loaded, world = self._known(order)
        try:
            with self._parts.journal.write() as tx:
                one = self._open(tx, order, loaded, world.cluster, by=by, reason=reason)
                begin_run(
                    tx,
                    one,
                    loaded,
                    danger=highest_danger(self._parts.actions, loaded.playbook),
                    progress=Progress(by=by, ordered=now.keys),
                )
                view = records.view(tx, one)
        except IntegrityError:
            raise ConflictError("somebody ordered the same in this instant") from None
        self._wake()
        return view

    def _known(self, order: Order) -> tuple[LoadedPlaybook, World]:
        worlds = self._parts.worlds()
        require_known(self._parts, order.cluster or next(iter(worlds), ""), order.playbook)
        if not order.cluster and len(worlds) != 1:
            raise WrongInputError(
                "is missing: there are several clusters",
                place="cluster",
                hint=", ".join(sorted(worlds)),
            )
        if order.cluster == rails.EVERYWHERE:
            raise WrongInputError("a run is of one cluster", place="cluster")
        loaded = self._parts.playbooks().by_name[order.playbook]
        book = loaded.playbook
        if not book.ordered:
            why = book.human_only or "it has no steps"
            raise WrongInputError(f"{book.name} is for people only, {why}", place="playbook")
        missing = [label for label in book.correlate if not order.target.get(label)]
        if missing:
            raise WrongInputError(
                f"{book.name} needs {', '.join(missing)}",
                place="target",
                hint=" ".join(f"--target {label}=…" for label in missing),
            )
        return loaded, worlds[order.cluster or next(iter(worlds))]

    def _open(
        self,
        tx: Tx,
        order: Order,
        loaded: LoadedPlaybook,
        cluster: str,
        *,
        by: str,
        reason: str,
    ) -> Incident:
        """Open the run's incident; raises ConflictError where the target is being treated already."""
        book = loaded.playbook
        labels = {**order.target, "cluster": cluster}
        about = ",".join(f"{label}={labels.get(label, '')}" for label in book.correlate)
        whole = ",".join(f"{label}={value}" for label, value in sorted(order.target.items()))
        where = Place(cluster, f"by-hand/{book.name}/{whole}"[:512], book.name)
        treated = incidents.open_by_key(tx, cluster, f"{book.name}/{about}"[:512])
        if treated is None or treated.state not in _AT_WORK:
            treated = incidents.open_by_key(tx, cluster, where.key)
        if treated is not None:
            raise ConflictError(
                f"incident {treated.id} treats it already ({treated.state}):"
                f" airwarden explain {treated.id}"
            )
        words = subject_words(labels)
        one = incidents.open_new(
            tx,
            cluster=cluster,
            correlation_key=where.key,
            playbook=book.name,
            title=f"By hand: {book.title}{f' ({words})' if words else ''}",
            dedup_key=records.dedup_key(tx, where),
            severity=Severity.WARNING,
            labels=labels,
            started_at=tx.now - order.since,
            page_at=None,
            mode=Mode.APPROVE,
            evidence={"run by hand": f"{by}: {reason}"},
        )
        records.say(
            tx, one, "incident", f"{by} runs playbook {book.name} by hand: {reason}.", actor=by
        )
        one = incidents.move(tx, one, IncidentState.TRIAGE)
        return records.move(
            tx,
            one,
            IncidentState.REMEDIATING,
            f"Playbook {book.name} takes it, for the effects that {by} was shown.",
            actor=by,
            next_at=tx.now,
        )

    # --- what would be ---------------------------------------------------------------------------

    def _imagined(self, tx: Tx, order: Order, loaded: LoadedPlaybook, world: World) -> Case:
        """Return the case as it would be, of an incident and a run that are in no journal."""
        book, now = loaded.playbook, tx.now
        began = now - order.since
        labels = {**order.target, "cluster": world.cluster}
        mode = by_hand_mode(effective(self._parts, rails.switches(tx), book.name, world.cluster))
        one = Incident(
            id=0, cluster=world.cluster, correlation_key="", playbook=book.name, title=book.title,
            state=IncidentState.REMEDIATING, rev=0, severity=Severity.WARNING, mode=mode,
            labels=labels, reason="", cause="", evidence={}, human_steps=(), started_at=began,
            opened_at=now, updated_at=now, ended_at=None, next_at=None, page_at=None, paged_at=None,
            healthy_since=None, recurrence=0, healed_by_itself=False, owner="", dedup_key="",
            chat_ref="",
        )  # fmt: skip
        run = Run(
            id=0, cluster=world.cluster, incident_id=0, playbook_sha=book.sha256, generation=1,
            episode=0, mode=mode, state=RunState.PLANNED, rev=0, progress="{}", plan_json=None,
            plan_hash=None, plan_valid_until=now + loaded.rails.plan_ttl, reason="", started_at=now,
            fault_since=began, deadline=now + book.deadline, first_effect_at=None, ended_at=None,
            claimed_by=None, claim_token=None, claim_until=None, next_at=now,
        )  # fmt: skip
        subject = Subject(
            incident_id="0", playbook=book.name, labels=labels, started_at=began, alerts=(labels,)
        )
        return Case(
            run=run,
            incident=one,
            book=book,
            rails=loaded.rails,
            mode=mode,
            world=world,
            subject=subject,
            progress=Progress(phase=Phase.STEPS, by="a person"),
            attempts=(),
            firing=True,
            now=now,
        )

    def _killed(self, case: Case) -> str:
        with self._parts.journal.read() as tx:
            return "; ".join(self._guarding.kill(tx, case))

    def _confirm(self, case: Case) -> tuple[bool | None, str]:
        if case.book.confirm is None:
            return True, "it needs no confirmation"
        reading = self._parts.read_check(case.world, case.subject, case.book.confirm)
        return {"true": True, "false": False}.get(reading.verdict.value), reading.sentence

    def _foresee(self, case: Case, step: Step) -> tuple[str, tuple[Effect, ...], str]:
        """Return what a step would do, its effects, and why it would be refused."""
        match step:
            case WaitStep():
                reading = self._parts.read_check(case.world, case.subject, step.wait)
                return f"waits for {step.wait.check}; now: {reading.sentence}", (), ""
            case UndoStep():
                return f"takes back what {step.undo} did", (), ""
            case HumanStep():
                return f"for a person: {step.human}", (), ""
            case ActionStep():
                return self._plan(case, step)

    def _plan(self, case: Case, step: ActionStep) -> tuple[str, tuple[Effect, ...], str]:
        action = self._parts.actions[step.action]
        missing = sorted(need for need in action.needs if not case.world.has(need))
        if missing:
            return "", (), f"{step.action} needs {', '.join(missing)}: not configured"
        try:
            outcome = self._parts.calls.run(
                lambda: action.plan(case.world, case.subject, step.parameters),
                deadline=READ_DEADLINE,
            )
        except AirwardenError as error:
            return "", (), f"the live state cannot be read: {error}"
        match outcome:
            case Nothing(reason=reason):
                return f"nothing to do: {reason}", (), ""
            case Refused(reason=reason):
                return "", (), f"{step.action} refuses: {reason}"
            case Plan(effects=effects, more=more):
                return f"{step.action}; then more: {more}" if more else step.action, effects, ""

    def _judged(
        self, case: Case, step: Step, sentence: str, effects: Sequence[Effect], refusal: str
    ) -> Rehearsed:
        """Return a step as it would go, its first effect judged by the guards."""
        if effects and isinstance(step, ActionStep):
            action = self._parts.actions[step.action]
            plan = StoredPlan(
                step.id, len(effects), tuple(Planned(e, n) for n, e in enumerate(effects)), case.now
            )
            sight, seen = self._guarding.sight(case, plan, action)
            with self._parts.journal.write() as tx:
                facts = self._guarding.facts(tx, case, plan, action, sight, seen)
            # The lease is the engine's own business; it is not lost by asking on a standby.
            found = judge(replace(facts, lead_left=facts.lead_needed + 1), case.rails)
            refusal = f"guard {found.guard}: {found.reason}" if found else ""
        return Rehearsed(
            step=step.id,
            sentence=sentence,
            effects=tuple(effect.summary for effect in effects),
            refusal=refusal,
            optional=getattr(step, "optional", False),
        )
