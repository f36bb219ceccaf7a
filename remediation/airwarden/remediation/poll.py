"""The poll of Alertmanager: finds what no webhook delivered, and what ended unheard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from airwarden.core.alerts import Alert, AlertStatus
from airwarden.core.errors import UnavailableError
from airwarden.core.platform import Silence
from airwarden.core.ports import Alertmanager
from airwarden.remediation.calls import Calls
from airwarden.remediation.decide.episodes import Known, news
from airwarden.remediation.decide.guards import AlertSight
from airwarden.remediation.intake import DEFAULT_SOURCE, normalised, poll_delivery, storable
from airwarden.remediation.journal import alerts
from airwarden.remediation.journal.inbox import InboxWriter
from airwarden.remediation.journal.store import Fence, Journal

_log = structlog.get_logger(__name__)
#: Alerts noted as seen in one transaction.
_TOUCHED = 400


@dataclass(frozen=True, slots=True)
class PollTimes:
    """Seconds. An alert unseen for `absent_after` is over: Prometheus re-sends each minute, so a
    restarted Alertmanager knows it again well before that."""

    every: float = 15.0
    deadline: float = 10.0
    absent_after: float = 120.0


class CurrentAlertmanager:
    """Whichever Alertmanager is configured now: a reload may name another."""

    def __init__(self, find: Callable[[], Alertmanager | None]) -> None:
        self._find = find

    def alerts(self) -> Sequence[Alert]:
        """Return what the one of now shows; raises as it does."""
        return self._now().alerts()

    def silences(self) -> Sequence[Silence]:
        """Return the silences of the one of now; raises as it does."""
        return self._now().silences()

    def add_silence(self, silence: Silence, *, by: str) -> str:
        """Make a silence in the one of now; raises as it does."""
        return self._now().add_silence(silence, by=by)

    def _now(self) -> Alertmanager:
        found = self._find()
        if found is None:
            raise UnavailableError("no Alertmanager is configured any more")
        return found


class Poller:
    """Asks Alertmanager what is active, and puts into the inbox what the journal does not know."""

    def __init__(
        self,
        journal: Journal,
        alertmanager: Alertmanager,
        writer: InboxWriter,
        calls: Calls,
        times: PollTimes | None = None,
        source: str = DEFAULT_SOURCE,
    ) -> None:
        self.times = times or PollTimes()
        self._journal = journal
        self._alertmanager = alertmanager
        self._writer = writer
        self._calls = calls
        self._source = source
        self._watched_since: float | None = None
        self._suppressed: tuple[datetime, Mapping[tuple[str, str], int]] | None = None

    def poll(self, fence: Fence) -> int:
        """Ask once; returns how many events were new.

        Raises:
            AirwardenError: Alertmanager did not answer; nothing is concluded from that.
        """
        seen = [normalised(one) for one in self._watched()]
        with self._journal.read() as tx:
            known = alerts.known(tx, self._source, [one.fingerprint for one in seen])
            self._suppressed = tx.now, _suppressed(seen, known)
        for start in range(0, len(seen), _TOUCHED):
            # A storm's in parts: a delivery must not wait for it to be acknowledged.
            some = seen[start : start + _TOUCHED]
            with self._journal.lead(fence) as tx:
                by = {one.fingerprint: one.suppressed_by for one in some}
                alerts.touch(tx, self._source, by)
        with self._journal.lead(fence) as tx:
            horizon = tx.now - timedelta(seconds=self.times.absent_after)
            unseen = alerts.unseen_since(tx, self._source, horizon) if self._long_enough() else []
            gone = [
                replace(one.alert, status=AlertStatus.RESOLVED, ends_at=tx.now) for one in unseen
            ]
            now = tx.now
        fresh = [
            one
            for one in seen
            # A silenced alert is somebody's decision, and an inhibited one is not the fault.
            if not one.suppressed_by and news(known.get(one.fingerprint), one, polled=True)
        ]
        fresh = _storable(fresh)
        if fresh or gone:
            self._writer.put(poll_delivery([*fresh, *gone], now, self._source))
        return len(fresh) + len(gone)

    def _watched(self) -> Sequence[Alert]:
        """Return what is active, and note since when Alertmanager has answered each time."""
        try:
            shown = self.active()
        except Exception:
            self._watched_since = None
            raise
        if self._watched_since is None:
            self._watched_since = self._journal.elapsed()
        return shown

    def _long_enough(self) -> bool:
        """Whether what was not shown is over: one that just started again does not know its alerts yet."""
        since = self._watched_since
        return since is not None and self._journal.elapsed() - since >= self.times.absent_after

    def suppressed(self, now: datetime) -> Mapping[tuple[str, str], int]:
        """Return (cluster, alertname) → active alerts that somebody silenced or that another one
        explains: decided on without an incident.

        A sight older than `absent_after` says nothing: a replica that no longer leads, or that
        Alertmanager no longer answers, must not vouch for an alert whose silence has ended.
        """
        if self._suppressed is None:
            return {}
        seen_at, counts = self._suppressed
        return counts if (now - seen_at).total_seconds() <= self.times.absent_after else {}

    def active(self) -> Sequence[Alert]:
        """Return what Alertmanager shows now, the suppressed ones marked."""
        return self._calls.run(self._alertmanager.alerts, deadline=self.times.deadline)

    def sight(self, fingerprints: frozenset[str]) -> AlertSight:
        """Return what Alertmanager says of an incident's alerts at this moment."""
        return sight_of(self.active(), fingerprints)


def sight_of(shown: Sequence[Alert], fingerprints: frozenset[str]) -> AlertSight:
    """Return what these active alerts say of the incident with those fingerprints."""
    mine = [one for one in shown if one.fingerprint in fingerprints]
    if not mine:
        return AlertSight.GONE
    if all(one.suppressed_by for one in mine):
        return AlertSight.SUPPRESSED
    return AlertSight.ACTIVE


def _storable(fresh: Sequence[Alert]) -> list[Alert]:
    """Leave out what no inbox would take: Alertmanager pages for it as for all that nobody took."""
    taken = [one for one in fresh if storable(one)]
    if len(taken) < len(fresh):
        _log.warning("alerts that cannot be taken", alerts=len(fresh) - len(taken))
    return taken


def _suppressed(seen: Sequence[Alert], known: Mapping[str, Known]) -> dict[tuple[str, str], int]:
    """Count what is suppressed and belongs to no incident."""
    found: Counter[tuple[str, str]] = Counter()
    for one in seen:
        before = known.get(one.fingerprint)
        firing = before is not None and before.status is AlertStatus.FIRING
        taken = firing and before is not None and before.incident_id is not None
        if one.suppressed_by and not taken:
            found[one.cluster, one.name] += 1
    return dict(found)
