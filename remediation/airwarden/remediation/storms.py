"""Storms as they begin and while they last: one incident, one page, and no remedy one by one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from airwarden.core.alerts import Alert, Severity
from airwarden.remediation import records
from airwarden.remediation.decide.correlate import (
    LoadedPlaybook,
    Place,
    PlaybookSet,
    highest,
    shared_labels,
)
from airwarden.remediation.decide.rails import Rails
from airwarden.remediation.decide.states import IncidentState, Mode
from airwarden.remediation.decide.storm import (
    STORM,
    in_force,
    storm_key,
    too_many_incidents,
    too_much_at_once,
)
from airwarden.remediation.journal import incidents, rails, unrest
from airwarden.remediation.journal.incidents import Incident
from airwarden.remediation.journal.store import Tx
from airwarden.remediation.modes import mode_for

#: How often a storm is looked at.
LOOK_EVERY = timedelta(seconds=10)
#: Stands for the playbook of alerts that have none.
_NO_PLAYBOOK = "no-playbook"
_MINUTE = timedelta(minutes=1)


def is_storm(one: Incident) -> bool:
    """Return whether an incident is a storm."""
    return one.correlation_key.startswith(STORM)


def as_endable(tx: Tx, one: Incident) -> Incident:
    """Return the incident as it may be ended: a storm that holds goes through triage."""
    if one.state is IncidentState.STORM_HOLD:
        return incidents.move(tx, one, IncidentState.TRIAGE)
    return one


def storm_place(where: Place) -> Place:
    """Return the place of the storm that would take what belongs here."""
    return Place(where.cluster, storm_key(where.playbook or _NO_PLAYBOOK), where.playbook)


def over(tx: Tx, playbooks: PlaybookSet, one: Incident) -> Incident | None:
    """Return the storm that is in force over an incident, its playbook's first.

    Over a playbook's storm there may be its cluster's; over that there is none.
    """
    mine = {storm_key(one.playbook or _NO_PLAYBOOK), storm_key("")}
    if is_storm(one):
        mine = {storm_key("")} - {one.correlation_key}
    found = [
        storm
        for storm in unrest.storms(tx, one.cluster)
        if storm.correlation_key in mine
        and in_force(storm.healthy_since, tx.now, playbooks.rails_of(storm.playbook))
    ]
    return max(found, key=lambda storm: len(storm.correlation_key), default=None)


class Meter:
    """How many alerts came in the last minute, by cluster. A new leader's begins at nothing."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[tuple[datetime, int]]] = {}

    def add(self, cluster: str, count: int, now: datetime) -> None:
        """Count alerts."""
        self._seen.setdefault(cluster, deque()).append((now, count))

    def within_a_minute(self, cluster: str, now: datetime) -> int:
        """Return how many were counted lately."""
        seen = self._seen.get(cluster, deque())
        while seen and now - seen[0][0] >= _MINUTE:
            seen.popleft()
        return sum(count for _, count in seen)


