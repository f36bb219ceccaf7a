"""An incident's story in plain sentences, told from the journal alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from airwarden.core.errors import NotFoundError
from airwarden.remediation import records
from airwarden.remediation.decide.view import ApprovalView
from airwarden.remediation.journal import audit, incidents
from airwarden.remediation.journal.store import Journal


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence of the story; `after` is seconds since the incident was opened."""

    at: datetime
    after: float
    actor: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What an incident was, what was done or not done and why, and how it stands."""

    incident_id: str
    title: str
    state: str
    lines: tuple[Line, ...]
    ending: str
    approval: ApprovalView | None = None

    def text(self) -> str:
        """Return it as text, one sentence a line."""
        head = f"Incident {self.incident_id}: {self.title} ({self.state})"
        body = [f"{line.at:%H:%M:%S} +{line.after:6.1f}s  {line.sentence}" for line in self.lines]
        return "\n".join([head, *body, *self._question(), self.ending])

    def _question(self) -> list[str]:
        """Say what waits for a person's yes, how it differs from before, and how to answer."""
        asked = self.approval
        if asked is None:
            return []
        changed = [f"  differs from before: {line}" for line in asked.changed]
        return [
            f"Plan {asked.plan} waits for a person until {asked.expires_at:%H:%M:%S} UTC:",
            *(f"  {effect}" for effect in asked.effects),
            *changed,
            f"  airwarden approve {self.incident_id} --plan {asked.plan}, or airwarden deny"
            f" {self.incident_id}",
        ]


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
            raise NotFoundError(f"there is no incident {incident_id}") from None
        story = audit.entries(tx, object=one.object)
        view = records.view(tx, one)
    lines = tuple(
        Line(
            entry.at,
            (entry.at - one.opened_at).total_seconds(),
            "" if entry.actor == records.ENGINE else entry.actor,
            entry.sentence,
        )
        for entry in story
    )
    if one.ended_at is not None:
        took = (one.ended_at - one.opened_at).total_seconds()
        how = "by itself" if one.healed_by_itself else "after what was done"
        ending = f"It ended {how} after {took:.0f} s: {one.reason}."
    elif one.reason:
        ending = f"It is open: {one.reason}."
    else:
        ending = "It is open: a remedy is under way."
    if view.approval is not None:
        ending = "It is open: a person has to agree."
    if view.cause:
        ending += f" The likely cause: {view.cause}."
    if view.human_steps:
        ending += " For a person: " + "; ".join(view.human_steps) + "."
    return Explanation(str(one.id), one.title, one.state.value, lines, ending, view.approval)
