"""From deliveries to incidents: what is firing, which incident it belongs to, what happens next."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

import structlog

from airwarden.core.alerts import Alert, AlertStatus
from airwarden.core.errors import UnavailableError, WrongInputError
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
from airwarden.remediation.decide.episodes import Known, news
from airwarden.remediation.decide.flapping import flapping
from airwarden.remediation.decide.paging import NO_PLAYBOOK_PAGE, Escalation, page_at
from airwarden.remediation.decide.progress import Progress
from airwarden.remediation.decide.states import IncidentState, Mode
from airwarden.remediation.holding import HELD, held_evidence, held_until, held_words
from airwarden.remediation.intake import Parsed, parse
from airwarden.remediation.journal import alerts, inbox, incidents, rails, runs, unrest
from airwarden.remediation.journal.incidents import Incident
from airwarden.remediation.journal.store import Fence, FencedError, Journal, Tx
from airwarden.remediation.modes import mode_for
from airwarden.remediation.playbook import ActionStep, Playbook
from airwarden.remediation.storms import Storms, is_storm, storm_place
from airwarden.remediation.telemetry import Telemetry

_log = structlog.get_logger(__name__)
T = TypeVar("T")

#: Alerts handled in one transaction, and incidents opened in one: others get their turn in a storm.
_CHUNK, _OPENED = 50, 2
#: Alerts that fire on although their incident was resolved, taken up again in one transaction.
_STUBBORN = 50
#: An alert that fires on after its incident was closed as healthy so many times is a person's.
_READ_WELL = 2

Read = tuple[inbox.Stored, Parsed]
Groups = dict[Place, dict[str, Alert]]


@dataclass(slots=True)
class _News:
    """What a batch of events changes.

    Attributes:
        firing: Where each alert that fires belongs, by fingerprint.
        ended: Alerts that ended, with the incident each belonged to.
        again: Fingerprints of those that fire again: they may flap.
    """

    firing: Groups = field(default_factory=dict)
    ended: list[tuple[Alert, int | None]] = field(default_factory=list)
    again: set[str] = field(default_factory=set)


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
        self.storms = Storms(playbooks)

    def process_inbox(self, fence: Fence) -> int:
        """Work off deliveries that are due, each exactly once in effect; returns how many."""
        with self._journal.read() as tx:
            waiting = inbox.take(tx)
        for batch in _batches(self._parsed(fence, waiting)):
            self._process(fence, batch)
        return len(waiting)

    def reopen_still_firing(self, fence: Fence) -> None:
        """Reopen what was resolved long enough ago and whose alert never stopped."""
        with self._journal.read() as tx:
            patience = self._playbooks().rails.still_firing_patience
            stubborn = alerts.firing_of_ended_incidents(tx, tx.now - patience)
        for some in _chunks(stubborn, _STUBBORN):
            groups: dict[tuple[str, Place], list[Alert]] = {}
            for one in some:
                where = place(one.alert, self._playbooks())
                groups.setdefault((one.source, where), []).append(one.alert)
            for (source, where), group in groups.items():
                with self._journal.lead(fence) as tx:
                    self._join(tx, source, where, group, unceasing=True)

    def release(self, tx: Tx, members: Sequence[alerts.StoredAlert], room: int) -> int:
        """Open incidents that a storm held back, as many as there is room for; returns how many."""
        groups: dict[tuple[str, Place], list[Alert]] = {}
        for one in members:
            where = place(one.alert, self._playbooks())
            groups.setdefault((one.source, where), []).append(one.alert)
        chosen = list(groups.items())[:room]
        for (source, where), group in chosen:
            self._join(tx, source, where, group, released=True)
        return len(chosen)

    def _parsed(self, fence: Fence, waiting: Sequence[inbox.Stored]) -> Iterator[Read]:
        for stored in waiting:
            try:
                yield stored, parse(stored.body)
            except WrongInputError as error:
                self._set_back(fence, stored, error)

    def _process(self, fence: Fence, batch: Sequence[Read]) -> None:
        try:
            self._work_off(fence, batch)
        except (FencedError, UnavailableError):
            raise
        except Exception as error:
            # One delivery must not hold up the others, nor one alert the rest of its delivery.
            if len(batch) > 1:
                for one in batch:
                    self._process(fence, [one])
                return
            stored, parsed = batch[0]
            if stored.attempts:
                self._one_by_one(fence, stored, parsed)
            else:
                self._set_back(fence, stored, error)

    def _one_by_one(self, fence: Fence, stored: inbox.Stored, parsed: Parsed) -> None:
        """Take what can be taken of a delivery that does not go as a whole."""
        failed: Exception | None = None
        for one in parsed.alerts:
            try:
                self._absorb(fence, stored.source, [one], polled=parsed.polled)
            except (FencedError, UnavailableError):
                raise
            except Exception as error:
                failed = error
        if failed is not None:
            self._set_back(fence, stored, failed)
            return
        self._absorb(fence, stored.source, (), polled=parsed.polled, done=[stored.id])

    def _set_back(self, fence: Fence, stored: inbox.Stored, error: Exception) -> None:
        why = f"{type(error).__name__}: {error}"
        _log.error(
            "delivery not worked off",
            delivery=stored.id,
            attempts=stored.attempts,
            error=why,
            exc_info=error,
        )
        with self._journal.lead(fence) as tx:
            inbox.fail(tx, stored, why[:500])

    def _work_off(self, fence: Fence, batch: Sequence[Read]) -> None:
        source, polled = batch[0][0].source, batch[0][1].polled
        everything = [one for _, parsed in batch for one in parsed.alerts]
        done = [stored.id for stored, _ in batch]
        chunks = list(_chunks(everything, _CHUNK)) or [[]]
        for chunk in chunks[:-1]:
            self._absorb(fence, source, chunk, polled=polled)
        self._absorb(fence, source, chunks[-1], polled=polled, done=done)
        crash_at("after-triage")

    def _absorb(
        self,
        fence: Fence,
        source: str,
        chunk: Sequence[Alert],
        *,
        polled: bool,
        done: Sequence[int] = (),
    ) -> None:
        """Take a chunk in, and with its last part finish the deliveries that it ends.

        Killed in between, they are worked off again, and only what is left is news then.
        """
        with self._journal.lead(fence) as tx:
            news = self._record(tx, source, chunk, polled=polled)
            waiting = self._take_in(tx, source, list(news.firing.items()), news.again)
            if not waiting:
                inbox.finish(tx, *done)
        while waiting:
            with self._journal.lead(fence) as tx:
                waiting = self._take_in(tx, source, waiting, news.again)
                if not waiting:
                    inbox.finish(tx, *done)

    def _record(self, tx: Tx, source: str, chunk: Sequence[Alert], *, polled: bool) -> _News:
        alerts.record_events(tx, source, chunk)
        known = alerts.known(tx, source, [one.fingerprint for one in chunk])
        news = self._news(chunk, known, polled=polled)
        alerts.store(tx, source, news.ended)
        for incident_id in sorted({number for _, number in news.ended if number is not None}):
            self._look_again(tx, incident_id)
        books = self._playbooks().by_name
        acting = [
            one
            for where, group in news.firing.items()
            if where.playbook and books[where.playbook].playbook.steps
            for one in group.values()
        ]
        self.storms.notice(tx, acting)
        return news

    def _news(self, chunk: Sequence[Alert], known: Mapping[str, Known], *, polled: bool) -> _News:
        found = _News()
        playbooks = self._playbooks()
        for one in sorted(chunk, key=lambda a: (a.starts_at, a.status is AlertStatus.RESOLVED)):
            before = known.get(one.fingerprint)
            if not news(before, one, polled=polled):
                continue
            where = place(one, playbooks)
            if one.status is AlertStatus.FIRING:
                found.firing.setdefault(where, {})[one.fingerprint] = one
                if before is not None:
                    found.again.add(one.fingerprint)
                continue
            # One that began and ended within the chunk: nothing is left to do about it.
            found.firing.get(where, {}).pop(one.fingerprint, None)
            found.ended.append((one, before.incident_id if before else None))
        found.firing = {where: group for where, group in found.firing.items() if group}
        return found

    def _take_in(
        self, tx: Tx, source: str, waiting: list[tuple[Place, dict[str, Alert]]], again: set[str]
    ) -> list[tuple[Place, dict[str, Alert]]]:
        """Let alerts join, open incidents or be held by a storm; returns what is left for later."""
        if not waiting:
            return []
        places = {place for where, _ in waiting for place in (where, storm_place(where))}
        open_now = incidents.open_by_keys(tx, [(one.cluster, one.key) for one in places])
        held: list[tuple[Alert, int | None]] = []
        opened = 0
        left: list[tuple[Place, dict[str, Alert]]] = []
        for where, group in waiting:
            members, above = list(group.values()), storm_place(where)
            if (where.cluster, where.key) in open_now:
                self._join(tx, source, where, members, again=again)
                continue
            storm = open_now.get((above.cluster, above.key))
            if storm is None and opened >= _OPENED:
                left.append((where, group))
                continue
            loaded = self._playbooks().by_name.get(where.playbook)
            storm = self.storms.takes(tx, where, loaded, members, storm)
            if storm is not None:
                open_now[above.cluster, above.key] = storm
                held.extend((alert, storm.id) for alert in members)
                continue
            opened += 1
            self._join(tx, source, where, members, again=again)
        alerts.store(tx, source, held)
        if held:
            # Whoever ends a storm in the same instant has to see that it goes on.
            incidents.touch(tx, {number for _, number in held if number is not None})
        return left

    def _look_again(self, tx: Tx, incident_id: int) -> None:
        one = incidents.get(tx, incident_id)
        if is_storm(one):
            # It is looked at every few seconds, and thousands of its alerts may end one by one.
            return
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
        again: Collection[str] = (),
        unceasing: bool = False,
        released: bool = False,
    ) -> None:
        loaded = self._playbooks().by_name.get(where.playbook)
        restless = self._flapping(tx, source, loaded, [a.fingerprint for a in group], again)
        one = incidents.open_by_key(tx, where.cluster, where.key)
        if one is not None:
            one = self._widen(tx, one, loaded, group, again, restless)
        elif unceasing and (storm := self._stormed(tx, where, loaded, group)) is not None:
            alerts.store(tx, source, [(alert, storm.id) for alert in group])
            return
        else:
            one = self._open(tx, where, loaded, group, restless)
        alerts.store(tx, source, [(alert, one.id) for alert in group])
        if released:
            records.say(tx, one, "storm", "A storm had held it back.")
        if one.state in (IncidentState.OPEN, IncidentState.REOPENED):
            since = min(alert.starts_at for alert in group) if unceasing else None
            self._route(tx, one, loaded, unceasing_since=since)
        elif restless and one.state is IncidentState.REMEDIATING and not records.acted(tx, one):
            self._to_people(tx, one, loaded, held_words(one.evidence), stuck=True)

    def _stormed(
        self, tx: Tx, where: Place, loaded: LoadedPlaybook | None, group: Sequence[Alert]
    ) -> Incident | None:
        above = storm_place(where)
        storm = incidents.open_by_key(tx, above.cluster, above.key)
        return self.storms.takes(tx, where, loaded, group, storm)

    def _flapping(
        self,
        tx: Tx,
        source: str,
        loaded: LoadedPlaybook | None,
        fingerprints: Sequence[str],
        again: Collection[str],
    ) -> str:
        """Return which of these alerts flaps; only one that has fired before can."""
        suspects = [one for one in fingerprints if one in again]
        if not suspects:
            return ""
        numbers = loaded.rails if loaded else self._playbooks().rails
        return flapping(unrest.histories(tx, source, suspects, numbers), tx.now, numbers)

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
    ) -> Incident:
        severity = highest(alert.severity for alert in group)
        labels = shared_labels([alert.labels for alert in group])
        book = loaded.playbook if loaded else None
        numbers = loaded.rails if loaded else self._playbooks().rails
        window = max(numbers.recurrence_window, numbers.flap_hold)
        last = incidents.last_ended(tx, where.cluster, where.key, tx.now - window)
        evidence: Mapping[str, str] = {}
        if restless:
            evidence = held_evidence(restless, tx.now, numbers)
        elif last is not None and held_until(last, tx.now) is not None:
            evidence = {name: last.evidence[name] for name in HELD if name in last.evidence}
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

    def _route(
        self,
        tx: Tx,
        one: Incident,
        loaded: LoadedPlaybook | None,
        *,
        unceasing_since: datetime | None = None,
    ) -> None:
        one = incidents.move(tx, one, IncidentState.TRIAGE)
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


def _batches(read: Iterable[Read]) -> Iterator[list[Read]]:
    """Put small deliveries together, in order: one transaction costs as much for one as for many."""
    batch: list[Read] = []
    held = 0
    for one in read:
        size = len(one[1].alerts)
        alike = batch and (batch[0][0].source, batch[0][1].polled) == (one[0].source, one[1].polled)
        if batch and (not alike or held + size > _CHUNK):
            yield batch
            batch, held = [], 0
        batch.append(one)
        held += size
    if batch:
        yield batch


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
