"""The words that a chat message and a page share, each said once here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from airwarden.remediation.decide.states import AttemptState, IncidentState
from airwarden.remediation.decide.view import EffectView, IncidentView, TimelineEntry
from airwarden.remediation.notify.redact import redact

_STANDING: dict[IncidentState, str] = {
    IncidentState.OPEN: "Taken",
    IncidentState.TRIAGE: "Taken",
    IncidentState.SUPPRESSED: "Suppressed",
    IncidentState.STORM_HOLD: "Held back: too much at once",
    IncidentState.NO_PLAYBOOK: "Needs a person",
    IncidentState.REMEDIATING: "Being remedied",
    IncidentState.STABILIZING: "Watching whether it stays healthy",
    IncidentState.ESCALATED: "Needs a person",
    IncidentState.HUMAN_OWNED: "In a person's hands",
    IncidentState.REOPENED: "Came back",
    IncidentState.RESOLVED: "Resolved",
    IncidentState.CLOSED: "Closed",
}
_EFFECT: dict[AttemptState | None, str] = {
    None: "would",
    AttemptState.CONFIRMED: "done",
    AttemptState.NOT_DONE: "did not happen",
    AttemptState.FAILED: "failed",
    AttemptState.UNDECIDABLE: "not known whether done",
}


def cut(text: str, most: int) -> str:
    """Return at most `most` characters, the last one an ellipsis where something is missing."""
    return text if len(text) <= most else text[: most - 1] + "…"


def standing(view: IncidentView) -> str:
    """Say where the incident stands, in a few words."""
    if view.healed_by_itself and view.state.terminal:
        return "Healed by itself"
    if view.approval_expires_at is not None and not view.state.terminal:
        return "Waits for approval"
    return _STANDING[view.state]


def headline(view: IncidentView, most: int = 1000) -> str:
    """Return one line: which platform, what broke and of what, and what is at fault.

    Where it is too long the title is shortened, not what is at fault.
    """
    cause = redact(f" — {view.cause}") if view.cause else ""
    cause = cut(cause, most // 2)
    return cut(redact(f"{view.cluster}: {view.title}"), most - len(cause)) + cause


def since(view: IncidentView) -> str:
    """Say since when it is broken, with the date where that is another day than the last change's."""
    began = view.started_at or view.opened_at
    day = "" if began.date() == view.updated_at.date() else f"{began:%Y-%m-%d} "
    return f"since {day}{began:%H:%M:%S} UTC"


def affected(view: IncidentView) -> list[str]:
    """Return who is affected, as far as it was measured."""
    return [redact(line) for line in view.affected]


def ahead(view: IncidentView) -> list[str]:
    """Return what is still to come, each with its time."""
    return [
        redact(f"{one.at:%H:%M:%S} UTC: {one.sentence}" if one.at else one.sentence)
        for one in view.ahead
    ]


def thread(entries: Sequence[TimelineEntry], most: int = 3500) -> str:
    """Return lines of an incident's story for its thread, the latest ones where not all of them fit."""
    lines = [redact(f"{entry.at:%H:%M:%S} {entry.sentence}") for entry in entries]
    kept: list[str] = []
    for line in reversed(lines):
        line = cut(line, 1000)
        if sum(map(len, kept)) + len(kept) + len(line) > most - 60:
            kept.insert(0, f"({len(lines) - len(kept)} earlier lines: airwarden explain)")
            break
        kept.insert(0, line)
    return "\n".join(kept)


def what_broke(view: IncidentView, most: int = 5) -> list[str]:
    """Return the alerts' summaries, each once."""
    said = list(dict.fromkeys(alert.summary or alert.name for alert in view.alerts))
    lines = [redact(text) for text in said[:most]]
    hidden = max(view.alerts_total, len(view.alerts)) - len(view.alerts) + len(said[most:])
    return [*lines, f"and {hidden} more"] if hidden > 0 else lines


def what_was_done(view: IncidentView) -> list[str]:
    """Return one line an effect, with what came of it."""
    return [redact(_effect(effect, shadow=view.shadow)) for effect in view.effects]


def _effect(effect: EffectView, *, shadow: bool) -> str:
    state = "would" if shadow else _EFFECT.get(effect.state, "under way")
    undo = "taken back: " if effect.undo else ""
    error = f" ({effect.error})" if effect.error else ""
    return f"{effect.at:%H:%M:%S} {undo}{effect.summary}: {state}{error}"


def what_waits(view: IncidentView) -> list[str]:
    """Return what a person is asked to agree to, how it differs from before, and how to answer."""
    asked = view.approval
    if asked is None or view.state.terminal:
        return []
    changed = [f"differs from before: {line}" for line in asked.changed]
    answer = (
        f"airwarden approve {view.incident_id} --plan {asked.plan}, or airwarden deny"
        f" {view.incident_id}, until {asked.expires_at:%H:%M} UTC"
    )
    return [redact(line) for line in (*asked.effects, *changed)] + [answer]


def decided(view: IncidentView) -> str:
    """Say what a person decided about the last plan."""
    return redact(view.decision)


def why(view: IncidentView) -> str:
    """Return why it stands as it does, and what is at fault."""
    return redact(view.reason)


def evidence(view: IncidentView) -> dict[str, str]:
    """Return what was read, by name."""
    return {name: redact(text) for name, text in view.evidence.items()}


@dataclass(frozen=True, slots=True)
class Places:
    """Addresses that messages lead to, beside those that the alerts carry.

    Attributes:
        incident: Address of an incident with `{id}` in it, or empty.
        airflow: Cluster → Airflow's address.
    """

    incident: str = ""
    airflow: Mapping[str, str] = field(default_factory=dict)


def links(view: IncidentView, places: Places) -> dict[str, str]:
    """Return where to look further: the incident, the first alert's runbook and dashboard, tasks' logs."""
    found: dict[str, str] = {}
    if places.incident and view.incident_id:
        found["Incident"] = places.incident.format(id=view.incident_id)
    for alert in view.alerts:
        for name, url in (("Runbook", alert.runbook_url), ("Dashboard", alert.dashboard_url)):
            if url.startswith(("http://", "https://")):
                found.setdefault(name, url)
    base = places.airflow.get(view.cluster, "").rstrip("/")
    if base.startswith(("http://", "https://")):
        found["Task logs"] = base + _tasks(view)
    return found


def _tasks(view: IncidentView) -> str:
    """Return Airflow's page from which the logs of the tasks that this is about are one click away."""
    dags = {alert.labels["dag_id"] for alert in view.alerts if alert.labels.get("dag_id")}
    if len(dags) == 1:
        return f"/dags/{quote(dags.pop(), safe='')}/tasks"
    return "/task_instances?task_state=failed"
