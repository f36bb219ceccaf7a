"""A person's order to be told nothing of an incident's alerts for a while."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from airwarden.core.durations import format_duration
from airwarden.core.errors import AirwardenError, ConflictError, NotFoundError, WrongInputError
from airwarden.core.platform import Silence
from airwarden.core.ports import Alertmanager
from airwarden.remediation import records
from airwarden.remediation.calls import Calls
from airwarden.remediation.decide.view import IncidentView
from airwarden.remediation.journal import incidents
from airwarden.remediation.journal.incidents import Incident
from airwarden.remediation.journal.store import Journal, Tx

#: Longest silence by an order of ours; who wants more makes it in Alertmanager.
LONGEST = timedelta(hours=24)
#: Seconds that Alertmanager has to take it.
_WITHIN = 10.0
#: Names of labels by which a silence does not tell one alert from another.
_NOT_TELLING = frozenset({"severity"})


@dataclass(frozen=True, slots=True)
class Silencing:
    """Makes silences in Alertmanager; usable on any replica, leader or not.

    Attributes:
        journal: Where it is written down.
        alertmanager: Returns the one that is configured now.
        calls: Give the call its deadline.
        wake: Called afterwards: the engine should see it at once.
    """

    journal: Journal
    alertmanager: Callable[[], Alertmanager | None]
    calls: Calls
    wake: Callable[[], None]

    def silence(
        self, incident_id: int, *, by: str, reason: str, lasts: timedelta = timedelta(hours=1)
    ) -> IncidentView:
        """Silence the alerts of an incident.

        The order is in the audit before Alertmanager is asked, and what came of it afterwards.

        Raises:
            NotFoundError: No such incident.
            ConflictError: It is over, or its alerts share too little to be told from others.
            WrongInputError: An unfit length.
            UnavailableError, RejectedError: Alertmanager does not take it, or none is configured.
        """
        if not timedelta(minutes=1) <= lasts <= LONGEST:
            raise WrongInputError("must be between 1m and 24h", place="for")
        alertmanager = self.alertmanager()
        if alertmanager is None:
            raise ConflictError("there is no Alertmanager to silence anything in: alertmanager.url")
        with self.journal.write() as tx:
            one = _get(tx, incident_id)
            if one.state.terminal:
                raise ConflictError(
                    f"incident {one.id} is {one.state}: there is nothing to silence"
                )
            wanted = _silence(one, _names(tx, one), tx.now, lasts, reason)
            because = f": {reason}" if reason else ""
            length = format_duration(lasts)
            said = (
                f"{by} silences its alerts for {length}, until {wanted.ends_at:%H:%M} UTC{because}."
            )
            records.say(tx, one, "silence", said, actor=by)
        try:
            made = self.calls.run(lambda: alertmanager.add_silence(wanted, by=by), deadline=_WITHIN)
        except AirwardenError as error:
            self._note(incident_id, f"Alertmanager did not take the silence: {error}.")
            raise
        self._note(incident_id, f"They are silenced: {made}.")
        self.wake()
        with self.journal.read() as tx:
            return records.view(tx, _get(tx, incident_id))

    def _note(self, incident_id: int, sentence: str) -> None:
        with self.journal.write() as tx:
            one = _get(tx, incident_id)
            records.say(tx, one, "silence", sentence)
            records.tell(tx, incidents.change(tx, one))


def _get(tx: Tx, incident_id: int) -> Incident:
    try:
        return incidents.get(tx, incident_id)
    except KeyError:
        raise NotFoundError(f"there is no incident {incident_id}") from None


def _names(tx: Tx, one: Incident) -> Sequence[str]:
    return sorted({alert.alert.name for alert in records.firing(tx, one)})


def _silence(
    one: Incident, names: Sequence[str], now: datetime, lasts: timedelta, reason: str
) -> Silence:
    """Return a silence of what all its alerts share, by their names: no wider than the incident."""
    shared = {name: value for name, value in one.labels.items() if name not in _NOT_TELLING}
    if not names and "alertname" not in shared:
        raise ConflictError(f"no alert of incident {one.id} fires: there is nothing to silence")
    matchers = [(name, value, False, True) for name, value in sorted(shared.items())]
    if "alertname" not in shared:
        matchers.insert(0, ("alertname", "|".join(map(re.escape, names)), True, True))
    if "cluster" not in shared:
        matchers.append(("cluster", one.cluster, False, True))
    return Silence(
        id="",
        matchers=tuple(matchers),
        starts_at=now,
        ends_at=now + lasts,
        comment=f"Airwarden incident {one.id}: {one.title}" + (f" ({reason})" if reason else ""),
    )
