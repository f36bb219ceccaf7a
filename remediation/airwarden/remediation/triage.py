"""From deliveries to incidents: what is firing, which incident it belongs to, what happens next."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

import structlog

from airwarden.core.alerts import Alert, AlertStatus
from airwarden.core.errors import UnavailableError
from airwarden.remediation import records
from airwarden.remediation.actions.base import Action, Danger
from airwarden.remediation.crash import crash_at
from airwarden.remediation.decide.correlate import (
    LoadedPlaybook,
    Place,
    PlaybookSet,
    highest,
    place,
    shared_labels,
    subject_words,
)
from airwarden.remediation.decide.episodes import news
from airwarden.remediation.decide.paging import NO_PLAYBOOK_PAGE, Escalation, page_at
from airwarden.remediation.decide.states import IncidentState, Mode
from airwarden.remediation.intake import parse
from airwarden.remediation.journal import alerts, inbox, incidents, rails, runs
from airwarden.remediation.journal.incidents import Incident
from airwarden.remediation.journal.store import Fence, FencedError, Journal, Tx
from airwarden.remediation.modes import mode_for
from airwarden.remediation.playbook import ActionStep, Playbook
from airwarden.remediation.telemetry import Telemetry

_log = structlog.get_logger(__name__)
T = TypeVar("T")

#: Alerts handled in one transaction: short enough that others get their turn in a storm.
_CHUNK = 200
#: An alert that fires on after its incident was closed as healthy so many times is a person's.
_READ_WELL = 2


class Triage:
    """Turns what was delivered into incidents and their first runs.

    Args:
        journal: Where everything is kept.
        playbooks: The set in force now.
        clusters: The clusters that this process can reach now.
        actions: To know the highest danger of a playbook.
        telemetry: Counts what comes back and what is left to people.
    """

    def __init__(
        self,
        journal: Journal,
        playbooks: Callable[[], PlaybookSet],
        clusters: Callable[[], Collection[str]],
        actions: Mapping[str, Action],
        telemetry: Telemetry,
    ) -> None:
        self._telemetry = telemetry
        self._journal = journal
        self._playbooks = playbooks
        self._clusters = clusters
        self._actions = actions

    def process_inbox(self, fence: Fence) -> int:
        """Work off deliveries that are due, each exactly once in effect; returns how many."""
        with self._journal.read() as tx:
            waiting = inbox.take(tx)
        for stored in waiting:
            self._process(fence, stored)
        return len(waiting)

    def reopen_still_firing(self, fence: Fence) -> None:
        """Reopen what was resolved long enough ago and whose alert never stopped."""
        with self._journal.read() as tx:
            patience = self._playbooks().rails.still_firing_patience
            stubborn = alerts.firing_of_ended_incidents(tx, tx.now - patience)
        for one in stubborn:
            with self._journal.lead(fence) as tx:
                where = place(one.alert, self._playbooks())
                self._join(tx, one.source, where, [one.alert], unceasing=True)

    def _process(self, fence: Fence, stored: inbox.Stored) -> None:
        try:
            self._work_off(fence, stored)
        except (FencedError, UnavailableError):
            raise
        except Exception as error:
            # One delivery must not hold up the others, nor the runs and pages behind them.
            why = f"{type(error).__name__}: {error}"
            _log.exception("delivery not worked off", delivery=stored.id, attempts=stored.attempts)
            with self._journal.lead(fence) as tx:
                inbox.fail(tx, stored, why[:500])

    def _work_off(self, fence: Fence, stored: inbox.Stored) -> None:
        parsed = parse(stored.body)
        for chunk in _chunks(parsed.alerts, _CHUNK):
            with self._journal.lead(fence) as tx:
                self._absorb(tx, stored.source, chunk, polled=parsed.polled)
        with self._journal.lead(fence) as tx:
            inbox.finish(tx, stored.id)
        crash_at("after-triage")

    def _absorb(self, tx: Tx, source: str, chunk: Sequence[Alert], *, polled: bool) -> None:
        alerts.record_events(tx, source, chunk)
        known = alerts.known(tx, source, [one.fingerprint for one in chunk])
        joining: dict[Place, dict[str, Alert]] = {}
        playbooks = self._playbooks()
        for one in sorted(chunk, key=lambda a: (a.starts_at, a.status is AlertStatus.RESOLVED)):
            before = known.get(one.fingerprint)
            if not news(before, one, polled=polled):
                continue
            where = place(one, playbooks)
            if one.status is AlertStatus.FIRING:
                joining.setdefault(where, {})[one.fingerprint] = one
                continue
            group = joining.get(where)
            fired = group.pop(one.fingerprint, None) if group else None
            if fired is not None:
                # It began and ended within one delivery: nothing is left to do about it.
                joining.setdefault(where, {})
            incident_id = before.incident_id if before else None
            alerts.store(tx, source, [(one, incident_id)])
            if incident_id is not None:
                self._look_again(tx, incident_id)
        for where, group in joining.items():
            if group:
                self._join(tx, source, where, list(group.values()))

    def _look_again(self, tx: Tx, incident_id: int) -> None:
        one = incidents.get(tx, incident_id)
        if not one.state.terminal:
            incidents.change(tx, one, next_at=tx.now)
        for run in runs.of_incident(tx, incident_id):
            # A resolved alert is a hint too: whoever waits for a slow confirmation looks at once.
            if not run.state.terminal and run.next_at > tx.now:
                runs.change(tx, run, next_at=tx.now)

    def _join(
        self,
        tx: Tx,
        source: str,
        where: Place,
        group: Sequence[Alert],
        *,
        unceasing: bool = False,
    ) -> None:
        loaded = self._playbooks().by_name.get(where.playbook)
        one = incidents.open_by_key(tx, where.cluster, where.key)
        if one is not None:
            one = self._widen(tx, one, loaded, group)
        else:
            one = self._open(tx, where, loaded, group)
        alerts.store(tx, source, [(alert, one.id) for alert in group])
        if one.state in (IncidentState.OPEN, IncidentState.REOPENED):
            since = min(alert.starts_at for alert in group) if unceasing else None
            self._route(tx, one, loaded, unceasing_since=since)

    def _widen(
        self, tx: Tx, one: Incident, loaded: LoadedPlaybook | None, group: Sequence[Alert]
    ) -> Incident:
        severity = highest([one.severity, *(alert.severity for alert in group)])
        fields: dict[str, Any] = {
            "labels": shared_labels([one.labels, *(alert.labels for alert in group)]),
            "severity": severity,
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
        sentence = f"{len(group)} more alert(s) joined: {names}."
        return records.change(tx, one, "alerts", sentence, **fields)

    def _open(
        self, tx: Tx, where: Place, loaded: LoadedPlaybook | None, group: Sequence[Alert]
    ) -> Incident:
        severity = highest(alert.severity for alert in group)
        labels = shared_labels([alert.labels for alert in group])
        book = loaded.playbook if loaded else None
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
        }
        names = ", ".join(sorted({alert.name for alert in group}))
        window = (loaded.rails if loaded else self._playbooks().rails).recurrence_window
        previous = incidents.last_resolved(tx, where.cluster, where.key, tx.now - window)
        if previous is not None:
            self._telemetry.recurred(where.cluster, where.playbook)
            return records.move(
                tx,
                previous,
                IncidentState.REOPENED,
                f"It came back: {names} fires again; this is the same incident.",
                **fields,
                **_AFRESH,
                next_at=tx.now,
                recurrence=previous.recurrence + 1,
            )
        one = incidents.open_new(
            tx,
            cluster=where.cluster,
            correlation_key=where.key,
            playbook=where.playbook,
            title=_title(book, group[0], labels),
            dedup_key=_dedup_key(tx, where),
            **fields,
        )
        records.say(tx, one, "incident", f"{names} fires; the incident is opened.", state=one.state)
        return one

    def _route(
        self,
        tx: Tx,
        one: Incident,
        loaded: LoadedPlaybook | None,
        *,
        unceasing_since: datetime | None = None,
    ) -> None:
        one = incidents.move(tx, one, IncidentState.TRIAGE)
        reason = ""
        if one.cluster not in self._clusters():
            reason = f"cluster {one.cluster!r} is not configured here, nothing can be done"
        elif loaded is None:
            one = incidents.move(tx, one, IncidentState.NO_PLAYBOOK)
            reason = "no playbook matches this alert"
        elif not loaded.playbook.steps:
            reason = (
                f"for a human only: {loaded.playbook.human_only or 'the playbook has no steps'}"
            )
        elif one.mode is Mode.OFF:
            reason = f"playbook {one.playbook} is switched off"
        elif unceasing_since is not None and _tried_since(tx, one, unceasing_since) >= _READ_WELL:
            # Either may be wrong; taking and closing it for ever would keep it from everybody.
            reason = "its alert has never stopped, and the live state reads healthy each time"
        if reason:
            page = loaded.playbook.page if loaded else NO_PLAYBOOK_PAGE
            due = page_at(page, one.severity, tx.now, tx.now, escalation=Escalation.BY_DESIGN)
            sentence = f"Left to people: {reason}."
            records.move(
                tx,
                one,
                IncidentState.ESCALATED,
                sentence,
                reason=reason,
                page_at=due,
                next_at=tx.now,
            )
            self._telemetry.escalated(one.cluster, one.playbook)
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


def _tried_since(tx: Tx, one: Incident, moment: datetime) -> int:
    """Return how many times the incident was taken, and closed as healthy, since then."""
    return len({run.episode for run in runs.of_incident(tx, one.id) if run.started_at >= moment})


#: What a reopened incident forgets of its earlier life.
_AFRESH: Mapping[str, Any] = {
    "ended_at": None,
    "paged_at": None,
    "healthy_since": None,
    "healed_by_itself": False,
    "owner": "",
    "reason": "",
    "cause": "",
    "evidence": {},
    "human_steps": (),
}


def begin_run(
    tx: Tx, one: Incident, loaded: LoadedPlaybook, *, danger: Danger, wait: float = 0.0
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
        # A retry looks for a fault that is there now: what the first remedy started is newer than
        # the alert and would otherwise never be touched again.
        fault_since=tx.now if retry else one.started_at,
        deadline=tx.now + book.deadline + timedelta(seconds=wait),
        next_at=tx.now + timedelta(seconds=wait),
    )


def highest_danger(actions: Mapping[str, Action], book: Playbook) -> Danger:
    """Return the highest danger among a playbook's actions."""
    named = (step.action for step in book.steps if isinstance(step, ActionStep))
    return max((actions[name].danger for name in named if name in actions), default=Danger.A)


def _title(book: Playbook | None, alert: Alert, labels: Mapping[str, str]) -> str:
    words = subject_words(labels)
    if book is None:
        return alert.annotations.get("summary") or f"{alert.name} ({words})"
    return f"{book.title} ({words})" if words else book.title


def _dedup_key(tx: Tx, where: Place) -> str:
    unique = hashlib.sha256(f"{where.key}/{tx.now.isoformat()}".encode()).hexdigest()[:16]
    return f"airwarden/{where.cluster[:64]}/{where.playbook or 'no-playbook'}/{unique}"


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
