"""Verifying: the live check has to read healthy in time, and for long enough."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from airwarden.remediation import ends, records
from airwarden.remediation.case import Case, Parts
from airwarden.remediation.checks.base import Verdict
from airwarden.remediation.crash import crash_at
from airwarden.remediation.decide.progress import Phase, Progress
from airwarden.remediation.decide.states import IncidentState, Mode, RunState
from airwarden.remediation.journal import incidents
from airwarden.remediation.journal.store import Tx


class Verifying:
    """The last phase of a run."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def begin(self, case: Case, reason: str) -> None:
        """Go over to verifying; a reason says why no (further) step is done."""
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            self.begin_in(tx, case, reason)

    def begin_in(self, tx: Tx, case: Case, reason: str) -> None:
        """Go over to verifying in the caller\'s transaction."""
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

    def begin_over(self, case: Case, reason: str) -> None:
        """Go over to mending what the fault left, which is over before anything was done, or to verifying."""
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            self.begin_over_in(tx, case, reason)

    def begin_over_in(self, tx: Tx, case: Case, reason: str) -> None:
        """Go over to mending or verifying in the caller's transaction."""
        step = self._aftermath(case)
        if step is None:
            self.begin_in(tx, case, reason)
            return
        case.say(tx, "run", f"The fault is over, {reason}. What it left is looked for.")
        progress = replace(
            case.progress, phase=Phase.STEPS, step=step, aftermath=True, unreadable_since=None
        )
        case.save(tx, progress=progress, next_at=tx.now)

    def _aftermath(self, case: Case) -> int | None:
        """Return the step that mends what a fault left, where this run may and has not yet."""
        loaded = self._parts.playbooks().by_name.get(case.book.name)
        acts = case.mode in (Mode.AUTO, Mode.APPROVE) and not case.progress.by
        if loaded is None or not acts or case.progress.aftermath:
            return None
        ids = [step.id for step in case.steps]
        wanted = loaded.playbook.if_over
        return ids.index(wanted) if wanted in ids else None

    def advance(self, case: Case) -> None:
        """Read once more: healed, not yet, or not in time."""
        use = case.verify
        if use is None:
            self._verify_by_alerts(case)
            return
        reading = self._parts.read_check(case.world, case.subject, use)
        with self._parts.journal.lead(self._parts.leadership.fence) as tx:
            progress = case.progress
            since = progress.verify_since or tx.now
            if reading.verdict is Verdict.TRUE:
                healthy = progress.healthy_since or tx.now
                if progress.healthy_since and progress.unreadable_since:
                    # The time in which nothing could be read ends a healthy time as little as it is one.
                    healthy += tx.now - progress.unreadable_since
                if tx.now - healthy >= use.stable:
                    self._resolve(tx, case, reading.sentence)
                    return
                self._stabilize(tx, case, healthy, reading.sentence)
                return
            # Only a read that says so ends a healthy time; an unreadable moment proves nothing.
            unread = reading.verdict is Verdict.UNKNOWN
            healthy_since = progress.healthy_since if unread else None
            unreadable_since = (progress.unreadable_since or tx.now) if unread else None
            if progress.healthy_since is not None and healthy_since is None:
                case.say(tx, "verify", f"Not healthy any more: {reading.sentence}.")
                if progress.skip_to_verify and not case.acted:
                    # It was well when we looked; now it is not: look again instead of waiting.
                    self.confirm_again(tx, case)
                    return
            limit = use.within if healthy_since is None else use.within + use.stable
            if tx.now - since >= limit:
                ends.try_again(self._parts, tx, case, f"not healthy: {reading.sentence}")
                return
            case.save(
                tx,
                progress=replace(
                    progress,
                    verify_since=since,
                    healthy_since=healthy_since,
                    unreadable_since=unreadable_since,
                ),
                next_at=tx.now + case.rails.verify_every,
            )

    def confirm_again(self, tx: Tx, case: Case) -> None:
        """Go back to the first phase: nothing has been done yet, and the fault is there after all."""
        if case.incident.state is IncidentState.STABILIZING:
            moved = incidents.move(tx, case.incident, IncidentState.REMEDIATING)
            case = replace(case, incident=moved)
        was = case.progress
        progress = Progress(seq=was.seq, remedy=was.remedy, by=was.by, ordered=was.ordered)
        case.save(tx, state=RunState.PLANNED, progress=progress, next_at=tx.now)

    def _resolve(self, tx: Tx, case: Case, sentence: str) -> None:
        crash_at("before-resolve")
        if case.incident.state is IncidentState.REMEDIATING:
            moved = incidents.move(tx, case.incident, IncidentState.STABILIZING)
            case = replace(case, incident=moved)
        ends.resolve(self._parts, tx, case, sentence)

    def _stabilize(self, tx: Tx, case: Case, healthy: datetime, sentence: str) -> None:
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
