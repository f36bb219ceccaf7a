"""Incidents without a run: paging when it is due, and noticing that they are over."""

from __future__ import annotations

from datetime import datetime, timedelta

from airwarden.remediation import diagnosing, ends, leftovers, ownership, records, storms
from airwarden.remediation.case import Parts
from airwarden.remediation.checks.base import Reading, Verdict
from airwarden.remediation.decide.correlate import shared_labels
from airwarden.remediation.decide.states import IncidentState
from airwarden.remediation.holding import held_until
from airwarden.remediation.journal import alerts, incidents
from airwarden.remediation.journal.incidents import Incident
from airwarden.remediation.journal.store import Fence, Tx
from airwarden.remediation.playbook import PageWhen, Verify
from airwarden.remediation.world import Subject

#: The states in which nobody but a human, or time, does anything.
WAITING = (IncidentState.ESCALATED, IncidentState.HUMAN_OWNED)
#: A page that a storm's page stands for is looked at again after this.
_PAGE_LATER = timedelta(minutes=1)


class Closer:
    """Looks after incidents that no run looks after."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def page_due(self, fence: Fence) -> None:
        """Write the pages that are due: once per incident, never for what is silenced."""
        with self._parts.journal.read() as tx:
            due = [one.id for one in incidents.page_due(tx)]
        for incident_id in due:
            with self._parts.journal.lead(fence) as tx:
                self._page(tx, incidents.get(tx, incident_id))

    def _page(self, tx: Tx, one: Incident, *, sick: bool = False) -> None:
        tally = alerts.tally(tx, one.id)
        silenced = 0 < tally.firing == tally.suppressed
        over = tally.firing == 0 and not records.acted(tx, one) and not storms.is_storm(one)
        over = over and not sick
        if silenced or over or one.state.terminal or one.paged_at is not None:
            return
        if one.state is IncidentState.STABILIZING and not self._at_once(one):
            # It reads healthy, and is watched for whether it stays so: if not, this is still due.
            return
        if diagnosing.page_waits(self._parts, tx, one):
            return
        storm = storms.over(tx, self._parts.playbooks(), one)
        if storm is not None:
            self._page_with(tx, one, storm)
            return
        paged = incidents.change(tx, one, paged_at=tx.now)
        waited = (tx.now - one.opened_at).total_seconds()
        why = one.reason or (
            f"not healed after {waited:.0f} s" if waited >= 1 else "always at once"
        )
        records.say(tx, paged, "page", f"A person is paged: {why}.")
        records.page(tx, paged, "trigger")
        records.tell(tx, paged)

    def _at_once(self, one: Incident) -> bool:
        loaded = self._parts.playbooks().by_name.get(one.playbook)
        return loaded is None or loaded.playbook.page.when is PageWhen.AT_ONCE

    def _page_with(self, tx: Tx, one: Incident, storm: Incident) -> None:
        """In a storm there is one page; should the incident outlast it, it has its own then."""
        about = f"incident-{one.id}"
        if storm.paged_at is None:
            storm = incidents.change(tx, storm, paged_at=tx.now)
        if records.page(tx, storm, "trigger", about=about):
            records.say(tx, one, "page", f"It is paged with the storm, incident {storm.id}.")
        incidents.change(tx, one, page_at=tx.now + _PAGE_LATER)

    def due(self, tx: Tx) -> list[int]:
        """Return the incidents to look at now; storms are looked after elsewhere."""
        return [one.id for one in incidents.due(tx, WAITING) if not storms.is_storm(one)]

    def look(self, incident_id: int) -> None:
        """See whether an incident that people own is over: alerts gone, and live state healthy."""
        parts = self._parts
        with parts.journal.lead(parts.leadership.fence) as tx:
            one = incidents.get(tx, incident_id)
            if one.state not in WAITING:
                return
            rails = parts.playbooks().rails_of(one.playbook)
            subject = self._subject(tx, one) if diagnosing.missing(parts, tx, one) else None
            if subject is None and self._fires_on(tx, one):
                return
        if subject is not None:
            diagnosing.diagnose(parts, incident_id, subject)
            with parts.journal.lead(parts.leadership.fence) as tx:
                one = incidents.get(tx, incident_id)
                if one.state not in WAITING or self._fires_on(tx, one):
                    return
        reading = self._read(one)
        with parts.journal.lead(parts.leadership.fence) as tx:
            later = tx.now + 2 * rails.recheck
            if reading is not None and reading.verdict is not Verdict.TRUE:
                if self._page_overdue(tx, one, reading):
                    self._page(tx, one, sick=True)
                    one = incidents.get(tx, incident_id)
                self._later(tx, one, healthy_since=None, next_at=later)
                return
            since = one.healthy_since or tx.now
            stable = self._verify(one).stable if reading is not None else rails.quiet_close
            if held_until(one, tx.now) is not None:
                # A pause between two flaps is no end.
                stable = max(stable, rails.flap_quiet)
            if tx.now - since < stable:
                self._later(tx, one, healthy_since=since, next_at=later)
                return
            owned = one.state is IncidentState.HUMAN_OWNED
            if not owned and leftovers.restore(parts, tx, one):
                self._later(tx, one, next_at=later)
                return
            if leftovers.standing(tx, one) or (owned and ownership.left_standing(tx, one)):
                # Healthy, but not as it was: that ends when a person says so.
                self._later(tx, one, next_at=later)
                return
            sentence = reading.sentence if reading is not None else "its alerts are gone"
            by_itself = not records.acted(tx, one) and not one.owner
            ends.resolve_incident(parts, tx, one, sentence, by_itself=by_itself)

    def _fires_on(self, tx: Tx, one: Incident) -> bool:
        """Return whether an alert of it still fires; then it is looked at later."""
        if alerts.tally(tx, one.id).firing == 0:
            return False
        recheck = self._parts.playbooks().rails_of(one.playbook).recheck
        self._later(tx, one, healthy_since=None, next_at=tx.now + 2 * recheck)
        return True

    def _page_overdue(self, tx: Tx, one: Incident, reading: Reading) -> bool:
        """Return whether a page that its ended alerts held back is due all the same.

        An exporter that dies resolves its alerts; what still reads sick, or cannot be read for long,
        would otherwise stay with people who never heard of it.
        """
        if one.paged_at is not None or one.page_at is None:
            return False
        patience = self._parts.playbooks().rails_of(one.playbook).unreadable_patience
        unread = reading.verdict is Verdict.UNKNOWN
        return tx.now >= one.page_at + (patience if unread else timedelta(0))

    def _later(self, tx: Tx, one: Incident, **fields: datetime | None) -> None:
        # A look that changes nothing for people leaves the time of the last change alone.
        incidents.change(tx, one, updated_at=one.updated_at, **fields)

    def _verify(self, one: Incident) -> Verify:
        loaded = self._parts.playbooks().by_name.get(one.playbook)
        return (loaded.playbook.verify if loaded else None) or Verify(check="")

    def _read(self, one: Incident) -> Reading | None:
        """Read the playbook's live check; None where it has none, or its cluster is not here."""
        use = self._verify(one)
        world = self._parts.worlds().get(one.cluster)
        if not use.check or world is None:
            return None
        with self._parts.journal.read() as tx:
            subject = self._subject(tx, one)
        return self._parts.read_check(world, subject, use)

    def _subject(self, tx: Tx, one: Incident) -> Subject:
        members = alerts.of_incident(tx, one.id)
        labels = [member.alert.labels for member in members]
        return Subject(
            incident_id=str(one.id),
            playbook=one.playbook,
            labels=shared_labels(labels) if labels else dict(one.labels),
            started_at=one.started_at,
            alerts=tuple(labels),
        )