class Storms:
    """Notices storms, and lets them take the alerts that would open more incidents.

    Args:
        playbooks: The set in force now.
    """

    def __init__(self, playbooks: Callable[[], PlaybookSet]) -> None:
        self._playbooks = playbooks
        self.meter = Meter()
        self._asked: dict[str, datetime] = {}

    def rails_of(self, one: Incident) -> Rails:
        """Return the rails of a storm."""
        return self._playbooks().rails_of(one.playbook)

    def pressure(self, tx: Tx, one: Incident) -> str:
        """Return why a storm goes on, or nothing."""
        numbers = self.rails_of(one)
        if one.correlation_key == storm_key(""):
            alerts = self.meter.within_a_minute(one.cluster, tx.now)
            return too_much_at_once(alerts, unrest.fleets(tx, one.cluster), numbers)
        since = tx.now - numbers.storm_window
        return too_many_incidents(
            unrest.opened(tx, one.cluster, one.playbook, since) + unrest.arrived(tx, one.id, since),
            numbers,
        )

    def room(self, tx: Tx, one: Incident) -> int:
        """Return how many incidents may be opened now without its being a storm again."""
        numbers = self.rails_of(one)
        since = tx.now - numbers.storm_window
        return numbers.storm_incidents - unrest.opened(tx, one.cluster, one.playbook, since)

    def takes(
        self,
        tx: Tx,
        where: Place,
        loaded: LoadedPlaybook | None,
        group: Sequence[Alert],
        storm: Incident | None,
    ) -> Incident | None:
        """Return the storm that takes these alerts in place of an incident of their own.

        Args:
            tx: The transaction.
            where: Where the alerts belong.
            loaded: Their playbook.
            group: The alerts.
            storm: The open storm of `storm_place(where)`, if there is one.
        """
        numbers = loaded.rails if loaded else self._playbooks().rails
        if storm is not None:
            lasts = in_force(storm.healthy_since, tx.now, numbers)
            return storm if lasts or self.room(tx, storm) <= 0 else None
        since = tx.now - numbers.storm_window
        why = too_many_incidents(
            unrest.opened(tx, where.cluster, where.playbook, since) + 1, numbers
        )
        return self._begin(tx, storm_place(where), loaded, group, why)

    def notice(self, tx: Tx, acting: Iterable[Alert]) -> None:
        """Count alerts that playbooks act on, and begin the storm of a cluster where it is one."""
        numbers = self._playbooks().rails
        by_cluster: dict[str, list[Alert]] = {}
        for one in acting:
            by_cluster.setdefault(one.cluster, []).append(one)
        for cluster, some in by_cluster.items():
            self.meter.add(cluster, len(some), tx.now)
            asked = self._asked.get(cluster)
            if asked is not None and tx.now - asked < LOOK_EVERY:
                # Known to be one, or its fleets were looked at: a storm must not cost more of these.
                continue
            alerts = self.meter.within_a_minute(cluster, tx.now)
            why = too_much_at_once(alerts, unrest.fleets(tx, cluster), numbers)
            if why:
                self._asked[cluster] = tx.now
                if incidents.open_by_key(tx, cluster, storm_key("")) is None:
                    self._begin(tx, Place(cluster, storm_key(""), ""), None, some, why)

    def _begin(
        self,
        tx: Tx,
        where: Place,
        loaded: LoadedPlaybook | None,
        group: Sequence[Alert],
        why: str,
    ) -> Incident | None:
        if not why:
            return None
        numbers = loaded.rails if loaded else self._playbooks().rails
        severity = highest(alert.severity for alert in group)
        mode = mode_for(loaded, rails.switches(tx), where.cluster)
        whole = where.key == storm_key("")
        holds = whole or holds_remedies(loaded, mode)
        fields: dict[str, Any] = {
            "severity": severity,
            "labels": shared_labels([{"cluster": where.cluster}, *(a.labels for a in group)]),
            "started_at": tx.now,
            "page_at": tx.now if holds or severity is Severity.CRITICAL else None,
            "mode": mode,
            "reason": why,
            "next_at": tx.now + LOOK_EVERY,
        }
        since = tx.now - numbers.recurrence_window
        previous = incidents.last_ended(tx, where.cluster, where.key, since)
        if previous is not None and previous.comes_back(since):
            one = incidents.move(
                tx,
                previous,
                IncidentState.REOPENED,
                **{**records.AFRESH, **fields},
                recurrence=previous.recurrence + 1,
            )
        else:
            title = loaded.playbook.title if loaded else "alerts without a playbook"
            if whole:
                title = f"more at once than remedies can follow in {where.cluster}"
            one = incidents.open_new(
                tx,
                cluster=where.cluster,
                correlation_key=where.key,
                playbook=where.playbook,
                title=f"Storm: {title}",
                dedup_key=records.dedup_key(tx, where),
                **fields,
            )
        one = incidents.move(tx, one, IncidentState.TRIAGE)
        one = records.move(
            tx, one, IncidentState.STORM_HOLD, f"A storm: {why}. {_held(whole, holds)}"
        )
        for other in unrest.open_of(tx, where.cluster, where.playbook):
            records.say(tx, other, "storm", f"It is part of a storm, incident {one.id}: {why}.")
        return one


def holds_remedies(loaded: LoadedPlaybook | None, mode: Mode) -> bool:
    """Return whether a storm keeps a playbook from acting that otherwise would."""
    return loaded is not None and bool(loaded.playbook.steps) and mode in (Mode.APPROVE, Mode.AUTO)


def _held(whole: bool, holds: bool) -> str:
    if whole:
        return "Until it is calm nothing that still serves is taken down."
    if holds:
        return "What comes now is held here, and nothing is done about it until it is calm."
    return "What comes now is gathered here."
