"""Confirming: the fault must read true live, more than once, before anything is done about it."""

from __future__ import annotations

from dataclasses import replace

from airwarden.core.counting import times
from airwarden.remediation import ends, records
from airwarden.remediation.case import Case, Parts
from airwarden.remediation.checks.base import Verdict
from airwarden.remediation.decide.progress import Phase
from airwarden.remediation.decide.states import RunState
from airwarden.remediation.journal import incidents
from airwarden.remediation.verifying import Verifying


class Confirming:
    """The first phase of a run."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._verifying = Verifying(parts)

    def advance(self, case: Case) -> None:
        """Read once more; go on to the steps, or to verifying where there is no fault."""
        use = case.book.confirm
        if use is None:
            with self._parts.journal.lead(self._parts.leadership.fence) as tx:
                case.save(tx, progress=replace(case.progress, phase=Phase.STEPS), next_at=tx.now)
            return
        reading = self._parts.read_check(case.world, case.subject, use)
        progress = case.progress
        if reading.verdict is Verdict.UNKNOWN:
            unreadable(self._parts, case, reading.sentence)
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
                    self._verifying.begin_over_in(tx, replace(case, progress=progress), reason)
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
            case.say(tx, "confirm", f"Confirmed {times(progress.reads_true)}: {reading.sentence}.")
            evidence = {**case.incident.evidence, **records.evidence_of(reading.evidence)}
            one = incidents.change(tx, case.incident, evidence=evidence)
            case = replace(case, incident=one)
            case.save(tx, progress=replace(progress, phase=Phase.STEPS), next_at=tx.now)


def unreadable(parts: Parts, case: Case, what: str) -> None:
    """What cannot be read is neither sick nor healthy: wait a little, then call a human."""
    with parts.journal.lead(parts.leadership.fence) as tx:
        since = case.progress.unreadable_since
        if since is None:
            parts.telemetry.blocked(case.run.cluster, "unreadable")
            case.say(tx, "guard", f"Nothing is done while this cannot be read: {what}.")
        since = since or tx.now
        if tx.now - since >= case.rails.unreadable_patience:
            ends.escalate(
                parts,
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
