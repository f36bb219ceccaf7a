"""Reading what is the matter for the person who is called: once for each time that an incident becomes theirs."""

from __future__ import annotations

from datetime import timedelta

from airwarden.remediation import records
from airwarden.remediation.case import Parts
from airwarden.remediation.checks.base import Verdict
from airwarden.remediation.decide.states import IncidentState
from airwarden.remediation.journal import alerts, incidents
from airwarden.remediation.journal.incidents import Incident
from airwarden.remediation.journal.store import Tx
from airwarden.remediation.playbook import Diagnosis
from airwarden.remediation.world import Subject, World

#: How long a page waits for what is read for it: then it goes without.
PATIENCE = timedelta(seconds=20)
#: Alerts of an incident whose names are looked at.
_ALERTS = 50


def missing(parts: Parts, tx: Tx, one: Incident) -> tuple[Diagnosis, ...]:
    """Return what is still to be read for an incident that is a person's."""
    world = parts.worlds().get(one.cluster)
    loaded = parts.playbooks().by_name.get(one.playbook)
    if one.state is not IncidentState.ESCALATED or world is None or loaded is None:
        return ()
    wanted = [
        use
        for use in loaded.playbook.diagnosis
        if _name(use) not in one.evidence and _can_be_read(parts, world, use)
    ]
    if not wanted:
        return ()
    names = {member.alert.name for member in alerts.of_incident(tx, one.id, limit=_ALERTS)}
    return tuple(use for use in wanted if not use.alerts or names & set(use.alerts))


def page_waits(parts: Parts, tx: Tx, one: Incident) -> bool:
    """Return whether its page is held for what is being read; never for long."""
    due = one.page_at
    return due is not None and tx.now - due < PATIENCE and bool(missing(parts, tx, one))


def diagnose(parts: Parts, incident_id: int, subject: Subject) -> None:
    """Read what its playbook names, and put it and the likely cause into the incident.

    Raises:
        FencedError: This process no longer leads.
    """
    with parts.journal.lead(parts.leadership.fence) as tx:
        one = incidents.get(tx, incident_id)
        wanted = missing(parts, tx, one)
    if not wanted:
        return
    world = parts.worlds()[one.cluster]
    read = [(use, parts.read_check(world, subject, use)) for use in wanted]
    unread = sum(reading.verdict is Verdict.UNKNOWN for _, reading in read)
    causes = [reading.sentence for _, reading in read if reading.verdict is Verdict.TRUE]
    with parts.journal.lead(parts.leadership.fence) as tx:
        one = incidents.get(tx, incident_id)
        if one.state is not IncidentState.ESCALATED:
            return
        found = {_name(use): reading.sentence for use, reading in read}
        cause = one.cause or (causes[0] if causes else "")
        nothing = (
            f"no cause found there, but {unread} cannot be read"
            if unread
            else "no cause found there"
        )
        said = f"the likely cause: {causes[0]}" if causes else nothing
        records.change(
            tx,
            one,
            "diagnosis",
            f"Read for whoever is called ({', '.join(found)}): {said}.",
            evidence={**one.evidence, **records.evidence_of(found)},
            cause=cause[:300],
        )


def _can_be_read(parts: Parts, world: World, use: Diagnosis) -> bool:
    """Leave out what the platform has no door to: to say so at each page would help nobody."""
    check = parts.checks.get(use.check)
    return check is not None and all(world.has(need) for need in check.needs)


def _name(use: Diagnosis) -> str:
    return use.check.replace("-", " ")
