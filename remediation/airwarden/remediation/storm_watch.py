"""Storms as they end: calm for long enough, then what was held is taken up again, a few at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from airwarden.core.alerts import Severity
from airwarden.remediation import ends, records
from airwarden.remediation.case import Parts, effective
from airwarden.remediation.decide.correlate import highest
from airwarden.remediation.decide.states import IncidentState
from airwarden.remediation.decide.storm import in_force
from airwarden.remediation.journal import alerts, incidents, rails, unrest
from airwarden.remediation.journal.incidents import Incident
from airwarden.remediation.journal.store import Tx
from airwarden.remediation.storms import LOOK_EVERY, as_endable, holds_remedies, is_storm
from airwarden.remediation.triage import Triage

#: Held alerts looked at for one release.
_MOST = 2000
#: Between two releases: the limit itself is a number of incidents within the storm's window.
_RELEASE_EVERY = timedelta(seconds=30)
#: Its alerts as people see them, in an incident's evidence.
_COUNT = "alerts"


class StormWatch:
    """Looks after storms that have begun."""

    def __init__(self, parts: Parts, triage: Triage) -> None:
        self._parts = parts
        self._triage = triage

    def due(self, tx: Tx) -> list[int]:
        """Return the storms to look at now."""
        return unrest.due_storms(tx)

    def look(self, incident_id: int) -> None:
        """See whether a storm goes on, is calm, or is over."""
        parts = self._parts
        with parts.journal.lead(parts.leadership.fence) as tx:
            one = incidents.get(tx, incident_id)
            if not is_storm(one) or one.state.terminal:
                return
            numbers = self._triage.storms.rails_of(one)
            why = self._triage.storms.pressure(tx, one)
            one = self._tell(tx, one)
            if why:
                if not in_force(one.healthy_since, tx.now, numbers):
                    records.say(tx, one, "storm", f"The storm goes on: {why}.")
                incidents.change(tx, one, healthy_since=None, next_at=tx.now + LOOK_EVERY)
                return
            since = one.healthy_since or tx.now
            if in_force(since, tx.now, numbers):
                incidents.change(tx, one, healthy_since=since, next_at=tx.now + LOOK_EVERY)
                return
            self._calm(tx, replace(one, healthy_since=since))

    def _tell(self, tx: Tx, one: Incident) -> Incident:
        """Let the storm's one message follow how many alerts it has."""
        tally = alerts.tally(tx, one.id)
        count = f"{tally.total}, of which {tally.firing} fire"
        if one.evidence.get(_COUNT) == count:
            return one
        worst = highest([one.severity, *alerts.severities(tx, one.id)])
        fields: dict[str, Any] = {"evidence": {**one.evidence, _COUNT: count}, "severity": worst}
        if worst is Severity.CRITICAL and one.page_at is None and one.paged_at is None:
            fields["page_at"] = tx.now
        changed = incidents.change(tx, one, **fields)
        records.tell(tx, changed)
        return changed

    def _calm(self, tx: Tx, one: Incident) -> None:
        parts = self._parts
        firing = alerts.tally(tx, one.id).firing
        if not firing:
            one = as_endable(tx, one)
            ends.resolve_incident(parts, tx, one, "the storm is over", by_itself=not one.owner)
            return
        later = tx.now + _RELEASE_EVERY
        loaded = parts.playbooks().by_name.get(one.playbook)
        mode = effective(parts, rails.switches(tx), one.playbook, one.cluster)
        if one.state is not IncidentState.STORM_HOLD:
            incidents.change(tx, one, next_at=later)
        elif not holds_remedies(loaded, mode):
            # Nobody but people would do anything about them: they stay this one incident.
            records.move(
                tx,
                one,
                IncidentState.ESCALATED,
                f"No more is coming; {firing} alert(s) still fire and are left to people.",
                next_at=later,
            )
        else:
            self._release(tx, one, firing)

    def _release(self, tx: Tx, one: Incident, firing: int) -> None:
        room = self._triage.storms.room(tx, one)
        if room > 0:
            members = alerts.of_incident(tx, one.id, firing=True, limit=_MOST)
            count = self._triage.release(tx, members, room)
            records.say(
                tx,
                one,
                "storm",
                f"It is calm: {count} of what was held is taken up; {firing} alert(s) were held.",
            )
        incidents.change(tx, one, next_at=tx.now + _RELEASE_EVERY)
