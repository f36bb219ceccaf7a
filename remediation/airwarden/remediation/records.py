"""Every change of an incident: its transition, its line in the audit, and its notices, in one place.

All of it happens in the caller's transaction: the change, the sentence that explains it and the message
that tells of it are there together or not at all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from airwarden.remediation.decide import outlook
from airwarden.remediation.decide.correlate import Place
from airwarden.remediation.decide.progress import Progress
from airwarden.remediation.decide.states import AttemptState, IncidentState
from airwarden.remediation.decide.view import (
    AheadView,
    AlertView,
    ApprovalView,
    EffectView,
    IncidentView,
    TimelineEntry,
)
from airwarden.remediation.journal import alerts, audit, incidents, outbox, rails, runs
from airwarden.remediation.journal.incidents import Incident
from airwarden.remediation.journal.outbox import Channel
from airwarden.remediation.journal.store import Tx

ENGINE = "airwarden"

#: Characters of a plan's hash that people see and type.
SHOWN_HASH = 8
#: What a reopened incident forgets of its earlier life.
AFRESH: Mapping[str, Any] = {
    "ended_at": None,
    "paged_at": None,
    "healthy_since": None,
    "healed_by_itself": False,
    "owner": "",
    "cause": "",
    "evidence": {},
    "human_steps": (),
}

_SHOWN_ALERTS = 50
_SHOWN_LINES = 20


def dedup_key(tx: Tx, where: Place) -> str:
    """Return a new incident's key for PagerDuty: no two incidents have the same."""
    unique = hashlib.sha256(f"{where.key}/{tx.now.isoformat()}".encode()).hexdigest()[:16]
    return f"airwarden/{where.cluster[:64]}/{where.playbook or 'no-playbook'}/{unique}"


def say(
    tx: Tx,
    one: Incident,
    action: str,
    sentence: str,
    *,
    actor: str = ENGINE,
    before: Mapping[str, Any] | None = None,
    **facts: Any,
) -> None:
    """Add a line to an incident's story."""
    audit.append(
        tx,
        actor=actor,
        action=action,
        object=one.object,
        sentence=sentence,
        before=before,
        after=facts,
    )


def move(
    tx: Tx,
    one: Incident,
    state: IncidentState,
    sentence: str,
    *,
    actor: str = ENGINE,
    **fields: Any,
) -> Incident:
    """Make a transition of an incident, write why, and let its chat message follow."""
    moved = incidents.move(tx, one, state, **fields)
    say(tx, moved, "incident", sentence, actor=actor, before={"state": one.state}, state=state)
    tell(tx, moved)
    return moved


def change(
    tx: Tx, one: Incident, action: str, sentence: str, *, actor: str = ENGINE, **fields: Any
) -> Incident:
    """Change an incident without a transition, write why, and let its chat message follow."""
    changed = incidents.change(tx, one, **fields)
    say(tx, changed, action, sentence, actor=actor)
    tell(tx, changed)
    return changed


def tell(tx: Tx, one: Incident) -> None:
    """Write the chat notice for an incident as it is now; a newer one replaces an unsent one."""
    outbox.put(
        tx,
        channel=Channel.CHAT,
        dedup_key=one.dedup_key,
        kind=f"rev-{one.rev}",
        incident_id=one.id,
        body=view(tx, one).to_json(),
    )


def page(tx: Tx, one: Incident, kind: str, *, about: str = "") -> bool:
    """Write a pager notice: `trigger`, `acknowledge` or `resolve`, once per recurrence and `about`.

    A second trigger of an incident has the same deduplication key: it adds to the page. Returns
    False where the same notice was written before.
    """
    return outbox.put(
        tx,
        channel=Channel.PAGER,
        dedup_key=one.dedup_key,
        kind=f"{kind}:{one.recurrence}{f':{about}' if about else ''}",
        incident_id=one.id,
        body=view(tx, one).to_json(),
    )


