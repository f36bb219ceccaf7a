"""One PagerDuty event an incident: a title that names the fault, and the facts a person needs first."""

from __future__ import annotations

from collections.abc import Mapping

from airwarden.core.alerts import Severity
from airwarden.core.platform import PagerEvent
from airwarden.remediation.decide.view import IncidentView
from airwarden.remediation.notify import words
from airwarden.remediation.notify.redact import redact

_SUMMARY, _DETAIL = 1024, 4000
_SEVERITY: Mapping[Severity, str] = {
    Severity.CRITICAL: "critical",
    Severity.WARNING: "warning",
    Severity.INFO: "info",
    Severity.NONE: "info",
}


class PagerDutyComposer:
    """Makes the event for an incident as it is now.

    Args:
        default_key: Routing key for incidents of no team, or of one without a key; empty for none.
        team_keys: Team → routing key.
        places: Addresses that a page leads to.
    """

    def __init__(
        self,
        default_key: str,
        team_keys: Mapping[str, str] | None = None,
        places: words.Places | None = None,
    ) -> None:
        self._default = default_key
        self._teams = dict(team_keys or {})
        self._places = places or words.Places()

    def __call__(self, view: IncidentView, action: str) -> PagerEvent | None:
        """Return the event; `action` is `trigger`, `acknowledge` or `resolve`; None without a key."""
        key = self._teams.get(view.team) or self._default
        if not key:
            return None
        links = words.links(view, self._places)
        return PagerEvent(
            action=action,
            dedup_key=view.dedup_key,
            routing_key=key,
            summary=words.headline(view, _SUMMARY),
            source=f"airwarden/{view.cluster}",
            severity=_SEVERITY[view.severity],
            component=view.labels.get("component", ""),
            details=_details(view),
            links=links,
            client_url=links.get("Incident", ""),
        )


def _details(view: IncidentView) -> dict[str, str]:
    """Return the facts in the order in which they are needed: what is too long loses its last ones."""
    done = "would have done (shadow)" if view.shadow else "what was done"
    found = {
        "what broke": "\n".join(words.what_broke(view)),
        "since": words.since(view).removeprefix("since "),
        "who is affected": "\n".join(words.affected(view)),
        "at fault": redact(view.cause),
        "why": words.why(view),
        done: "\n".join(words.what_was_done(view)) or "nothing",
        "waits for a yes": "\n".join(words.what_waits(view)),
        "what comes next": "\n".join(words.ahead(view)),
        "for a person to do": "\n".join(redact(step) for step in view.human_steps),
        "standing": words.standing(view),
        "incident": view.incident_id,
        "playbook": view.playbook and f"{view.playbook} ({view.mode.value})",
        "team": view.team,
        **{f"evidence: {name}": text for name, text in words.evidence(view).items()},
        "story": "\n".join(
            redact(f"{entry.at:%H:%M:%S} {entry.sentence}") for entry in view.timeline
        ),
    }
    return {name: words.cut(text, _DETAIL) for name, text in found.items() if text}
