"""What is kept from being acted on because it flaps: noted in the incident, and carried to its next life."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.journal.incidents import Incident

#: Under which flapping is noted in an incident's evidence.
FLAPPING = "flapping"
_UNTIL = "no action before"
#: Since when comings and goings count; what was before a person closed the incident does not.
_COUNTED = "flapping counted from"


def held_evidence(why: str, now: datetime, rails: Rails) -> dict[str, str]:
    """Return what an incident notes when flapping was seen."""
    return {FLAPPING: why, _UNTIL: (now + rails.flap_hold).isoformat(timespec="seconds")}


def held_until(one: Incident, now: datetime) -> datetime | None:
    """Return until when nothing is done about an incident by itself, None where nothing holds it."""
    noted = one.evidence.get(_UNTIL)
    until = datetime.fromisoformat(noted) if noted else None
    return until if until is not None and until > now else None


def lifted(evidence: Mapping[str, str], now: datetime) -> dict[str, str]:
    """Return the evidence of an incident whose hold ends now: what it did so far counts no more."""
    kept = {name: text for name, text in evidence.items() if name not in (FLAPPING, _UNTIL)}
    return {**kept, _COUNTED: now.isoformat(timespec="milliseconds")}


def counted_from(one: Incident | None) -> datetime | None:
    """Return since when an incident's comings and goings count, None for always."""
    noted = one.evidence.get(_COUNTED) if one is not None else None
    return datetime.fromisoformat(noted) if noted else None


def handed_on(last: Incident | None, now: datetime) -> dict[str, str]:
    """Return the evidence that an incident hands on to the next one of its key."""
    if last is None:
        return {}
    names = (FLAPPING, _UNTIL, _COUNTED) if held_until(last, now) is not None else (_COUNTED,)
    return {name: last.evidence[name] for name in names if name in last.evidence}


def held_words(evidence: Mapping[str, str]) -> str:
    """Say that it flaps, and for how long it is left alone."""
    until = datetime.fromisoformat(evidence[_UNTIL])
    return (
        f"it flaps, {evidence[FLAPPING]}; nothing is done by itself before {until:%d %b %H:%M} UTC"
    )