def view(tx: Tx, one: Incident) -> IncidentView:
    """Gather everything that may be said about an incident now."""
    members = alerts.of_incident(tx, one.id, limit=_SHOWN_ALERTS)
    shown = [
        AlertView(
            name=member.alert.name,
            status=member.alert.status,
            severity=member.alert.severity,
            starts_at=member.alert.starts_at,
            labels=member.alert.labels,
            summary=member.alert.annotations.get("summary", ""),
            description=member.alert.annotations.get("description", ""),
            runbook_url=member.alert.annotations.get("runbook_url", ""),
            dashboard_url=member.alert.annotations.get("dashboard_url", ""),
        )
        for member in members
    ]
    effects, shadow = _effects(tx, one)
    waiting = _approval(tx, one)
    story = audit.entries(tx, object=one.object, newest=_SHOWN_LINES)
    return IncidentView(
        incident_id=str(one.id),
        dedup_key=one.dedup_key,
        cluster=one.cluster,
        playbook=one.playbook,
        title=one.title,
        severity=one.severity,
        state=one.state,
        mode=one.mode,
        opened_at=one.opened_at,
        updated_at=one.updated_at,
        ended_at=one.ended_at,
        labels=one.labels,
        alerts=tuple(shown),
        alerts_total=alerts.tally(tx, one.id).total,
        team=one.labels.get("team", ""),
        reason=one.reason,
        cause=one.cause,
        effects=effects,
        shadow=shadow,
        human_steps=one.human_steps,
        evidence=one.evidence,
        timeline=tuple(TimelineEntry(entry.at, entry.sentence) for entry in story),
        recurrence=one.recurrence,
        paged=one.paged_at is not None,
        owner=one.owner,
        approval_expires_at=waiting.expires_at if waiting else None,
        healed_by_itself=one.healed_by_itself,
        approval=waiting,
        decision=_decision(tx, one),
        ahead=_ahead(tx, one, waiting),
        started_at=one.started_at,
    )


def _ahead(tx: Tx, one: Incident, waiting: ApprovalView | None) -> tuple[AheadView, ...]:
    """Return what is still to come; nothing for what is over."""
    if one.state.terminal:
        return ()
    all_runs = runs.of_incident(tx, one.id)
    found = outlook.of_rest(
        one.state, one.next_at, None if one.paged_at else one.page_at, one.owner
    )
    if all_runs and not all_runs[-1].state.terminal and one.state is not IncidentState.HUMAN_OWNED:
        run = all_runs[-1]
        book = runs.pinned_playbook(tx, run.playbook_sha)
        progress = Progress.from_json(run.progress)
        until = waiting.expires_at if waiting else None
        found.insert(0, outlook.of_run(book, progress, run.next_at, until))
    return tuple(found)


def _approval(tx: Tx, one: Incident) -> ApprovalView | None:
    if one.state is IncidentState.HUMAN_OWNED:
        # The plan is dropped with the next turn; nobody is to agree to it any more.
        return None
    all_runs = runs.of_incident(tx, one.id)
    found = rails.pending(tx, all_runs[-1]) if all_runs else None
    if found is None:
        return None
    progress = Progress.from_json(all_runs[-1].progress)
    return ApprovalView(
        plan=found.plan_hash[:SHOWN_HASH],
        nonce=found.nonce,
        effects=tuple(part.summary for part in progress.asked),
        changed=progress.changed,
        requested_at=found.requested_at,
        expires_at=found.expires_at,
    )


def _decision(tx: Tx, one: Incident) -> str:
    found = rails.last_decision(tx, one.id)
    if found is None or found.decided_at is None or found.decided_by in (None, ENGINE):
        return ""
    because = f": {found.reason}" if found.reason else ""
    return f"{found.decision} by {found.decided_by} at {found.decided_at:%H:%M:%S} UTC{because}"


def _effects(tx: Tx, one: Incident) -> tuple[tuple[EffectView, ...], bool]:
    tried = runs.attempts_of_incident(tx, one.id)
    if tried:
        done = [
            EffectView(
                action=attempt.action,
                target=attempt.target,
                summary=attempt.summary,
                state=attempt.state,
                at=attempt.started_at or attempt.created_at,
                undo=attempt.undo_of is not None,
                error=attempt.error,
            )
            for attempt in tried
        ]
        return tuple(done), False
    planned: list[EffectView] = []
    for run in runs.of_incident(tx, one.id):
        planned.extend(
            EffectView(
                action=str(effect.get("action", "")),
                target=str(effect.get("target", "")),
                summary=str(effect.get("summary", "")),
                state=None,
                at=run.ended_at or run.started_at,
            )
            for effect in runs.shadow_of(tx, run.id)
        )
    return tuple(planned), bool(planned)


def acted(tx: Tx, one: Incident) -> bool:
    """Return whether an effect of this incident was done, or may have been."""
    harmless = (AttemptState.FAILED, AttemptState.NOT_DONE, AttemptState.INTENT)
    return any(a.state not in harmless for a in runs.attempts_of_incident(tx, one.id))


def firing(tx: Tx, one: Incident) -> list[alerts.StoredAlert]:
    """Return the incident's alerts that fire now, a storm's not all."""
    return alerts.of_incident(tx, one.id, firing=True)


def _plain(value: Any) -> str:
    """Return a value as a person reads it: no brackets, no quotes."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        inner = "; " if any(isinstance(one, Mapping) for one in value) else ", "
        return inner.join(map(_plain, value)) or "none"
    return value if isinstance(value, str) else json.dumps(value, default=str)


def evidence_of(body: Mapping[str, Any]) -> dict[str, str]:
    """Return evidence as short strings: it goes into messages."""
    return {str(key): _plain(value)[:300] for key, value in body.items()}
