"""From deliveries to incidents: what is firing, which incident it belongs to, what happens next."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

import structlog

from airwarden.core.alerts import Alert, AlertStatus
from airwarden.core.errors import UnavailableError, WrongInputError
from airwarden.remediation.actions.base import Action
from airwarden.remediation.crash import crash_at
from airwarden.remediation.decide.correlate import (
    Place,
    PlaybookSet,
    place,
)
from airwarden.remediation.decide.episodes import Known, news
from airwarden.remediation.intake import Parsed, parse
from airwarden.remediation.joining import Joining
from airwarden.remediation.journal import alerts, inbox, incidents, runs
from airwarden.remediation.journal.store import Fence, FencedError, Journal, Tx
from airwarden.remediation.storms import Storms, is_storm, storm_place
from airwarden.remediation.telemetry import Telemetry

_log = structlog.get_logger(__name__)
T = TypeVar("T")

#: Alerts handled in one transaction, and incidents opened in one: others get their turn in a storm.
_CHUNK, _OPENED = 100, 2
#: Alerts that fire on although their incident was resolved, taken up again in one transaction.
_STUBBORN = 50

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
        self._journal = journal
        self._playbooks = playbooks
        self.storms = Storms(playbooks)
        self._joining = Joining(playbooks, clusters, actions, self.storms, telemetry)

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
                    self._joining.join(tx, source, where, group, unceasing=True)

    def release(self, tx: Tx, members: Sequence[alerts.StoredAlert], room: int) -> int:
        """Open incidents that a storm held back, as many as there is room for; returns how many."""
        groups: dict[tuple[str, Place], list[Alert]] = {}
        for one in members:
            where = place(one.alert, self._playbooks())
            groups.setdefault((one.source, where), []).append(one.alert)
        chosen = list(groups.items())[:room]
        for (source, where), group in chosen:
            self._joining.join(tx, source, where, group, released=True)
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
        except Exception as error:  # one delivery must not hold up the others
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
            except Exception as error:  # the others of its delivery are taken all the same
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
                self._joining.join(tx, source, where, members, again=again)
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
            self._joining.join(tx, source, where, members, again=again)
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
