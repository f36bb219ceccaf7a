"""An alert joins its incident, or opens one, and the incident finds its playbook or its people."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from airwarden.core.alerts import Alert
from airwarden.remediation import records
from airwarden.remediation.actions.base import Action, Danger
from airwarden.remediation.decide.correlate import (
    LoadedPlaybook,
    Place,
    PlaybookSet,
    highest,
    shared_labels,
    subject_words,
)
from airwarden.remediation.decide.flapping import flapping
from airwarden.remediation.decide.paging import NO_PLAYBOOK_PAGE, Escalation, page_at
from airwarden.remediation.decide.progress import Progress
from airwarden.remediation.decide.states import IncidentState, Mode
from airwarden.remediation.holding import (
    counted_from,
    handed_on,
    held_evidence,
    held_until,
    held_words,
)
from airwarden.remediation.journal import alerts, incidents, rails, runs, unrest
from airwarden.remediation.journal.incidents import Incident
from airwarden.remediation.journal.store import Tx
from airwarden.remediation.modes import mode_for
from airwarden.remediation.playbook import ActionStep, Playbook
from airwarden.remediation.storms import Storms, storm_place
from airwarden.remediation.telemetry import Telemetry

#: An alert that fires on after its incident was closed as healthy so many times is a person's.
_READ_WELL = 2


class Joining:
    """Puts groups of firing alerts into incidents, and begins their first runs.

    Args:
        playbooks: The set in force now.
        clusters: The clusters that this process can reach now.
        actions: To know the highest danger of a playbook.
        storms: What a storm holds back.
        telemetry: Counts what comes back and what is left to people.
    """

    def __init__(
        self,
        playbooks: Callable[[], PlaybookSet],
        clusters: Callable[[], Collection[str]],
        actions: Mapping[str, Action],
        storms: Storms,
        telemetry: Telemetry,
    ) -> None:
        self._playbooks = playbooks
        self._clusters = clusters
        self._actions = actions
        self._storms = storms
        self._telemetry = telemetry

    def join(
        self,
        tx: Tx,
        source: str,
        where: Place,
        group: Sequence[Alert],
        *,
        again: Collection[str] = (),
        unceasing: bool = False,
        released: bool = False,
    ) -> None:
        """Put alerts that belong to one place into its incident; opened and routed where it is new.

        Args:
            tx: The leader's.
            source: Which Alertmanager.
            where: Their incident's place.
            group: The alerts, all firing.
            again: Fingerprints of those that had ended and fire again: they may flap.
            unceasing: They fire on although their incident was resolved.
            released: A storm had held them back.
        """
        loaded = self._playbooks().by_name.get(where.playbook)
        one = incidents.open_by_key(tx, where.cluster, where.key)
        last = self._last(tx, where, loaded) if one is None else None
        suspects = [a.fingerprint for a in group if a.fingerprint in again]
        restless = self._flapping(tx, source, loaded, suspects, counted_from(one or last))
        if one is not None:
            one = self._widen(tx, one, loaded, group, again, restless)
        elif unceasing and (storm := self._stormed(tx, where, loaded, group)) is not None:
            alerts.store(tx, source, [(alert, storm.id) for alert in group])
            return
        else:
            one = self._open(tx, where, loaded, group, restless, last)
        alerts.store(tx, source, [(alert, one.id) for alert in group])
        if released:
            records.say(tx, one, "storm", "A storm had held it back.")
        if one.state in (IncidentState.OPEN, IncidentState.REOPENED):
            since = min(alert.starts_at for alert in group) if unceasing else None
            self.route(
                tx,
                incidents.move(tx, one, IncidentState.TRIAGE),
                loaded,
                unceasing_since=since,
            )
        elif restless and one.state is IncidentState.REMEDIATING and not records.acted(tx, one):
            self._to_people(tx, one, loaded, held_words(one.evidence), stuck=True)

    def _stormed(
        self, tx: Tx, where: Place, loaded: LoadedPlaybook | None, group: Sequence[Alert]
    ) -> Incident | None:
        above = storm_place(where)
        storm = incidents.open_by_key(tx, above.cluster, above.key)
        return self._storms.takes(tx, where, loaded, group, storm)

    def _flapping(
        self,
        tx: Tx,
        source: str,
        loaded: LoadedPlaybook | None,
        suspects: Sequence[str],
        since: datetime | None,
    ) -> str:
        """Return which of these alerts flaps; only one that has fired before can."""
        if not suspects:
            return ""
        numbers = loaded.rails if loaded else self._playbooks().rails
        return flapping(unrest.histories(tx, source, suspects, numbers, since), tx.now, numbers)

    def _last(self, tx: Tx, where: Place, loaded: LoadedPlaybook | None) -> Incident | None:
        """Return the last incident of this place, as far as it matters still."""
        numbers = loaded.rails if loaded else self._playbooks().rails
        window = max(numbers.recurrence_window, numbers.flap_hold)
        return incidents.last_ended(tx, where.cluster, where.key, tx.now - window)

    def _widen(
        self,
        tx: Tx,
        one: Incident,
        loaded: LoadedPlaybook | None,
        group: Sequence[Alert],
        again: Collection[str],
        restless: str,
    ) -> Incident:
        severity = highest([one.severity, *(alert.severity for alert in group)])
        fields: dict[str, Any] = {
            "labels": shared_labels([one.labels, *(alert.labels for alert in group)]),
            "severity": severity,
            # However well it read a moment ago, that stretch is over.
            "healthy_since": None,
        }
        if one.page_at is None and severity is not one.severity:
            escalated = one.state in (IncidentState.ESCALATED, IncidentState.HUMAN_OWNED)
            fields["page_at"] = page_at(
                loaded.playbook.page if loaded else NO_PLAYBOOK_PAGE,
                severity,
                one.opened_at,
                tx.now,
                escalation=Escalation.BY_DESIGN if escalated else None,
            )
        names = ", ".join(sorted({alert.name for alert in group}))
        numbers = loaded.rails if loaded else self._playbooks().rails
        if held_until(one, tx.now) is not None:
            # Known to flap: each coming and going is in the events, and would only be noise here.
            return incidents.change(tx, one, **fields)
        if restless:
            fields["evidence"] = {**one.evidence, **held_evidence(restless, tx.now, numbers)}
            return records.change(
                tx, one, "flapping", f"{held_words(fields['evidence'])}.", **fields
            )
        if all(alert.fingerprint in again for alert in group):
            return records.change(tx, one, "alerts", f"{names} fires again.", **fields)
        sentence = f"{len(group)} more alert(s) joined: {names}."
        return records.change(tx, one, "alerts", sentence, **fields)

    def _open(
        self,
        tx: Tx,
        where: Place,
        loaded: LoadedPlaybook | None,
        group: Sequence[Alert],
        restless: str,
        last: Incident | None,
    ) -> Incident:
        severity = highest(alert.severity for alert in group)
        labels = shared_labels([alert.labels for alert in group])
        book = loaded.playbook if loaded else None
        numbers = loaded.rails if loaded else self._playbooks().rails
        evidence = handed_on(last, tx.now)
        if restless:
            evidence |= held_evidence(restless, tx.now, numbers)
        fields: dict[str, Any] = {
            "severity": severity,
            "labels": labels,
            "started_at": min(alert.starts_at for alert in group),
            "page_at": page_at(
                book.page if book else NO_PLAYBOOK_PAGE,
                severity,
                tx.now,
                tx.now,
                escalation=None if book else Escalation.BY_DESIGN,
            ),
            "mode": mode_for(loaded, rails.switches(tx), where.cluster),
            "evidence": evidence,
        }
        names = ", ".join(sorted({alert.name for alert in group}))
        if last is not None and last.comes_back(tx.now - numbers.recurrence_window):
            self._telemetry.recurred(where.cluster, where.playbook)
            return records.move(
                tx,
                last,
                IncidentState.REOPENED,
                f"It came back: {names} fires again; this is the same incident.",
                **{**records.AFRESH, **fields},
                reason="",
                next_at=tx.now,
                recurrence=last.recurrence + 1,
            )
        one = incidents.open_new(
            tx,
            cluster=where.cluster,
            correlation_key=where.key,
            playbook=where.playbook,
            title=_title(book, group[0], labels),
            dedup_key=records.dedup_key(tx, where),
            **fields,
        )
        records.say(tx, one, "incident", f"{names} fires; the incident is opened.", state=one.state)
        return one

    def route(
        self,
        tx: Tx,
        one: Incident,
        loaded: LoadedPlaybook | None,
        *,
        unceasing_since: datetime | None = None,
    ) -> None:
        """Give an incident in triage to its playbook, or to people with the reason."""
        reason, stuck = "", False
        if one.cluster not in self._clusters():
            reason = f"cluster {one.cluster!r} is not configured here, nothing can be done"
        elif loaded is None:
            one = incidents.move(tx, one, IncidentState.NO_PLAYBOOK)
            reason = "no playbook matches this alert"
        elif not loaded.playbook.ordered:
            reason = (
                f"for a human only: {loaded.playbook.human_only or 'the playbook has no steps'}"
            )
        elif one.mode is Mode.OFF:
            reason = f"playbook {one.playbook} is switched off"
        elif held_until(one, tx.now) is not None:
            reason, stuck = held_words(one.evidence), True
        elif unceasing_since is not None and _tried_since(tx, one, unceasing_since) >= _READ_WELL:
            # Either may be wrong; taking and closing it for ever would keep it from everybody.
            reason = "its alert has never stopped, and the live state reads healthy each time"
        if reason:
            self._to_people(tx, one, loaded, reason, stuck=stuck)
            return
        assert loaded is not None  # noqa: S101 - the branches above took every other case
        records.move(
            tx,
            one,
            IncidentState.REMEDIATING,
            f"Playbook {one.playbook} takes it, in mode {one.mode}.",
            next_at=tx.now,
        )
        begin_run(tx, one, loaded, danger=highest_danger(self._actions, loaded.playbook))

    def _to_people(
        self, tx: Tx, one: Incident, loaded: LoadedPlaybook | None, reason: str, *, stuck: bool
    ) -> None:
        due = page_at(
            loaded.playbook.page if loaded else NO_PLAYBOOK_PAGE,
            one.severity,
            tx.now,
            tx.now,
            escalation=Escalation.STUCK if stuck else Escalation.BY_DESIGN,
            acted=stuck and records.acted(tx, one),
        )
        records.move(
            tx,
            one,
            IncidentState.ESCALATED,
            f"Left to people: {reason}.",
            reason=reason,
            page_at=due,
            next_at=tx.now,
        )
        self._telemetry.escalated(one.cluster, one.playbook)


def _tried_since(tx: Tx, one: Incident, moment: datetime) -> int:
    """Return how many times the incident was taken, and closed as healthy, since then."""
    return len({run.episode for run in runs.of_incident(tx, one.id) if run.started_at >= moment})


def begin_run(
    tx: Tx,
    one: Incident,
    loaded: LoadedPlaybook,
    *,
    danger: Danger,
    wait: float = 0.0,
    progress: Progress | None = None,
) -> runs.Run:
    """Begin the incident's next run, after `wait` seconds, pinned to the playbook as it is now."""
    book = loaded.playbook
    earlier = runs.of_incident(tx, one.id)
    runs.pin_playbook(tx, book, loaded.mode, danger)
    retry = any(run.episode == one.recurrence for run in earlier)
    return runs.begin(
        tx,
        cluster=one.cluster,
        incident_id=one.id,
        playbook_sha=book.sha256,
        generation=len(earlier) + 1,
        episode=one.recurrence,
        mode=one.mode,
        progress=(progress or Progress()).to_json(),
        # A retry looks for a fault that is there now: what the first remedy started is newer than
        # the alert and would otherwise never be touched again.
        fault_since=tx.now if retry else one.started_at,
        deadline=tx.now + book.deadline + timedelta(seconds=wait),
        next_at=tx.now + timedelta(seconds=wait),
    )


def highest_danger(actions: Mapping[str, Action], book: Playbook) -> Danger:
    """Return the highest danger among a playbook's actions."""
    named = (step.action for step in book.all_steps if isinstance(step, ActionStep))
    return max((actions[name].danger for name in named if name in actions), default=Danger.A)


def _title(book: Playbook | None, alert: Alert, labels: Mapping[str, str]) -> str:
    words = subject_words(labels)
    if book is None:
        return alert.annotations.get("summary") or f"{alert.name} ({words})"
    return f"{book.title} ({words})" if words else book.title
