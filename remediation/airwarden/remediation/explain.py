"""An incident's story in plain sentences with its evidence, told from the journal alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from airwarden.core.errors import NotFoundError
from airwarden.remediation import records, storytelling
from airwarden.remediation.decide.chain import Entry, Kind
from airwarden.remediation.decide.states import AttemptState, IncidentState
from airwarden.remediation.decide.view import AlertView, IncidentView
from airwarden.remediation.journal import audit, checkpoints, incidents, runs
from airwarden.remediation.journal.incidents import Incident
from airwarden.remediation.journal.store import Journal, Tx

#: The audit's words for a reading of the live state, and the states that only a reading leads to.
_READ = frozenset({"confirm", "verify"})
#: What is said beside what is done: pages, and alerts that come and go.
_TALK = frozenset({"page", "alerts", "flapping"})
_READ_WELL = frozenset({IncidentState.STABILIZING.value, IncidentState.RESOLVED.value})


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence of the story; `after` is seconds since the incident was opened."""

    at: datetime
    after: float
    actor: str
    sentence: str
    action: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """A guard that held an effect back: the last time, and how often in all."""

    guard: str
    at: datetime
    times: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Done:
    """One effect, tried once.

    Attributes:
        state: Where it stands; None for one that shadow mode only planned.
        before: What was there before it.
        wanted: What it set.
        observed: What the target answered.
    """

    summary: str
    target: str
    action: str
    state: AttemptState | None
    at: datetime
    undo: bool = False
    before: Mapping[str, Any] | None = None
    wanted: Mapping[str, Any] | None = None
    observed: Mapping[str, Any] | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What an incident was, what was read, what was done or not done and why, and how it stands.

    Attributes:
        view: The incident as lists show it.
        alerts: What fired, at most 50 of `view.alerts_total`.
        readings: Live readings that confirmed the fault or showed health.
        refusals: Guards that held it back.
        effects: What was done, or in shadow would have been.
        lines: The whole story.
        archived: The archive's file that holds the story's beginning, empty where all of it is here.
        now: The moment that it was told.
    """

    incident_id: str
    title: str
    state: str
    view: IncidentView
    alerts: tuple[AlertView, ...]
    readings: tuple[Line, ...]
    refusals: tuple[Refused, ...]
    effects: tuple[Done, ...]
    lines: tuple[Line, ...]
    ending: str
    archived: str
    now: datetime

    def text(self) -> str:
        """Return it as text, one sentence a line."""
        return storytelling.tell(self)


def explain(journal: Journal, incident_id: int) -> Explanation:
    """Tell an incident's story.

    Raises:
        NotFoundError: There is no such incident.
        UnavailableError: The journal does not answer.
    """
    with journal.read() as tx:
        try:
            one = incidents.get(tx, incident_id)
        except KeyError:
            raise NotFoundError(
                f"there is no incident {incident_id}: it never was, or it is archived"
            ) from None
        story = audit.entries(tx, object=one.object)
        view = records.view(tx, one)
        lines = tuple(_line(entry, one.opened_at) for entry in story)
        return Explanation(
            incident_id=str(one.id),
            title=one.title,
            state=one.state.value,
            # The whole story is beside it.
            view=replace(view, timeline=()),
            alerts=view.alerts,
            readings=tuple(
                line for line, entry in zip(lines, story, strict=True) if _is_reading(entry)
            ),
            refusals=tuple(_refusals(story)),
            effects=_effects(tx, one, view),
            lines=lines,
            ending=_ending(one, view, story, acted=records.acted(tx, one)),
            archived=_archived(tx, lines),
            now=tx.now,
        )


def _line(entry: Entry, opened_at: datetime) -> Line:
    return Line(
        entry.at,
        (entry.at - opened_at).total_seconds(),
        "" if entry.actor == records.ENGINE else entry.actor,
        entry.sentence,
        entry.action,
    )


def _is_reading(entry: Entry) -> bool:
    return entry.action in _READ or str(entry.facts.get("state")) in _READ_WELL


def _refusals(story: Sequence[Entry]) -> list[Refused]:
    found: dict[str, Refused] = {}
    for entry in story:
        if entry.action == "guard":
            guard = str(entry.facts.get("guard", "unreadable"))
            before = found.pop(guard, None)
            times = before.times + 1 if before else 1
            found[guard] = Refused(guard, entry.at, times, entry.sentence)
    return list(found.values())


def _effects(tx: Tx, one: Incident, view: IncidentView) -> tuple[Done, ...]:
    if view.shadow:
        return tuple(Done(e.summary, e.target, e.action, None, e.at) for e in view.effects)
    return tuple(
        Done(
            attempt.summary,
            attempt.target,
            attempt.action,
            attempt.state,
            attempt.started_at or attempt.created_at,
            attempt.undo_of is not None,
            json.loads(attempt.before_json),
            attempt.effect.parameters,
            json.loads(attempt.observed_json) if attempt.observed_json else None,
            attempt.error,
        )
        for attempt in runs.attempts_of_incident(tx, one.id)
    )


def _ending(one: Incident, view: IncidentView, story: Sequence[Entry], *, acted: bool) -> str:
    if one.ended_at is not None:
        took = storytelling.lasted((one.ended_at - one.opened_at).total_seconds())
        if one.state is IncidentState.CLOSED:
            how = f"It was closed after {took}"
        elif one.healed_by_itself:
            how = f"It healed by itself after {took}"
        elif acted:
            how = f"It healed after {took}, by what was done"
        else:
            how = f"It ended after {took}, by people"
        text = f"{how}: {one.reason.rstrip('.')}."
    elif one.owner:
        text = f"It is open, and {one.owner} has taken it: {one.reason or 'no reason was given'}."
    elif view.approval_expires_at is not None:
        until = f"{view.approval_expires_at:%H:%M:%S} UTC"
        text = f"It is open: a plan waits for a person's yes until {until}."
    elif one.state in (IncidentState.ESCALATED, IncidentState.HUMAN_OWNED):
        why = one.reason.removeprefix("for a human only: ")
        join = ", " if why.startswith("because ") else ": "
        text = f"It is open and waits for a person{join}{why}."
    elif (held := _held_back(story)) is not None:
        text = f"It is open and held back. {held.sentence}"
    elif one.reason:
        text = f"It is open: {one.reason}."
    else:
        text = "It is open: a remedy is under way."
    if one.cause:
        text += f" The likely cause: {one.cause}."
    return text


def _held_back(story: Sequence[Entry]) -> Entry | None:
    """Return why nothing is being done just now: a guard's line that nothing but talk came after."""
    last = next((entry for entry in reversed(story) if entry.action not in _TALK), None)
    return last if last is not None and last.action == "guard" else None


def _archived(tx: Tx, lines: Sequence[Line]) -> str:
    mark = checkpoints.last(tx, Kind.ARCHIVED)
    if mark is None or (lines and lines[0].after < 1):
        return ""
    return mark.file
