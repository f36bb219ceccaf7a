"""How runs end: healed, given up and tried again, or handed to a human with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airwarden.core.counting import counted
from airwarden.remediation import playbook_breakers, records
from airwarden.remediation.case import Case, Parts
from airwarden.remediation.decide.backoff import jittered
from airwarden.remediation.decide.paging import Escalation, page_at
from airwarden.remediation.decide.progress import Progress
from airwarden.remediation.decide.remedies import next_remedy
from airwarden.remediation.decide.states import IncidentState, Mode, RunState
from airwarden.remediation.joining import begin_run, highest_danger
from airwarden.remediation.journal import incidents, rails, runs
from airwarden.remediation.journal.store import Tx
from airwarden.remediation.leftovers import left_in_force


def _end_run(tx: Tx, case: Case, state: RunState, reason: str) -> Case:
    rails.unlock(tx, case.run.id)
    playbook_breakers.count(tx, case, state)
    return case.save(tx, state=state, reason=reason, ended_at=tx.now)


def abort(tx: Tx, case: Case, reason: str) -> None:
    """End a run whose incident is in other hands."""
    case = _end_run(tx, case, RunState.ABORTED, reason)
    case.say(tx, "run", f"The run ends: {reason}.")


def resolve(parts: Parts, tx: Tx, case: Case, sentence: str) -> None:
    """End a run and its incident as healed, and resolve its page."""
    acted = records.acted(tx, case.incident)
    case = _end_run(tx, case, RunState.SUCCEEDED, sentence)
    resolve_incident(parts, tx, case.incident, sentence, by_itself=not acted)


def resolve_incident(
    parts: Parts,
    tx: Tx,
    one: incidents.Incident,
    sentence: str,
    *,
    by_itself: bool,
    actor: str = records.ENGINE,
) -> None:
    """End an incident as healed, and its page; one that asks a person for something ends with them."""
    how = "It healed by itself" if by_itself else "Healed"
    moved = records.move(
        tx,
        one,
        IncidentState.RESOLVED,
        f"{how}: {sentence}",
        actor=actor,
        reason=sentence,
        ended_at=tx.now,
        next_at=None,
        page_at=None,
        healed_by_itself=by_itself,
    )
    if one.paged_at is not None and (actor != records.ENGINE or not one.human_steps):
        records.page(tx, moved, "resolve")
    if not records.acted(tx, one):
        runs.note_cleared_without_us(tx, one.id)
    outcome = "healed-by-itself" if by_itself else "healed"
    parts.telemetry.incident_ended(one.cluster, one.playbook, outcome)
    parts.telemetry.healed(one.cluster, one.playbook, (tx.now - one.started_at).total_seconds())


def escalate(
    parts: Parts,
    tx: Tx,
    case: Case,
    reason: str,
    *,
    cause: str = "",
    evidence: Mapping[str, Any] | None = None,
    state: RunState = RunState.FAILED,
    escalation: Escalation = Escalation.STUCK,
) -> None:
    """End the run and call a human, saying why nothing more is done."""
    case = _end_run(tx, case, state, reason)
    one = incidents.get(tx, case.incident.id)
    if one.state not in (IncidentState.REMEDIATING, IncidentState.STABILIZING):
        # A restoring run of an incident that people own already: what stands is theirs to take back.
        page = None if one.paged_at else one.page_at or tx.now
        sentence = f"Left to people: {reason}."
        records.change(tx, one, "run", sentence, reason=reason, page_at=page)
        return
    left = left_in_force(case.book, runs.attempts_of_incident(tx, one.id))
    standing = {"still in force": "; ".join(attempt.summary for attempt in left)} if left else {}
    due = page_at(
        case.book.page,
        one.severity,
        one.opened_at if one.recurrence == 0 else case.run.started_at,
        tx.now,
        escalation=escalation,
        acted=records.acted(tx, one),
    )
    records.move(
        tx,
        one,
        IncidentState.ESCALATED,
        f"Handed to people: {reason}.",
        reason=reason,
        cause=cause,
        evidence={**one.evidence, **records.evidence_of(evidence or {}), **standing},
        page_at=one.page_at if due is None else min(due, one.page_at or due),
        next_at=tx.now,
        healthy_since=None,
    )
    parts.telemetry.escalated(one.cluster, one.playbook)


def try_again(parts: Parts, tx: Tx, case: Case, reason: str) -> None:
    """Give an attempt up that did not help: the next one after a wait, or a human."""
    _go_on(parts, tx, case, reason, same=True)


def give_up(
    parts: Parts, tx: Tx, case: Case, reason: str, *, evidence: Mapping[str, Any] | None = None
) -> None:
    """Give a remedy up that cannot be carried out: the playbook's next one after a wait, or a human."""
    _go_on(parts, tx, case, reason, same=False, evidence=evidence)


def _go_on(
    parts: Parts,
    tx: Tx,
    case: Case,
    reason: str,
    *,
    same: bool,
    evidence: Mapping[str, Any] | None = None,
) -> None:
    episode = [r for r in runs.of_incident(tx, case.incident.id) if r.episode == case.run.episode]
    # The set in force decides how to go on; the run that ended keeps what it was pinned to.
    loaded = parts.playbooks().by_name.get(case.incident.playbook)
    following = None
    # Whoever runs a playbook by hand decides themselves whether to do it again.
    if (
        loaded is not None
        and not case.progress.by
        and case.mode is not Mode.OFF
        and not case.progress.restoring
    ):
        limits = [remedy.attempts for remedy in loaded.playbook.ordered]
        tried = [Progress.from_json(run.progress).remedy for run in episode]
        following = next_remedy(limits if same else [0] * len(limits), tried)
    if loaded is None or following is None:
        said = reason
        if same:
            times = f"after {counted(len(episode), 'attempt')}"
            said = f"{reason} {times if case.acted else 'and nothing could be done'}"
        escalate(parts, tx, case, said, evidence=evidence)
        return
    wait = jittered(
        len(episode), case.rails.backoff_base, case.rails.backoff_cap, parts.random
    ).total_seconds()
    other = following != case.progress.remedy
    case = _end_run(tx, case, RunState.FAILED, reason)
    one = incidents.get(tx, case.incident.id)
    if one.state is IncidentState.STABILIZING:
        one = incidents.move(tx, one, IncidentState.REMEDIATING)
    coming = f"remedy “{loaded.playbook.ordered[following].id}”" if other else "attempt"
    records.say(
        tx, one, "run", f"The remedy did not help: {reason}. Next {coming} in {wait:.0f} s."
    )
    begin_run(
        tx,
        one,
        replace(loaded, mode=case.mode),
        danger=highest_danger(parts.actions, loaded.playbook),
        wait=wait,
        progress=Progress(remedy=following),
    )
    records.tell(tx, incidents.change(tx, one))


def finish_shadow(
    parts: Parts, tx: Tx, case: Case, would_do: list[dict[str, Any]], sentence: str
) -> None:
    """End a run in shadow: what it would have done is recorded, and people hear of it."""
    runs.shadow(tx, case.run, would_do)
    escalate(
        parts,
        tx,
        case,
        sentence,
        state=RunState.SHADOW_DONE,
        escalation=Escalation.BY_DESIGN,
    )
