"""A person takes an incident into their own hands, and may give it back.

While a person has it nothing more is done about it, not even the way back from what was done: whoever
works on a platform by hand must be able to rely on that nobody else turns the same screws.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from airwarden.core.errors import ConflictError
from airwarden.remediation import records
from airwarden.remediation.case import Parts
from airwarden.remediation.decide.paging import NO_PLAYBOOK_PAGE, page_at
from airwarden.remediation.decide.states import AttemptState, IncidentState
from airwarden.remediation.joining import Joining
from airwarden.remediation.journal import alerts, incidents, rails, runs
from airwarden.remediation.journal.incidents import Incident
from airwarden.remediation.journal.store import Tx
from airwarden.remediation.leftovers import left_in_force
from airwarden.remediation.modes import mode_for
from airwarden.remediation.storms import Storms, is_storm

#: The states in which an incident can be taken over, beside a storm.
_TAKEN_FROM = (IncidentState.REMEDIATING, IncidentState.STABILIZING, IncidentState.ESCALATED)
#: Evidence of when an incident was given back: an acknowledgement from before counts no more.
GIVEN_BACK = "given back at"
#: Evidence of what a remedy set and has not taken back.
IN_FORCE = "still in force"


def take(tx: Tx, one: Incident, *, by: str, reason: str, acknowledge: bool = True) -> Incident:
    """Give an incident to a person: what runs for it ends before its next effect.

    Args:
        tx: Writes; an effect that is not marked as begun before this commits is never sent.
        one: The incident.
        by: Who has it from now on.
        reason: Why, for the story.
        acknowledge: Whether its page is to be acknowledged; not where that is what told us.

    Raises:
        ConflictError: It is over, or somebody has it already.
        FencedError: It was changed in the same instant.
    """
    if one.state is IncidentState.STORM_HOLD:
        one = incidents.move(tx, one, IncidentState.ESCALATED)
    if one.state not in _TAKEN_FROM:
        has = f", {one.owner} has it" if one.owner else ""
        raise ConflictError(
            f"incident {one.id} is {one.state}{has}: it cannot be taken over; look again with"
            f" airwarden explain {one.id}"
        )
    for run in runs.of_incident(tx, one.id):
        if not run.state.terminal:
            # A change, not a look: whoever is about to begin an effect with what it read fails.
            runs.change(tx, run, next_at=tx.now)
    because = f": {reason}" if reason else ""
    moved = records.move(
        tx,
        one,
        IncidentState.HUMAN_OWNED,
        f"{by} takes it{because}. Nothing more is done by itself.",
        actor=by,
        owner=by,
        reason=one.reason or reason,
        evidence={**one.evidence, **_in_force(tx, one)},
        next_at=tx.now,
        healthy_since=None,
        # Whoever has it needs no page; what gets worse meanwhile still pages.
        page_at=None,
    )
    if acknowledge and moved.paged_at is not None:
        records.page(tx, moved, "acknowledge")
    return moved


def give_back(parts: Parts, tx: Tx, one: Incident, *, by: str, reason: str) -> Incident:
    """Let remedies act on an incident again, as if it had just been taken in.

    Raises:
        ConflictError: Nobody has it.
        FencedError: It was changed in the same instant.
    """
    if one.state is not IncidentState.HUMAN_OWNED:
        raise ConflictError(
            f"incident {one.id} is {one.state}: only one that a person has taken is given back; look"
            f" again with airwarden explain {one.id}"
        )
    if is_storm(one):
        raise ConflictError(f"incident {one.id} is a storm: it stays with people until it is over")
    because = f": {reason}" if reason else ""
    loaded = parts.playbooks().by_name.get(one.playbook)
    fields: dict[str, Any] = {
        "owner": "",
        "reason": "",
        "evidence": {**one.evidence, GIVEN_BACK: tx.now.isoformat(timespec="microseconds")},
        "mode": mode_for(loaded, rails.switches(tx), one.cluster),
        "page_at": page_at(
            loaded.playbook.page if loaded else NO_PLAYBOOK_PAGE,
            one.severity,
            tx.now,
            tx.now,
            escalation=None,
        ),
        "next_at": tx.now,
    }
    sentence = f"{by} gives it back{because}."
    if alerts.tally(tx, one.id).firing == 0:
        # Nothing is to be confirmed: it is seen whether all is well, and what stands is taken back.
        fields["reason"] = f"{by} gave it back{because}; its alerts have ended"
        return records.move(tx, one, IncidentState.ESCALATED, sentence, actor=by, **fields)
    moved = records.move(tx, one, IncidentState.TRIAGE, sentence, actor=by, **fields)
    storms = Storms(parts.playbooks)
    joining = Joining(parts.playbooks, parts.worlds, parts.actions, storms, parts.telemetry)
    joining.route(tx, moved, loaded)
    return incidents.get(tx, one.id)


def given_back_at(one: Incident) -> datetime | None:
    """Return when it was given back last, None for never."""
    noted = one.evidence.get(GIVEN_BACK)
    return datetime.fromisoformat(noted) if noted else None


def left_standing(tx: Tx, one: Incident) -> bool:
    """Return whether something that was done for an incident would have been taken back and was not."""
    return bool(_in_force(tx, one))


def _in_force(tx: Tx, one: Incident) -> dict[str, str]:
    all_runs = runs.of_incident(tx, one.id)
    if not all_runs:
        return {}
    book = runs.pinned_playbook(tx, all_runs[-1].playbook_sha)
    # One that is under way may well happen: whoever takes over has to know of it.
    attempts = [
        replace(a, state=AttemptState.CONFIRMED) if not a.state.settled else a
        for a in runs.attempts_of_incident(tx, one.id)
    ]
    left = left_in_force(book, attempts)
    return {IN_FORCE: "; ".join(attempt.summary for attempt in left)} if left else {}
